"""Pure control: what to ask, when to retrain, when to stop. No thread, clock, socket or file.

``controller`` takes events and gives commands; its parts are ``exploring`` (explorers and what they
find), ``asking`` (questions, with ``queue``, ``ledger``, ``levels`` and ``people``), ``training``
and ``staffing``, which share a ``desk``. ``state`` is a fold of the facts that they record,
``plan`` what never changes. Decisions are rules: ``retrain``, ``stop`` (the one home of stopping),
combined in ``rules``, and the ``policy`` that puts them together. ``gate`` and ``exchange`` decide
for explorers, where predictions are made.
"""
