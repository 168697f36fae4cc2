"""Roles of the campaigns that plans are checked against: they sleep, and need few cores."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import numpy as np

SECONDS = 0.2  # mean of an answer
KINDS = ("fixed", "uneven", "skewed", "lognormal")


class Sleeps:
    """Takes as long as a hash of its input says, so that no choice of inputs is quicker.

    Args:
        kind: Distribution of its seconds.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(self, x: np.ndarray) -> float:
        """One answer."""
        seed = int.from_bytes(hashlib.sha256(x.tobytes()).digest()[:8], "little")
        time.sleep(SECONDS * self._drawn(np.random.default_rng(seed)))
        return float(np.sin(6 * x[0]) * x[1])

    def _drawn(self, rng: np.random.Generator) -> float:
        if self.kind == "fixed":
            return 1.0
        if self.kind == "uneven":
            return float(rng.uniform(0.5, 1.5))
        if self.kind == "skewed":
            return float(rng.gamma(2.0, 0.5))
        return float(rng.lognormal(-0.125, 0.5))  # of mean 1


def oracle(kind: str) -> Any:
    """For a campaign."""
    from querist.oracles.function import FunctionOracle

    return FunctionOracle(Sleeps(kind), outputs="y")


def generator(seed: int = 0) -> Any:
    """Uniform walkers that rest between their steps, as a simulation on another device would."""
    from querist.generators.uniform import Uniform

    class Resting(Uniform):
        def propose(self):
            time.sleep(0.02)
            return super().propose()

    return Resting(low=[0.0, 0.0], high=[1.0, 1.0], seed=seed)


def model(seconds: float) -> Any:
    """Random features whose fit takes ``seconds`` more."""
    from querist.models.random_features import RandomFeatures

    class Slow(RandomFeatures):
        def fit(self, dataset, request):
            time.sleep(seconds)
            return super().fit(dataset, request)

    return Slow(members=4, features=64)


def settings(kind: str, explorers: int, oracles: int, trainers: int, labels: int) -> dict[str, Any]:
    """Of one campaign."""
    here = "planning_roles"
    return {
        "generators": {"use": f"{here}:generator"},
        "model": {"use": f"{here}:model", "options": {"seconds": 0.5}},
        "oracles": {"f": {"use": f"{here}:oracle", "options": {"kind": kind}, "workers": oracles}},
        "explorers": explorers,
        "trainers": trainers,
        "gate": {"output": "y", "quantile": 0.8},
        "budget": {"labels": labels},
        "retrain": {"every_labels": 50},
    }
