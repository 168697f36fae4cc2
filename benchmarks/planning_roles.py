"""Roles of the campaigns that plans are checked against: they sleep, and need few cores."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
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


class Changes:
    """Takes ``first`` seconds for so many answers of all workers together, then ``then`` seconds.

    Args:
        counter: A file that grows by a byte an answer.
    """

    def __init__(self, counter: str, answers: int, first: float, then: float) -> None:
        self.counter, self.answers, self.first, self.then = counter, answers, first, then

    def __call__(self, x: np.ndarray) -> float:
        """One answer."""
        with Path(self.counter).open("ab") as file:
            file.write(b".")
            given = file.tell()
        time.sleep(self.first if given <= self.answers else self.then)
        return float(np.sin(6 * x[0]) * x[1])


def changing(**options: Any) -> Any:
    """An oracle whose cost changes."""
    from querist.oracles.function import FunctionOracle

    return FunctionOracle(Changes(**options), outputs="y")


class Learned:
    """A function that there is something to learn of, and that takes ``seconds`` for an answer."""

    def __init__(self, seconds: float, problem: str) -> None:
        self.seconds, self.truth = seconds, PROBLEMS[problem][0]

    def __call__(self, x: np.ndarray) -> float:
        """One answer."""
        time.sleep(self.seconds)
        return float(self.truth(x))


class Parallel:
    """Sleeps as long as a program on its worker's cores would take, by Amdahl's law.

    Args:
        seconds: On one core.
        serial: Share that more cores do not shorten.
    """

    def __init__(self, seconds: float, serial: float) -> None:
        self.seconds, self.serial = seconds, serial

    def __call__(self, x: np.ndarray) -> float:
        """One answer."""
        cores = int(os.environ["OMP_NUM_THREADS"])
        time.sleep(self.seconds * (self.serial + (1 - self.serial) / cores))
        return wave(x)


def parallel(**options: Any) -> Any:
    """An oracle that more cores make quicker."""
    from querist.oracles.function import FunctionOracle

    return FunctionOracle(Parallel(**options), outputs="y")


def rounds(cores: int, workers: int, explorers: int, labels: int) -> dict[str, Any]:
    """A campaign that asks four questions a model, so that few answers are computed at once."""
    options = {"seconds": 1.2, "serial": 0.1}
    role = {"use": "planning_roles:parallel", "options": options, "resources": {"cores": cores}}
    return {
        "generators": {"use": "planning_roles:generator"},
        "model": {"use": "planning_roles:model", "options": {"seconds": 0.1}},
        "oracles": {"f": {**role, "workers": workers}},
        "explorers": explorers,
        "trainers": 1,
        "gate": {"output": "y", "quantile": 0.8},
        "initial": 4,
        "budget": {"labels": labels},
        "retrain": {"every_labels": 4},
        "queue": {"limit": 1000, "max_fresh": 4},
        "holdout": 0.0,
        "calibration": 0.0,
    }


def wave(x: np.ndarray) -> float:
    """Smooth everywhere."""
    return float(np.sin(6 * x[0]) * x[1])


def peak(x: np.ndarray) -> float:
    """A narrow peak on a wave."""
    return float(np.exp(-40 * ((x[0] - 0.7) ** 2 + (x[1] - 0.3) ** 2)) + 0.3 * wave(x))


PROBLEMS = {
    "wave": (wave, {"use": "random_features", "options": {"members": 4, "features": 128}}),
    "peak": (peak, {"use": "gaussian_process"}),
}


def learned(**options: Any) -> Any:
    """An oracle of such a function."""
    from querist.oracles.function import FunctionOracle

    return FunctionOracle(Learned(**options), outputs="y")


def oracle(kind: str) -> Any:
    """For a campaign."""
    from querist.oracles.function import FunctionOracle

    return FunctionOracle(Sleeps(kind), outputs="y")


def generator(seed: int = 0, rest: float = 0.02) -> Any:
    """Uniform walkers that rest between their steps, as a simulation on another device would."""
    from querist.generators.uniform import Uniform

    class Resting(Uniform):
        def propose(self):
            time.sleep(rest)
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


def learning(problem: str, every: int, labels: int, seed: int, test_set: str) -> dict[str, Any]:
    """A campaign of six workers that retrains after so many labels.

    Args:
        problem: What is learned, "wave" or "peak".
        every: Labels between two fits.
        labels: Budget.
        seed: Of its walkers and draws.
        test_set: A file whose labels errors are measured on.
    """
    box = {"low": [0.0, 0.0], "high": [1.0, 1.0], "seed": seed}
    options = {"seconds": SECONDS, "problem": problem}
    return {
        "generators": {"use": "uniform", "options": box},
        "model": PROBLEMS[problem][1],
        "oracles": {"f": {"use": "planning_roles:learned", "options": options, "workers": 4}},
        "explorers": 1,
        "trainers": 1,
        "gate": {"output": "y", "quantile": 0.8},
        "budget": {"labels": labels},
        "retrain": {"every_labels": every},
        "start": {"test_set": test_set},
        "holdout": 0.0,
        "calibration": 0.0,
        "seed": seed,
    }


def online(counter: str, labels: int, workers: tuple[int, int] | None) -> dict[str, Any]:
    """A campaign short of questions at first; later its answers take forty times as long.

    Args:
        counter: File of the oracle's.
        labels: Budget, five eighths of them quick.
        workers: Explorers and oracle workers; None for ``auto``.
    """
    explorers, oracles = workers or ("auto", "auto")
    changing = {"counter": counter, "answers": labels * 5 // 8, "first": 0.02, "then": 0.8}
    here = "planning_roles"
    return {
        "generators": {"use": f"{here}:generator", "options": {"seed": 0, "rest": 2.0}},
        "model": {"use": f"{here}:model", "options": {"seconds": 0.1}},
        "oracles": {"f": {"use": f"{here}:changing", "options": changing, "workers": oracles}},
        "explorers": explorers,
        "trainers": 1,
        "gate": {"output": "y", "quantile": 0.8},
        "budget": {"labels": labels},
        "retrain": {"every_labels": 100},
    }
