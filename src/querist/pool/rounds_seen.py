"""What a round saw: a sample of embeddings or scores, kept to compare later rounds with.

``POOL/rounds/NAME.npz``: ``rows`` and ``values`` of at most some thousand items.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.pool.errors import PoolError
from querist.store.files import atomic_write, safe_name

FOLDER = "rounds"
SAMPLE = 2000


class Seen(NamedTuple):
    """A sample of what a round saw.

    Attributes:
        rows: ``(n,)``, of the items.
        values: ``(n, d)`` embeddings or ``(n, 1)`` scores.
        of: What they are, such as the need and digest of a model: only the same are comparable.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    of: str = ""


def remember(
    folder: Path, name: str, rows: NDArray[np.int64], values: NDArray[Any], of: str
) -> Seen:
    """Keep a random sample under a round's name, replacing an earlier one.

    Raises:
        ShapeError: If ``values`` are not one number or vector a row, or not finite.
    """
    values = np.asarray(values, np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != len(rows) or not np.isfinite(values).all():
        raise ShapeError(
            f"A round is told by finite values (n,) or (n, d) for n rows, got {values.shape} for "
            f"{len(rows)} rows."
        )
    chosen = np.arange(len(rows))
    if len(rows) > SAMPLE:
        chosen = np.sort(np.random.default_rng(0).choice(len(rows), SAMPLE, replace=False))
    seen = Seen(np.asarray(rows, np.int64)[chosen], values[chosen], of)
    (folder / FOLDER).mkdir(exist_ok=True)
    _write(_path(folder, name), seen)
    return seen


def load(folder: Path, name: str) -> Seen:
    """A round's sample.

    Raises:
        PoolError: If there is none of this name.
    """
    try:
        with np.load(_path(folder, name), allow_pickle=False) as found:
            return Seen(found["rows"], found["values"], str(found["of"]))
    except FileNotFoundError:
        there = ", ".join(names(folder)) or "none"
        raise PoolError(f"No round {name!r} was remembered; there are: {there}.") from None


def pair(folder: Path, before: str, after: str) -> tuple[Seen, Seen]:
    """Two rounds: those named, else the last and the first that can be compared with it.

    Raises:
        PoolError: If there are none, or what they saw is not comparable.
    """
    if not names(folder):
        raise PoolError("Drift is measured between two queries, and none has been run yet.")
    last = after or names(folder)[-1]
    later = load(folder, last)
    earlier = load(folder, before) if before else _first(folder, later, last)
    if earlier.of != later.of:
        raise PoolError(
            f"These rounds cannot be compared: one saw {earlier.of or 'unnamed values'}, the "
            f"other {later.of or 'unnamed values'}. Name two rounds of one model."
        )
    return earlier, later


def _first(folder: Path, later: Seen, last: str) -> Seen:
    for name in names(folder):
        if name != last and (seen := load(folder, name)).of == later.of:
            return seen
    raise PoolError(
        "Drift is measured between two rounds that saw the same kind of values (embeddings, or "
        f"scores, of one model), and nothing compares with {last!r}. Ask the same model once more, "
        "or name an earlier round."
    )


def names(folder: Path) -> list[str]:
    """The rounds that were remembered, the oldest first."""
    found = sorted((folder / FOLDER).glob("*.npz"), key=lambda path: path.stat().st_mtime_ns)
    return [path.stem for path in found]


def erase(folder: Path, rows: NDArray[np.int64]) -> None:
    """Leave items out of all samples."""
    for path in (folder / FOLDER).glob("*.npz"):
        with np.load(path, allow_pickle=False) as found:
            seen = Seen(found["rows"], found["values"], str(found["of"]))
        kept = ~np.isin(seen.rows, rows)
        if not kept.all():
            _write(path, Seen(seen.rows[kept], seen.values[kept], seen.of))


def _path(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{safe_name(name)}.npz"


def _write(path: Path, seen: Seen) -> None:
    held = io.BytesIO()
    np.savez(held, rows=seen.rows, values=seen.values, of=np.array(seen.of))
    atomic_write(path, held.getvalue())
