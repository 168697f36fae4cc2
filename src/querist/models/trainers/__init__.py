"""Built-in trainers of models over pools: from labels to a state file and settings to open it."""
