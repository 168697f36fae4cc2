"""One question of the study: a truth, a level of noise and a seed; is what is missing found?"""

from __future__ import annotations

import os

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from forecasts import error, forecasts  # noqa: E402
from naming import WHITE, Round, discover  # noqa: E402
from populations import World, world  # noqa: E402

INTERVAL = 1.96


def run(truth: str, noise: float, seed: int) -> dict[str, float]:
    """Go through the loop once, and judge what it found by what is true."""
    seen = world(truth, float(noise), int(seed))
    rounds = discover(seen, int(seed))
    told = judged(seen, rounds)
    said = forecasts(seen, rounds, int(seed))
    return told | {f"error {name}": error(seen, one) for name, one in said.items()}


def judged(seen: World, rounds: list[Round]) -> dict[str, float]:
    """Numbers of what is wrong; ``inside`` of ``coefficients`` are in their 95 % intervals."""
    last = rounds[-1]
    found, true = set(last.model.added), set(seen.has)
    pairs = [(last.model.coefficients(n), np.array(seen.has[n])) for n in found & true]
    inside = [np.abs(got - want) <= INTERVAL * std for (got, std), want in pairs]
    return {
        "wrong": float(len(found ^ true)),
        "missed": float(len(true - found)),
        "added": float(len(found - true)),
        "white": float(last.white > WHITE),
        "rounds": float(len(rounds)),
        "coefficients": float(sum(map(len, inside))),
        "inside": float(sum(one.sum() for one in inside)),
    }
