"""What people give where several are wanted: one, several, or a list of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import TypeAlias

from querist.pool.errors import PoolError

Uris: TypeAlias = str | Path | Iterable[str | Path]
"""Where items are: one place, or several."""


def uris_of(given: Iterable[Uris]) -> Iterator[str]:
    """All URIs and paths, those in lists too.

    Raises:
        PoolError: For what is neither.
    """
    for one in given:
        if isinstance(one, str | os.PathLike):
            yield str(one)
        elif isinstance(one, Sequence | Set | Iterator) and not isinstance(one, bytes):
            yield from uris_of(one)
        else:
            raise PoolError(
                f"Pool.add takes folders, files and URIs, got {one!r:.200}. Texts and rows of "
                "tables are added by Pool.add_items."
            )


def ids_of(given: str | Iterable[str]) -> list[str]:
    """Ids; a text is one id, not its letters."""
    return [given] if isinstance(given, str) else list(given)


def ids_in(given: Iterable[str | Iterable[str]]) -> list[str]:
    """All ids, those in lists too."""
    return [id for one in given for id in ids_of(one)]
