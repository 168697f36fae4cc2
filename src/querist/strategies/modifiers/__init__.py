"""Modifiers wrap a strategy: ``cost-aware(margin)``. One a file, named like its function."""
