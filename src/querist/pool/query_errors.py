"""How a query can end without picks."""

from __future__ import annotations

from querist.pool.errors import PoolError


class QueryError(PoolError):
    """Base of the errors of queries."""


class QueryFailed(QueryError):
    """A query cannot be answered; the sentence says why."""


class QueryCancelled(QueryError):
    """Somebody cancelled the query; it is not resumed."""


class QueryStopped(QueryError):
    """The query was stopped before its end; run it again to go on."""


class QueryUnfinished(QueryError):
    """The result of a query was asked for before there is one."""
