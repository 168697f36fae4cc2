"""How the index's tables came to be, step by step; applied when a server starts."""
