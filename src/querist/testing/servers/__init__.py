"""Real servers on loopback, for tests and benchmarks: HTTP, S3, FTP, as slow or faulty as wanted.

Each is a context manager with a ``url``; :func:`~querist.testing.servers.separate.separate` runs
one in a process of its own, so that it does not share the interpreter with what is measured.
"""
