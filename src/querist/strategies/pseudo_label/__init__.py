"""Picks for the oracle, and rows that the model may label itself."""
