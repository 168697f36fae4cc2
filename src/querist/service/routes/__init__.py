"""What answers requests: one noun a file, plain functions of a call."""
