"""What can go wrong with a pool. Every message says what was wanted, got, and what to do."""

from __future__ import annotations

from querist.core.errors import QueristError


class PoolError(QueristError):
    """Base of all errors of pools."""


class NotAPool(PoolError):
    """A folder is not the folder of a pool."""


class PoolExists(PoolError):
    """A new pool was to be created where something already is."""


class NewerPool(PoolError):
    """A pool was written by a later version of Querist."""


class PoolBusy(PoolError):
    """Another process kept the pool's index locked for too long."""


class PoolDamaged(PoolError):
    """The pool's index is not what was written."""


class UnknownItem(PoolError, LookupError):
    """An id that the pool does not hold."""


class Forgotten(UnknownItem):
    """An id that the pool was told to forget."""


class BadLabel(PoolError, ValueError):
    """A value that is no label for the pool's task."""


class BadFilter(PoolError, ValueError):
    """A ``where`` that cannot be understood."""


class TooManyBroken(PoolError):
    """More of what was to be added is broken than the limit allows.

    What was added before stays; adding again goes on.
    """
