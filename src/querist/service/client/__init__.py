"""Clients of the service; they need httpx, and no other package of the service."""
