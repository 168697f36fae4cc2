"""Active learning as a service: pools, queries and labels over HTTP, for many people at once.

``wire`` holds what travels (shared with the client); ``querist serve`` starts the rest.
"""
