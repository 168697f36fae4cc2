"""Jobs: durable work in processes of its own, shared fairly between tenants."""
