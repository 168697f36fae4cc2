"""Models with uncertainty: committees, Gaussian processes, and the calibrator that wraps them."""
