"""Points drawn uniformly from a box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as held
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querist.core.batch import Array, Batch
from querist.core.errors import ConfigError
from querist.core.prediction import Feedback, Proposal
from querist.generators.randomness import Seeded, rng_from, rng_state

Floats = NDArray[np.float64]


@dataclass(eq=False)
class Uniform(Seeded):
    """Draws ``batch`` independent points at a time; a row is a walker.

    Attributes:
        low, high: Bounds of the box, numbers or arrays that are broadcast to the sample's shape.
        batch: How many at a time.
        field: Name of the sample's array.
        seed: Of the points; the worker's randomness when None.
    """

    low: ArrayLike
    high: ArrayLike
    batch: int = 64
    field: str = "x"
    seed: int | None = None
    _box: tuple[Floats, Floats] = held(init=False, repr=False)

    def __post_init__(self) -> None:
        self._box = box(self.low, self.high)

    def propose(self) -> Proposal:
        """``batch`` new points."""
        return Proposal(self.initial(self.batch), np.arange(self.batch, dtype=np.int64))

    def observe(self, feedback: Feedback) -> None:
        """Points do not depend on what is thought of them."""

    def initial(self, count: int) -> Batch:
        """``count`` new points."""
        low, high = self._box
        points = self.rng.uniform(low, high, (count, *low.shape))
        return Batch.stack(**{self.field: points})

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """The randomness."""
        return {}, {"rng": rng_state(self.rng)}

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Continue with the randomness of then."""
        self._rng = rng_from(data["rng"])


def box(low: ArrayLike, high: ArrayLike) -> tuple[Floats, Floats]:
    """Lower and upper bounds of one shape.

    Raises:
        ConfigError: If they have no common shape, or an upper bound is not above the lower one.
    """
    try:
        pair = np.broadcast_arrays(np.asarray(low, np.float64), np.asarray(high, np.float64))
    except ValueError as error:
        raise ConfigError(f"bounds of the shapes {np.shape(low)} and {np.shape(high)}.") from error
    if not (pair[0] < pair[1]).all():
        raise ConfigError(f"every lower bound needs a higher upper one; got {low!r} and {high!r}.")
    return pair[0], pair[1]
