"""The page: files for a browser, which speaks to the same interface as any other client."""
