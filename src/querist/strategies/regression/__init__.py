"""Regression: by features, predictions or kernels."""
