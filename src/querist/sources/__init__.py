"""Where samples and labels come from: one file a format, later one a URI scheme."""
