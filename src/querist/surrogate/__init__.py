"""A simulation that answers from a model where a calibrated gate says that it may."""
