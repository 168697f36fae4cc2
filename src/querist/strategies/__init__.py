"""Query strategies: arrays in, indices and scores out. Nothing here knows of models or campaigns.

The machinery, which a new method leaves alone:

- ``needs``: the table of what a strategy may ask for (probabilities, embeddings, ...);
- ``rows``: data in memory, memory-mapped, on a GPU or iterated, read in blocks;
- ``contract``: :class:`Selection`, :class:`Strategy` and the two decorators that make one;
- ``ranking``: the best few scores of a stream; ``registry``: by name; ``selecting``: ``select``;
- ``geometry``, ``farthest``, ``squared``: distances that are never held as a matrix;
- ``windows``: counts of labels nearby, and batches by them.

**A new method is one file** in the folder of its family (``uncertainty``, ``committee``,
``representation``, ``hybrid``, ...), named like its function and found by itself::

    @pointwise(paper="...", cost="O(n C)", use="...")
    def margin(probabilities: Array) -> Array:
        '''Scores of one block of rows, higher is asked first.'''

    @batchwise(paper="...", cost="O(n b d)", use="...")
    def k_center(embeddings: Rows, *, budget: int) -> Picks:
        '''Indices in order of preference, and their scores.'''

The names of the parameters say what the method needs (the table in ``needs``); one with a default
that is in the table is optional, one that is not in the table is an option; a parameter ``rng``
means that the method draws at random. Then add a brute-force reference, written for clarity, in
``querist.testing.strategy_references``: the conformance suite holds every registered method
against it and fails for a method that has none.
"""
