"""One file a place that models of pools come from."""
