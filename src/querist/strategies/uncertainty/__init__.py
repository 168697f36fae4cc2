"""Uncertainty of one classifier."""
