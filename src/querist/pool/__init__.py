"""Many items by URI, and the loop of labelling around them. Begin with ``pool`` and ``query``.

- Items and labels, in SQLite: ``pool`` (the public face), ``database`` and ``schema``; ``adding``,
  ``merging`` and ``fitting`` bring items in, ``index`` and ``where`` read them; ``labelling`` and
  ``label_values`` keep what annotators say; ``manifests`` has one file a format.
- A query: ``query`` (start, run, look, cancel), ``query_settings``, ``query_needs`` (what a
  strategy has scanned), ``query_control`` (pure: ranges of rows to workers), ``query_state`` (a
  fold of its journal), ``query_result`` and ``query_picks``; ``scan`` is what the workers do.
- Rounds: ``rounds`` (select, label, train, and again) with ``rounds_oracles`` and
  ``rounds_training``.
- About labels and items: ``annotators``, ``opinions``, ``label_issues``, ``suggesting``, ``drift``,
  ``map``, ``estimate``.
- From one file: ``file`` reads ``pool.yaml``, ``running`` carries it out.
"""
