"""What scripts import: a folder of its own, so that nothing else of Querist is on their path."""
