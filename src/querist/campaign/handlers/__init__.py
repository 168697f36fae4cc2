"""What workers of a campaign do: explore, label, train. Opened in the worker by its engine."""
