"""Generators explore: candidate sets, streams, walkers, molecular dynamics, ask/tell optimisers."""
