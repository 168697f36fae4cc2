"""Potentials and other models of one's own, in a script and perhaps an interpreter of their own."""

from .model import External

__all__ = ["External"]
