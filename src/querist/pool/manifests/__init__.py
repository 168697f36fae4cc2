"""Lists of items and labels in the formats of other programs: one file a format."""
