"""Models with uncertainty: committees, Gaussian processes, and the calibrator that wraps them.

- For campaigns and surrogates, one file a model: ``random_features``, ``gaussian_process``,
  ``committee``, ``torch_ensemble``, ``mc_dropout``, ``torch_classifier``; of atoms ``local`` and
  ``gradient_domain``; in a process of its own ``external``. Around another model: ``calibration``
  (the one calibrator, with ``reliability``), ``avoiding`` and ``promising``.
- For pools: ``inference`` opens what ``inference_settings`` describe, by ``loaders`` (where a model
  comes from) and ``backends`` (what runs it); ``trainers`` learn from a pool's labels.
"""
