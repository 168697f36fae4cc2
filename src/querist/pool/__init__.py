"""Many items by URI, and the loop of labelling around them."""
