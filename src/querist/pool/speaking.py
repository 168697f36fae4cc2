"""What manifests say of items, as statements to be recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from querist.pool.errors import BadLabel
from querist.pool.items import Broken
from querist.pool.label_values import checked, class_names, require_known
from querist.pool.labelling import LABEL, SKIP, Statement, learn, record, statement
from querist.pool.manifests.record import Record
from querist.pool.settings import PoolSettings
from querist.pool.tally import Tally


class Statements:
    """Collects the labels of a batch of records.

    Args:
        settings: The pool's.
        tally: What counts; labels that are none are broken.
        where: The manifest.
    """

    def __init__(self, settings: PoolSettings, tally: Tally, where: str) -> None:
        self._settings, self._tally, self._where = settings, tally, where
        self._statements: list[Statement] = []
        self._names: dict[str, None] = {}

    def take(self, row: int, one: Record) -> int:
        """Take what a record says of the item of a row; how many statements that were."""
        found = list(self._of(row, one))
        self._statements += found
        return len(found)

    def _of(self, row: int, one: Record) -> Iterator[Statement]:
        for said in one.said:
            try:
                value = said.value if said.skip else self._checked(said.value)
                yield statement(row, said.by, SKIP if said.skip else LABEL, value)
            except (BadLabel, TypeError, ValueError) as error:
                self._tally.break_on(Broken(self._where, one.line, str(error)))

    def _checked(self, value: Any) -> Any:
        value = checked(self._settings.task, value)
        found = list(class_names(self._settings.task, value))
        if self._settings.classes is not None:
            require_known(iter(found), self._settings.classes)
        else:
            self._names.update(dict.fromkeys(found))
        return value

    def record(self, connection: sqlite3.Connection) -> None:
        """Record them all, in the transaction."""
        if self._statements:
            learn(connection, self._names)
            number = record(connection, self._statements, self._settings.agreement)
            self._tally.count("labelled", number)
