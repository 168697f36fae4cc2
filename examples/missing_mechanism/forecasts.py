"""What follows after the last observation, by the model as it was, corrected, and completed."""

from __future__ import annotations

import numpy as np
from assimilation import Assimilated, assimilate, usual
from naming import EDGE, Round
from populations import AHEAD, COUNT, STEP, Floats, World, course

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.roles import FitRequest
from querist.models.gaussian_process import GaussianProcess

STEPS = 26 * AHEAD + 1
THIN = 2  # corrections of neighbouring steps are alike


def _inputs(states: Floats, t: Floats) -> Batch:
    """What a correction may depend on: logarithms of the populations and the season."""
    season = 2 * np.pi * t
    return Batch.stack(state=states, season=np.stack([np.cos(season), np.sin(season)], axis=1))


def learned(found: Assimilated, seed: int = 0) -> GaussianProcess:
    """A Gaussian process of the corrections."""
    rows = slice(EDGE, COUNT - EDGE, THIN)
    t = STEP * np.arange(COUNT)[rows]
    seen = Dataset(_inputs(found.states[rows], t), Batch.stack(rate=found.corrections[rows]))
    model = GaussianProcess()
    model.load(model.fit(seen, FitRequest(seed=seed)).state)
    return model


def _from_now(last: Floats, parameters: Floats, added: tuple[str, ...], extra: object) -> Floats:
    path = course(last[None], parameters[None], added, STEPS, COUNT - 1, extra)  # type: ignore[arg-type]
    return path[1:, 0]


def forecasts(seen: World, rounds: list[Round], seed: int) -> dict[str, Floats]:
    """``(26 AHEAD, 2)`` logarithms by name of the model.

    "filtered" is the base model with its state and parameters as the filter leaves them, "base"
    the base's course through all data, "corrected" the base with corrections as they were learned,
    "completed" the model that the loop ended with.
    """
    first, last = rounds[0], rounds[-1].model
    rng = np.random.default_rng([seed, 13])
    plain = assimilate(seen.seen, seen.noise, (), usual(), rng, correct=False)
    model = learned(first.corrected, seed)

    def extra(state: Floats, t: float) -> Floats:
        mean = model.predict(_inputs(state, np.full(len(state), t))).mean
        return np.asarray(mean["rate"], np.float64)

    now = first.corrected
    return {
        "filtered": _from_now(plain.last, plain.parameters, (), None),
        "base": _from_now(first.model.last, first.model.parameters, (), None),
        "corrected": _from_now(now.last, now.parameters, (), extra),
        "completed": _from_now(last.last, last.parameters, last.added, None),
    }


def error(seen: World, forecast: Floats) -> float:
    """Root mean square error of the logarithms, against the truth without noise."""
    return float(np.sqrt(np.mean((forecast - seen.truth[COUNT:]) ** 2)))
