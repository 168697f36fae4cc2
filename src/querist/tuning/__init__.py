"""Studies: settings of a simulation chosen for performance subject to quality."""
