"""Searches: what to try next, one method a file, all behind one ask/tell contract."""
