"""Pure control: what to ask, when to retrain, when to stop. No thread, clock, socket or file."""
