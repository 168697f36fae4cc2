"""The scan of a pool: read, decode, infer and score as stages that overlap."""
