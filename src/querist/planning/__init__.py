"""Forecasts by simulated time, and the search of allocations."""
