"""Uncertain and diverse at once."""
