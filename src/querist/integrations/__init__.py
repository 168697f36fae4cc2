"""Other programs that people use beside Querist: labelling tools, trackers, ASE."""
