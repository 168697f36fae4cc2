"""Configuration to wired objects to a run: the room where everything meets."""
