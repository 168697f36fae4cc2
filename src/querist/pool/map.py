"""A pool in two dimensions: where its items lie by what a model sees in them.

Features go through a file, chunk by chunk, so that memory does not grow with their number.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.pool.choosing import choose_model
from querist.pool.errors import PoolError
from querist.pool.guessing import guess_transform
from querist.pool.pool import Pool
from querist.pool.rounds_features import Tell, outputs_of, quiet
from querist.store.files import atomic_write

Rows = NDArray[np.int64]
Method = Literal["pca", "umap"]
METHODS: tuple[Method, ...] = ("pca", "umap")
MOST = 20_000
_CHUNK = 1024
_WIDEST = 1024  # dimensions whose covariance is made; of more it is that of a random projection
_BEFORE_UMAP = 50
_KIND = np.dtype([("row", "<i8"), ("x", "<f4"), ("y", "<f4")])


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a map is made.

    Attributes:
        model: Settings of the model whose embeddings are drawn; None for built-in features.
        method: "pca", the two directions of most variance, or "umap" (an extra).
        limit: Items, at most: of a larger pool a random part.
        first: ``(n,)`` rows that are on it in any case, such as picks.
        seed: Of what is drawn at random.
    """

    model: Mapping[str, Any] | None = None
    method: Method = "pca"
    limit: int = 10_000
    first: Rows | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"method is one of {', '.join(METHODS)}, got {self.method!r}.")
        if not 1 <= self.limit <= MOST:
            raise ConfigError(f"limit is from 1 to {MOST:,} items, got {self.limit}.")


class PoolMap(NamedTuple):
    """Where items lie.

    Attributes:
        rows: ``(n,)`` items of the pool, ascending.
        places: ``(n, 2)``, float32, without a unit.
        shares: Of the variance along both axes; zeros where the method has none.
        left_out: Items that cannot be read, or of which the model gives nothing finite.
    """

    rows: Rows
    places: NDArray[np.float32]
    shares: tuple[float, float]
    left_out: int


_USUAL = Drawing()


def map_of(pool: Pool, how: Drawing = _USUAL, tell: Tell = quiet) -> PoolMap:
    """Lay the items of a pool out in the plane.

    Labelled items come first where there are more than ``limit``, then others at random.

    Args:
        pool: Whose items.
        how: By which model and method.
        tell: Called with the number of items whose features are known.

    Raises:
        ConfigError: If the model cannot be used, or gives no embeddings.
        PoolError: If less than two items can be drawn.
        MissingExtra: For "umap", if umap-learn is not installed.
    """
    model = choose_model(how.model, str(guess_transform(pool)["modality"]))
    rows = chosen_rows(pool, how)
    with tempfile.TemporaryFile() as file:
        features = Features(file)
        kept = [np.zeros(0, np.int64)]
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            given = outputs_of(pool, part, model, frozenset({"embeddings"}))
            if len(given.rows):
                values = np.asarray(given.outputs["embeddings"]).reshape(len(given.rows), -1)
                good = np.isfinite(values).all(axis=1)
                features.add(values[good])
                kept.append(given.rows[good])
            tell(min(len(rows), start + _CHUNK))
        found = np.concatenate(kept)
        if len(found) < 2:
            raise PoolError(
                f"A map needs two items that can be read; this pool gave {len(found)} of "
                f"{len(rows)}."
            )
        places, shares = _laid_out(features, how)
    return PoolMap(found, places, shares, len(rows) - len(found))


def chosen_rows(pool: Pool, how: Drawing) -> Rows:
    """Which items are drawn, ascending: named ones, then labelled ones, then a random part."""
    rng = np.random.default_rng(how.seed)
    chosen = np.zeros(0, np.int64)
    everything = np.concatenate([chosen, *pool.rows("all")])
    named = np.intersect1d(chosen if how.first is None else how.first, everything)
    labelled = np.concatenate([chosen, *pool.rows("labelled")])
    for some in (named, labelled, everything):
        new = np.setdiff1d(some, chosen)
        room = how.limit - len(chosen)
        if len(new) > room:
            new = rng.choice(new, room, replace=False)
        chosen = np.union1d(chosen, new)
    return chosen


class Features:
    """``(n, d)`` numbers, written to a file and read back in chunks.

    Args:
        file: Where to; open for reading and writing.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.width = self.count = 0

    def add(self, values: NDArray[Any]) -> None:
        """Write some more rows."""
        if len(values):
            self.width = values.shape[1]
            self.count += len(values)
            self._file.write(np.ascontiguousarray(values, "<f4").tobytes())

    def chunks(self) -> Iterator[NDArray[np.float64]]:
        """All rows, in order."""
        self._file.seek(0)
        size = 4 * self.width * max(1, min(_CHUNK, (8 << 20) // max(1, self.width)))
        while data := self._file.read(size):
            yield np.frombuffer(data, "<f4").reshape(-1, self.width).astype(np.float64)


def principal(
    features: Features, dimensions: int, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Principal components, in two passes over chunks.

    Of more than 1,024 features the covariance is that of a random projection (Halko, Martinsson
    and Tropp, SIAM Review 53, 2011, section 4): close, not exact.

    Args:
        features: What is projected.
        dimensions: How many components, k.
        seed: Of the random projection.

    Returns:
        ``(n, k)`` scores, and ``(k,)`` shares of the variance, the largest first. Components beyond
        the number of features are zero. Of each the largest loading is positive.
    """
    squeeze = _squeeze(features.width, seed)
    mean, scatter = _moments(chunk @ squeeze for chunk in features.chunks())
    values, vectors = np.linalg.eigh(scatter)
    axes = vectors[:, ::-1][:, :dimensions]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    axes = axes * np.where(signs == 0, 1, signs)
    axes = np.pad(axes, ((0, 0), (0, dimensions - axes.shape[1])))
    scores = [(chunk @ squeeze - mean) @ axes for chunk in features.chunks()]
    shares = np.clip(values[::-1][:dimensions], 0, None) / max(values.clip(0).sum(), 1e-300)
    return np.concatenate(scores), np.pad(shares, (0, dimensions - len(shares)))


def _squeeze(width: int, seed: int) -> NDArray[np.float64]:
    if width <= _WIDEST:
        return np.eye(width)
    drawn = np.random.default_rng(seed).standard_normal((width, _WIDEST))
    return np.linalg.qr(drawn)[0]


def _moments(
    chunks: Iterable[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and scatter, merged (Chan, Golub and LeVeque, 1979) so that a large mean costs none."""
    count, mean, scatter = 0, np.zeros(0), np.zeros((0, 0))
    for chunk in chunks:
        own = chunk.mean(axis=0)
        centred = chunk - own
        if not count:
            mean, scatter, count = own, centred.T @ centred, len(chunk)
            continue
        apart, total = own - mean, count + len(chunk)
        scatter += centred.T @ centred + np.outer(apart, apart) * (count * len(chunk) / total)
        mean, count = mean + apart * (len(chunk) / total), total
    return mean, scatter


def _laid_out(features: Features, how: Drawing) -> tuple[NDArray[np.float32], tuple[float, float]]:
    if how.method == "umap":
        from querist.pool.map_umap import neighbours_kept

        scores, _ = principal(features, min(_BEFORE_UMAP, features.width), how.seed)
        return neighbours_kept(scores.astype(np.float32), how.seed), (0.0, 0.0)
    scores, shares = principal(features, 2, how.seed)
    return scores.astype(np.float32), (float(shares[0]), float(shares[1]))


def write_map(path: Path, made: PoolMap) -> None:
    """Keep where items lie, by row: no content of theirs."""
    held = io.BytesIO()
    told = np.zeros(len(made.rows), _KIND)
    told["row"], told["x"], told["y"] = made.rows, *made.places.T
    np.save(held, told, allow_pickle=False)
    atomic_write(path, held.getvalue())


def read_map(path: Path) -> tuple[Rows, NDArray[np.float32]]:
    """Rows ``(n,)`` and places ``(n, 2)`` of a map that was kept."""
    told = np.load(path, allow_pickle=False)
    return told["row"].astype(np.int64), np.stack([told["x"], told["y"]], axis=1)


def strike_from_map(path: Path, rows: Rows) -> None:
    """Leave items out of a map that was kept."""
    found, places = read_map(path)
    kept = ~np.isin(found, rows)
    if not kept.all():
        write_map(path, PoolMap(found[kept], places[kept], (0.0, 0.0), 0))
