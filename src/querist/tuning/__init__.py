"""Studies: settings of a simulation chosen for performance subject to quality.

``study`` is the public face: a campaign whose generator is a ``tuner`` and whose oracle is the
``simulation``. ``space`` is what may be set (``candidates``: a finite set), ``aims`` and ``trial``
what is sought and what came of a run. ``search`` is the contract of all searches, ``searches`` has
one file a method. Beside studies: ``live`` changes settings while a simulation goes on,
``inference`` learns parameters from observations, ``design`` chooses experiments.
"""
