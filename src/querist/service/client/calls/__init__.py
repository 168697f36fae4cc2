"""What a client can ask for: each function describes requests, and carries out none.

One noun a file. ``querist.service.client.client`` makes of each a plain method and one to be
awaited.
"""
