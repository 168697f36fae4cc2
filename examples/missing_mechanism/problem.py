"""One question of the study: a truth, a level of noise and a seed; is what is missing found?"""

from __future__ import annotations

import os

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from assimilation import Fitted, fit, usual  # noqa: E402
from forecasts import error, forecasts  # noqa: E402
from naming import WHITE, Round, discover  # noqa: E402
from populations import BASE, World, world  # noqa: E402

INTERVAL = 1.96
SURE = 0.01  # fits end when the criterion is known so well


def run(truth: str, noise: float, seed: int) -> dict[str, float]:
    """Go through the loop once, and judge what it found by what is true."""
    seen = world(truth, float(noise), int(seed))
    rounds = discover(seen, int(seed))
    told = judged(seen, rounds)
    said = forecasts(seen, rounds, int(seed))
    return told | {f"error {name}": error(seen, one) for name, one in said.items()}


def judged(seen: World, rounds: list[Round]) -> dict[str, float]:
    """Numbers of what is wrong; ``inside`` of ``coefficients`` are in their 95 % intervals.

    ``overlooked`` is 1 where the true mechanisms fit better than what was chosen, by the criterion
    that it was chosen by (``behind``: how much worse they fit): the search was at fault, and not
    the data.
    """
    last = rounds[-1]
    found, true = set(last.model.added), set(seen.has)
    known = 0.0 if found == true else rightly(seen, rounds).badness - last.model.badness
    pairs = [(last.model.coefficients(n), np.array(seen.has[n])) for n in found & true]
    inside = [np.abs(got - want) <= INTERVAL * std for (got, std), want in pairs]
    return {
        "wrong": float(len(found ^ true)),
        "missed": float(len(true - found)),
        "added": float(len(found - true)),
        "behind": known,
        "overlooked": float(known < -SURE),
        "white": float(last.white > WHITE),
        "rounds": float(len(rounds)),
        "coefficients": float(sum(map(len, inside))),
        "inside": float(sum(one.sum() for one in inside)),
    }


def rightly(seen: World, rounds: list[Round]) -> Fitted:
    """The true mechanisms fitted through all data, the best from three beginnings."""
    coefficients = np.array([value for one in seen.has.values() for value in one])
    begins = [
        (usual(), seen.seen[0]),
        (rounds[0].corrected.parameters, rounds[0].corrected.states[0]),
        (rounds[-1].model.parameters[: len(BASE)], rounds[-1].model.values[-2:]),
    ]
    tried = [
        fit(seen.seen, seen.noise, tuple(seen.has), np.concatenate([base, coefficients]), start)
        for base, start in begins
    ]
    return min(tried, key=lambda one: one.badness)
