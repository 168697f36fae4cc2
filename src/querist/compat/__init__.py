"""Runs the user code of other tools on our loop."""
