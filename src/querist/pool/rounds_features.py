"""What models give of some items of a pool: from the caches of the scan, and into them.

A query has read, decoded and scored nearly all that a round learns from, so that hardly anything is
computed here. Items that can no longer be read are left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.models.inference import Inference, open_inference
from querist.models.loaders.head import open_head
from querist.pool.digests import content_digest
from querist.pool.guessing import guess_transform, require_learned_on
from querist.pool.items import Item
from querist.pool.model_servers import connector
from querist.pool.pool import Pool
from querist.pool.scan.caching import FOLDER, Caches
from querist.pool.scan.inferring import infer
from querist.pool.scan.place import known_about
from querist.sources.source import SourceError
from querist.sources.transforms.contract import BadItem
from querist.sources.transforms.opening import open_transform

CHUNK = 256
_LIMIT = 4 << 30  # bytes of each cache, as a query has it

Rows = NDArray[np.int64]
Tell = Callable[[int], None]


def quiet(_: int) -> None:
    """Tell nobody."""


class Given(NamedTuple):
    """What a model gives.

    Attributes:
        rows: ``(n,)`` items of the pool, in the order in which they were asked for, without those
            that cannot be read.
        outputs: By need, ``(n, ...)``.
        classes: Names of the columns of probabilities, where the model knows them.
        computed: How many of them were not in the cache.
    """

    rows: Rows
    outputs: Mapping[str, NDArray[Any]]
    classes: tuple[str, ...]
    computed: int


class Decoded:
    """Items of a pool, decoded; from the cache of the scan where they are there.

    Args:
        pool: Whose they are.
        rows: ``(n,)``; those that cannot be read are left out, see :attr:`rows`.
    """

    def __init__(self, pool: Pool, rows: Rows) -> None:
        self._pool = pool
        self._transform = open_transform(guess_transform(pool))
        self._caches = Caches(pool.folder / FOLDER, self._transform.digest, _LIMIT)
        self._rows = np.asarray(rows, np.int64)

    @property
    def caches(self) -> Caches:
        """The caches of these items."""
        return self._caches

    @property
    def rows(self) -> Rows:
        """``(n,)`` of the items."""
        return self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: NDArray[np.int64]) -> Any:
        """A batch of the items at these places; all must be readable."""
        made = self.some(self._rows[at])
        return self._transform.stack([made[int(row)] for row in self._rows[at]])

    def readable(self, tell: Tell = quiet) -> Decoded:
        """The same without items that cannot be read; all others are in the cache then."""
        kept = [np.zeros(0, np.int64)]
        for start in range(0, len(self._rows), CHUNK):
            part = self._rows[start : start + CHUNK]
            made = self.some(part)
            kept.append(part[[int(row) in made for row in part]])
            tell(start + len(part))
        return Decoded(self._pool, np.concatenate(kept))

    def stack(self, values: list[Any]) -> Any:
        """A batch of decoded items."""
        return self._transform.stack(values)

    def some(self, rows: Rows) -> dict[int, Any]:
        """Decoded items by row; those that cannot be read are not there."""
        ascending = np.unique(rows)
        contents = self._pool.contents_of(ascending)
        there, data = self._caches.decoded(ascending, contents)
        made: dict[int, Any] = {}
        if data is not None:
            made = {int(ascending[at]): data[at] for at in np.flatnonzero(there)}
        missing = ascending[~there]
        if len(missing):
            made |= self._read(self._pool.fetch(missing))
        return made

    def _read(self, items: list[Item]) -> dict[int, Any]:
        made, digests = dict[int, Any](), dict[int, str]()
        for item in items:
            try:
                data = item.data if item.inline is not None else self._pool.sources.read(item.uri)
                assert data is not None
                made[item.row] = self._transform.decode(data)
            except (BadItem, SourceError):
                continue
            digests[item.row] = content_digest(data)
        if digests:
            self._pool.note_contents({row: bytes.fromhex(told) for row, told in digests.items()})
            self._keep(made, digests)
        return made

    def _keep(self, made: Mapping[int, Any], digests: Mapping[int, str]) -> None:
        rows = sorted(digests)
        batch = self._transform.stack([made[row] for row in rows])
        if not isinstance(batch, list):
            keys = np.frombuffer(bytes.fromhex("".join(digests[row] for row in rows)), np.uint8)
            self._caches.keep_decoded(np.array(rows, np.int64), keys.reshape(len(rows), -1), batch)


def outputs_of(
    pool: Pool,
    rows: Rows,
    model: Mapping[str, Any],
    wanted: frozenset[str],
    tell: Tell = quiet,
) -> Given:
    """What a model gives of items, computed only where no scan did before.

    Args:
        pool: Whose items.
        rows: ``(n,)``, of items.
        model: Its settings.
        wanted: Names of needs.
        tell: Called with the number of items that are done.

    Raises:
        ConfigError: If the model cannot be used, or does not give this.
    """
    if model.get("use") == "head":
        head = open_head(model)
        require_learned_on(model["base"], open_transform(guess_transform(pool)))
        given = outputs_of(pool, rows, model["base"], frozenset({"embeddings"}), tell)
        made = head.of_embeddings(given.outputs["embeddings"], wanted)
        return given._replace(outputs=made, classes=head.classes)
    source = _Source(pool, np.unique(rows), model, wanted)
    try:
        return source.given(np.asarray(rows, np.int64), tell)
    finally:
        source.close()


class _Source:
    """One model over some rows, opened where the cache does not have everything."""

    def __init__(
        self, pool: Pool, rows: Rows, model: Mapping[str, Any], wanted: frozenset[str]
    ) -> None:
        self._model, self._wanted = model, wanted
        self._rows, self._pool = rows, pool
        self._items = Decoded(pool, rows)
        self._opened: Inference | None = None
        known = known_about(pool.folder / FOLDER, model)
        self._about = known or self._open()
        missing = wanted - self._about.provides
        if missing:
            self.close()
            raise ConfigError(
                f"{', '.join(sorted(missing))} of the items are needed, but the model gives "
                f"{', '.join(sorted(self._about.provides)) or 'nothing'}."
            )

    def _open(self) -> Inference:
        if self._opened is None:
            connect = connector(self._pool.settings.models)
            self._opened = open_inference(self._model, connect=connect)
        return self._opened

    def given(self, asked: Rows, tell: Tell) -> Given:
        """What the model gives of some rows; those that cannot be read are left out."""
        contents = self._pool.contents_of(self._rows)
        found, held = self._items.caches.outputs(
            self._about.digest, self._wanted, self._rows, contents
        )
        made = {int(self._rows[at]): at for at in np.flatnonzero(found)}
        outputs = {name: [_good(held[name], found)] if made else [] for name in self._wanted}
        del held  # of many rows each copy is large
        order = list(made)
        tell(len(order))
        missing = self._rows[~found]
        for start in range(0, len(missing), CHUNK):
            part, fresh = self._computed(missing[start : start + CHUNK])
            order += part
            for name, values in fresh.items():
                outputs[name].append(values)
            tell(min(len(self._rows), int(found.sum()) + start + CHUNK))
        at = {row: place for place, row in enumerate(order)}
        kept = np.array([row for row in asked.tolist() if row in at], np.int64)
        places = [at[row] for row in kept.tolist()]
        joined = {name: _joined(parts, places) for name, parts in outputs.items() if parts}
        return Given(kept, joined, tuple(self._about.classes), len(order) - len(made))

    def _computed(self, rows: Rows) -> tuple[list[int], Mapping[str, NDArray[Any]]]:
        """Rows that could be read, and what the model gives of them; kept for later."""
        made = self._items.some(rows)
        good = [row for row in rows.tolist() if row in made]
        if not good:
            return [], {}
        batch = self._items.stack([made[row] for row in good])
        fresh = infer(self._open(), batch, self._wanted)
        kept = np.array(good, np.int64)[fresh.good]
        contents = self._pool.contents_of(kept)
        self._items.caches.keep_outputs(self._about.digest, fresh.outputs, kept, contents)
        return kept.tolist(), fresh.outputs

    def close(self) -> None:
        """Close the model."""
        if self._opened is not None:
            self._opened.close()


def _good(values: NDArray[Any], found: NDArray[np.bool_]) -> NDArray[Any]:
    """Without a copy where all are."""
    return values if found.all() else values[found]


def _joined(parts: list[NDArray[Any]], places: list[int]) -> NDArray[Any]:
    """The rows of parts, which are given up, in another order."""
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    parts.clear()
    return whole if places == list(range(len(whole))) else whole[places]
