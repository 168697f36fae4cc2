"""From the bytes of an item to what a model takes: one file a modality."""
