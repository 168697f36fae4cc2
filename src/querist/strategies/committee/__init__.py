"""Disagreement of a committee, or of posterior samples."""
