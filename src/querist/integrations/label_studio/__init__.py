"""Label Studio: picks go there as tasks, annotations come back, and it asks for predictions."""
