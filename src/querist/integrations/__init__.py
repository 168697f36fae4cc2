"""Other programs that people use beside Querist: labelling tools and trackers."""
