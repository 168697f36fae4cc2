"""The service's own records (tenants, keys, pools, jobs, webhooks) in SQLite or PostgreSQL.

What a job did is in its folder; the index says which jobs there are and whose they are.
"""
