"""Writers of one process that come together share a transaction, and so one sync of the disk.

SQLite has one writer at a time, and a commit waits for the disk: on a busy one for tens of
milliseconds. Each writer here has a savepoint of its own within the transaction of its group, and
returns when that is on the disk. Who leaves while nobody is coming commits for all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_MOST = 32  # writers of a group, so that the first does not wait for ever


class Group:
    """Writers that share a transaction.

    Args:
        engine: SQLAlchemy's.
    """

    def __init__(self, engine: Any) -> None:
        self.connection = engine.connect().execution_options(querist_write=True)
        try:
            self._transaction = self.connection.begin()
        except BaseException:
            self.connection.close()
            raise
        self.writers = 0
        self._done = threading.Event()
        self._error: BaseException | None = None

    def commit(self) -> None:
        """Put all on the disk; what goes wrong is raised by every writer's :meth:`wait`."""
        try:
            self._transaction.commit()
        except BaseException as error:  # noqa: BLE001 - it is raised where the writers wait
            self._error = error
        finally:
            self.connection.close()
            self._done.set()

    def wait(self) -> None:
        """Return when what was written is on the disk.

        Raises:
            Exception: What the database raised: then nothing of the group was written.
        """
        self._done.wait()
        if self._error is not None:
            raise self._error


class Writers:
    """Lets writers in, one at a time, and groups them.

    Args:
        engine: SQLAlchemy's.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._turn, self._counting = threading.Lock(), threading.Lock()
        self._coming = 0
        self._group: Group | None = None

    @contextmanager
    def write(self) -> Iterator[Any]:
        """A connection within the group's transaction; an error undoes this writer's part only."""
        with self._counting:
            self._coming += 1
        with self._turn:
            with self._counting:
                self._coming -= 1
            group = self._group = self._group or Group(self._engine)
            try:
                with group.connection.begin_nested():
                    yield group.connection
            finally:
                self._leave(group)
        group.wait()

    def _leave(self, group: Group) -> None:
        group.writers += 1
        with self._counting:
            last = not self._coming or group.writers >= _MOST
        if last:  # otherwise whoever comes goes on with it
            self._group = None
            group.commit()
