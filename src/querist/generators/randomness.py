"""A generator's own randomness, and how it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from querist.core.roles import WorkerContext


def rng_state(rng: np.random.Generator) -> dict[str, Any]:
    """The state of a random generator as JSON-able data."""
    plain: dict[str, Any] = _plain(dict(rng.bit_generator.state))
    return plain


def rng_from(state: Mapping[str, Any]) -> np.random.Generator:
    """The random generator that :func:`rng_state` was taken of."""
    kind = getattr(np.random, str(state["bit_generator"]))
    bits = kind()
    bits.state = _arrays(dict(state))
    return np.random.Generator(bits)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(held) for name, held in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _arrays(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _arrays(held) for name, held in value.items()}
    return np.array(value, np.uint64) if isinstance(value, list) else value


class Seeded:
    """Mixin: the worker's randomness, or with a ``seed`` one's own (and another in each worker)."""

    seed: int | None
    _rng: np.random.Generator | None = None
    _index: int = 0

    @property
    def rng(self) -> np.random.Generator:
        """The generator's stream of randomness."""
        if self._rng is None:
            self._rng = np.random.default_rng(self.seed)
        return self._rng

    def open(self, context: WorkerContext) -> None:
        """Take the worker's randomness unless there is a seed."""
        self._index = context.index
        seeded = self.seed is not None
        self._rng = (
            np.random.default_rng([self.seed or 0, context.index]) if seeded else context.rng
        )
