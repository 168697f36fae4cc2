"""Webhooks: a durable outbox, signed messages, careful sending."""
