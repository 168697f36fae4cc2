"""What travels between server and client: pydantic types that both sides share, one noun a file.

They import pydantic only, so that a client needs neither FastAPI nor a database. What is *asked*
(``Ask``) refuses unknown keys; what is *told* (``Told``) ignores them, so that an older client goes
on with a newer server.
"""
