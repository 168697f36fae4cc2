"""Configuration to wired objects to a run: the room where everything meets.

Begin with ``campaign``, the public face.

- The configuration: ``settings`` (the schema), ``loading`` (from YAML), ``registry`` and
  ``first_programs`` (short names), ``checking`` (every problem, without a run).
- To a run: ``wiring`` makes the controller's plan and the engine's pools of the settings,
  ``counts`` and ``placing`` say how many workers there are and where, ``driver`` is the only place
  where controller, engine and store meet; ``handlers`` has what each kind of worker does.
- Beside a run: ``asked`` (people and other programs), ``watching``, ``inspecting``, ``restaffing``.
- Before and after: ``starting`` (what a run begins with), ``planned`` and ``simulating`` (in
  simulated time), ``models`` and ``exchanging`` (what comes of it).
"""
