"""A simulation that answers from a model where a calibrated gate says that it may.

``surrogate`` is the callable. It asks ``keeping``, one process's hold of the facts: ``record``
keeps them (in memory, or in a folder that processes share), ``state`` is what they add up to.
``learner``, of which one process has the turn, fits models, puts them on trial (``trials``) and
sets the ``gate``, where the guarantee and its theorem stand. ``working`` runs simulations and fits
on an engine; ``export`` writes a model with its gate.
"""
