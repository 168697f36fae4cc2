"""Items that come one by one: ask where they are dense, within a budget.

Ienco, Žliobaitė & Pfahringer 2014, *High density-focused uncertainty sampling for active learning
over evolving stream data* (BigMine), DBALStream: an item may be asked if it is nearer to some
recent item than any other recent one, and if a randomised threshold of its confidence says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, ShapeError
from querist.strategies.stream import shares

Row = tuple[float, ...]


def checked(
    confidences: NDArray[Any], embeddings: NDArray[Any], width: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Confidences and features of items, as float64.

    Args:
        confidences: ``(k,)``.
        embeddings: ``(k, d)``.
        width: How many features items had before; None where there were none.

    Raises:
        ConfigError: If a confidence is not from 0 to 1.
        ShapeError: If features are not finite rows of one length, a row for each item.
    """
    values, features = np.asarray(confidences, float), np.asarray(embeddings, float)
    if values.ndim != 1 or not ((values >= 0.0) & (values <= 1.0)).all():
        raise ConfigError("confidences are a vector of numbers from 0 to 1.")
    wide = features.shape[-1] if width is None and features.ndim else width
    if features.shape != (len(values), wide) or not np.isfinite(features).all():
        raise ShapeError(
            f"embeddings are a row of {wide or 'some'} finite numbers for each of {len(values)} "
            f"items, got an array of {features.shape}."
        )
    return values, features


@dataclass(frozen=True, slots=True)
class DensityStream:
    """A threshold with a budget and recent items: what was decided so far is part of the value.

    :meth:`ask` returns the decisions and the stream as it is after them. Its :meth:`state` goes
    into JSON, and :meth:`restored` comes out of it.

    Attributes:
        budget: Share of the items that may be asked, above 0 and up to 1, from the first item on.
        step: By which share the threshold falls with every question, and rises otherwise.
        window: How many recent items are kept, with their features.
        spread: Standard deviation of the normal factor of the threshold; its mean is 1.
        threshold: Of the confidence, now.
        seen: Items so far.
        asked: Questions so far.
        rows: Recent items' features.
        nearest: How near another recent item came to each of them.
    """

    budget: float
    step: float = 0.01
    window: int = 100
    spread: float = 1.0
    threshold: float = 1.0
    seen: int = 0
    asked: int = 0
    rows: tuple[Row, ...] = ()
    nearest: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        shares(budget=self.budget, step=self.step)
        if self.window < 1 or self.spread < 0.0 or not self.threshold >= 0.0:
            raise ConfigError("window is at least 1; spread and threshold are not negative.")

    def ask(
        self, confidences: NDArray[Any], embeddings: NDArray[Any], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], DensityStream]:
        """Decide on the next items, one after the other.

        Args:
            confidences: ``(k,)`` the paper's margin: probability of the likeliest class of each
                less that of the next; or another number from 0 to 1.
            embeddings: ``(k, d)`` features of the items, in which distance means difference.
            rng: Randomises the threshold.

        Returns:
            ``(k,)`` whether each is asked, and the stream as it is then. The same items in parts
            of any size are decided alike.

        Raises:
            ConfigError: If a confidence is not from 0 to 1.
            ShapeError: If features are not finite rows of one length, a row for each item.
        """
        width = len(self.rows[0]) if self.rows else None
        values, features = checked(confidences, embeddings, width)
        stream, decisions = self, np.zeros(len(values), bool)
        for place, (confidence, row) in enumerate(zip(values.tolist(), features, strict=True)):
            decisions[place], stream = stream._next(confidence, row, rng)
        return decisions, stream

    def _next(
        self, confidence: float, row: NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[bool, DensityStream]:
        dense, rows, nearest = self._joined(row)
        asks, threshold, seen = False, self.threshold, self.seen + 1
        if self.asked / seen < self.budget:
            if dense:
                asks = confidence < threshold * rng.normal(1.0, self.spread)
            threshold *= 1.0 - self.step if asks else 1.0 + self.step
        return asks, replace(
            self,
            threshold=threshold,
            seen=seen,
            asked=self.asked + asks,
            rows=rows,
            nearest=nearest,
        )

    def _joined(self, row: NDArray[np.float64]) -> tuple[bool, tuple[Row, ...], tuple[float, ...]]:
        """Whether it became the nearest of some recent item, and the window with it."""
        nearest, own, dense = np.array(self.nearest), math.inf, False
        if self.rows:
            away = np.sqrt(((np.array(self.rows) - row) ** 2).sum(axis=1))
            dense, own = bool((away < nearest).any()), float(away.min())
            nearest = np.minimum(nearest, away)
        kept = slice(max(0, len(self.rows) + 1 - self.window), None)
        return (
            dense,
            (*self.rows, tuple(row.tolist()))[kept],
            (*nearest.tolist(), own)[kept],
        )

    def state(self) -> dict[str, Any]:
        """Everything, for JSON; that nothing came near yet is None."""
        near = [None if value == math.inf else value for value in self.nearest]
        return {**asdict(self), "rows": [list(row) for row in self.rows], "nearest": near}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> DensityStream:
        """The stream of a :meth:`state`."""
        near = (math.inf if value is None else value for value in state["nearest"])
        rows = tuple(tuple(row) for row in state["rows"])
        return cls(**{**state, "rows": rows, "nearest": tuple(near)})
