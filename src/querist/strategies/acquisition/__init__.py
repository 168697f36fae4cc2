"""Bayesian optimisation over candidates: the highest output is looked for."""
