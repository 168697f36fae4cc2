"""What is best learned: the input, however it was searched for, or the plant's next step?

    python examples/experiment_control/learnable.py

Gaussian processes learn from n simulations around rest, walls and catalyst at any age, and are
judged at the states that predictive control leads four ageing plants through.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from gated import around
from plant import SHORT_OF, Course, run
from predictive import HORIZON, plan
from reactor import CLEAN, COOLEST, WARMEST, Ageing, Floats, advanced

from querist import Batch
from querist.core.answers import Dataset
from querist.core.roles import FitRequest
from querist.models.gaussian_process import GaussianProcess

COUNTS = (50, 100, 200, 400)
GRID = np.linspace(COOLEST, WARMEST, 36)


def by_grid(c: Floats, t: Floats, aim: Floats, now: Ageing) -> Floats:
    """Predictive control by trying 36 inputs now with 36 from then on: no search to the end."""
    first, then = (part.ravel() for part in np.meshgrid(GRID, GRID, indexing="ij"))
    each = Ageing(*(np.broadcast_to(x, c.shape)[:, None] for x in (now.wall, now.activity)))
    shape = len(c), len(first)
    c, t = np.broadcast_to(c[:, None], shape), np.broadcast_to(t[:, None], shape)
    cost = np.zeros(shape)
    for turn in range(HORIZON):
        u = first if turn < 1 else then
        c, t = advanced(c, t, u, each)
        cost += (t - aim[:, None]) ** 2
    return first[cost.argmin(axis=1)]


def learned(inputs: Mapping[str, Floats], output: Floats, where: Mapping[str, Floats]) -> Floats:
    """What a Gaussian process that learned this says elsewhere."""
    model = GaussianProcess(noisy=True)
    dataset = Dataset(Batch.stack(**inputs).with_ids(), Batch.stack(y=output))
    model.load(model.fit(dataset, FitRequest(0)).state)
    return np.asarray(model.predict(Batch.stack(**where)).mean["y"])


def main() -> None:
    """Print the table."""
    course = Course.of(range(4), 300)
    log = run(course, lambda turn, seen, twin: plan(*seen, course.aim[turn], twin.now))
    state = {"c": log.c, "t": log.t, "aim": course.aim, "wall": log.wall, "activity": log.activity}
    test = {name: value[::3].ravel() for name, value in state.items()}
    now = Ageing(test["wall"], test["activity"])
    point = test["c"], test["t"], test["aim"]
    truth = {"plan": plan(*point, now), "grid": by_grid(*point, now)}
    step = {**test, "u": truth["plan"]}
    step.pop("aim")
    warms = advanced(test["c"], test["t"], truth["plan"], now)[1] - test["t"]
    print("error, K: median, 95 %   input of the plan   of the grid search   next temperature")
    for count in COUNTS:
        rng = np.random.default_rng(count)
        wall, activity = rng.uniform(1 - 1.2 * SHORT_OF, 1.05, (2, count))
        inputs = around(count, rng, CLEAN * wall, activity)
        then = Ageing(inputs["wall"], inputs["activity"])
        begin = inputs["c"], inputs["t"], inputs["aim"]
        u = rng.uniform(COOLEST, WARMEST, count)
        errors = [
            learned(inputs, plan(*begin, then), test) - truth["plan"],
            learned(inputs, by_grid(*begin, then), test) - truth["grid"],
            learned(
                {name: x for name, x in {**inputs, "u": u}.items() if name != "aim"},
                advanced(inputs["c"], inputs["t"], u, then)[1] - inputs["t"],
                step,
            )
            - warms,
        ]
        ends = [np.quantile(np.abs(each), (0.5, 0.95)) for each in errors]
        told = [f"{middle:8.3f} {most:8.3f}" for middle, most in ends]
        print(f"{count:5} simulations       " + "   ".join(told))


if __name__ == "__main__":
    main()
