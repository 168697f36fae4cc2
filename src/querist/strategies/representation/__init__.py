"""Picks that represent or cover the pool."""
