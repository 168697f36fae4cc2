"""Cheap and dear runs: our search against BoTorch's multi-fidelity max-value entropy search.

    python benchmarks/objective_entropy.py [--quick] [--seeds 6] [--cases fidelity-forrester,...]

The cases of ``objective.py``. BoTorch's loop is that of its tutorials: SingleTaskMultiFidelityGP,
qMultiFidelityMaxValueEntropy divided by the (known) cost, optimize_acqf with 5 restarts from 128
raw samples, after as many cheap runs and as many dear ones as ours begins with. That search rarely
evaluates its best guess, so for both arms the cost counts until a dear run at the minimum of the
posterior mean would be good enough, that run included: nobody is told so in a real search.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from objective import FIDELITIES, told

from querist.tuning.search import make_search
from querist.tuning.trial import Problem, Trial

MOST = 400.0  # cost


class Case:
    """A case of ``objective.py`` by name."""

    def __init__(self, name: str) -> None:
        self.run, self.width, self.wanted, self.levels = FIDELITIES[name]
        self.names = ["x"] if self.width == 1 else [f"x{n}" for n in range(self.width)]
        self.discrete = "choice" in self.levels

    def at(self, row: Any) -> tuple[float, float]:
        """Value and cost at ``(d + 1,)`` coordinates, the fidelity last."""
        named = {name: float(value) for name, value in zip(self.names, row, strict=False)}
        found: tuple[float, float] = self.run(s=float(row[-1]), **named)
        return found

    def guessed(self, mean: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator) -> float:
        """The value of a dear run at the minimum of a posterior mean of ``(k, d)`` points."""
        from scipy.optimize import minimize

        points = rng.random((2000, self.width))
        box = [(0.0, 1.0)] * self.width
        start = points[np.argsort(mean(points))[:5]]
        ended = [
            minimize(lambda p: float(mean(p[None])[0]), one, method="L-BFGS-B", bounds=box)
            for one in start
        ]
        best = min(ended, key=lambda one: one.fun).x
        return self.at([*best, 1.0])[0]


def by_ours(case: Case, seed: int) -> float:
    """Cost until the guess is good."""
    space = {one: {"real": [0.0, 1.0]} for one in case.names}
    goal = {"minimise": "y", "fidelity": {"setting": "s", "target": 1.0}}
    problem = Problem.read({**space, "s": case.levels}, goal, None, seed)
    search, spent, rng = make_search("gp", problem), 0.0, np.random.default_rng(seed)
    count = 0
    while spent < MOST:
        [point] = search.ask(1, [])
        row = [*(point[name] for name in case.names), point["s"]]
        value, cost = case.at(row)
        search.tell([Trial(point, {"y": value}, cost)])
        spent, count = spent + cost, count + 1
        if point["s"] == 1.0 and value <= case.wanted:
            return spent
        if count >= 6:
            loss = search.refit().loss
            ones = np.ones
            guess = case.guessed(
                lambda p, loss=loss, ones=ones: loss(np.column_stack([p, ones(len(p))]))[0], rng
            )
            if guess <= case.wanted:
                return spent + 10.0
    return spent


def by_botorch(case: Case, seed: int) -> float:
    """The same of BoTorch's loop."""
    import torch

    torch.manual_seed(seed)
    rng, width = np.random.default_rng(seed), case.width
    X = torch.quasirandom.SobolEngine(width + 1, True, seed=seed).draw(4 * width + 2).double()
    dear = max(2, width + 1)
    X[:dear, -1] = 1.0
    X[dear:, -1] = 0.0 if case.discrete else X[dear:, -1] ** 2
    runs = [case.at(row) for row in X.numpy()]
    while (spent := sum(cost for _, cost in runs)) < MOST:
        model = fitted(X, [value for value, _ in runs])

        def mean(points: np.ndarray, model: Any = model) -> np.ndarray:
            at = torch.tensor(np.column_stack([points, np.ones(len(points))]))
            with torch.no_grad():
                return -model.posterior(at).mean[:, 0].numpy()

        if case.guessed(mean, rng) <= case.wanted:
            return spent + 10.0
        new = surely_chosen(case, model)
        X = torch.cat([X, new])
        runs.append(case.at(new[0].numpy()))
    return spent


def fitted(X: Any, values: list[float]) -> Any:
    """BoTorch's process over the fidelity in the last column."""
    import torch
    from botorch.exceptions import ModelFittingError
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskMultiFidelityGP
    from botorch.models.transforms import Standardize
    from gpytorch.mlls import ExactMarginalLogLikelihood

    Y, last = -torch.tensor(values).double()[:, None], X.shape[1] - 1
    model = SingleTaskMultiFidelityGP(
        X, Y, data_fidelities=[last], outcome_transform=Standardize(m=1)
    )
    try:
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    except ModelFittingError:  # then with what is expected
        model = SingleTaskMultiFidelityGP(
            X, Y, data_fidelities=[last], outcome_transform=Standardize(m=1)
        )
    return model.eval()


def surely_chosen(case: Case, model: Any) -> Any:
    """The next point; where its candidates' covariance cannot be factorised, others are drawn."""
    import torch
    from linear_operator.utils.errors import NotPSDError

    for _ in range(3):
        try:
            return chosen(case, model)
        except NotPSDError:
            continue
    return torch.rand(1, case.width + 1).double()


def chosen(case: Case, model: Any) -> Any:
    """The next ``(1, d + 1)`` point: information about the maximum for its cost."""
    import torch
    from botorch.acquisition.cost_aware import InverseCostWeightedUtility
    from botorch.acquisition.max_value_entropy_search import qMultiFidelityMaxValueEntropy
    from botorch.acquisition.utils import project_to_target_fidelity
    from botorch.models.deterministic import GenericDeterministicModel
    from botorch.optim import optimize_acqf, optimize_acqf_mixed

    width = case.width

    def cost(points: Any) -> Any:
        s = points[..., -1:]
        return torch.where(s == 1, 10.0, 1.0) if case.discrete else 1 + 9 * s**2

    worth = qMultiFidelityMaxValueEntropy(
        model,
        torch.rand(500, width + 1).double(),
        cost_aware_utility=InverseCostWeightedUtility(GenericDeterministicModel(cost)),
        project=lambda points: project_to_target_fidelity(points, {width: 1.0}, width + 1),
    )
    bounds = torch.stack([torch.zeros(width + 1), torch.ones(width + 1)]).double()
    how = {"q": 1, "num_restarts": 5, "raw_samples": 128}
    if case.discrete:
        levels = [{width: 0.0}, {width: 1.0}]
        return optimize_acqf_mixed(worth, bounds, fixed_features_list=levels, **how)[0]
    return optimize_acqf(worth, bounds, **how)[0]


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two seeds of Forrester's function")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--cases", default="fidelity-forrester")
    given = parser.parse_args()
    seeds = 2 if given.quick else given.seeds
    warnings.simplefilter("ignore")
    for name in given.cases.split(","):
        found: dict[str, Any] = {"case": f"{name}-entropy", "seeds": seeds}
        costs: dict[str, list[float]] = {}
        for arm, run in (("ours", by_ours), ("peer", by_botorch)):
            begin = time.process_time()
            costs[arm] = [run(Case(name), seed) for seed in range(seeds)]
            cpu = round((time.process_time() - begin) / seeds, 2)
            found[arm] = {**told(costs[arm]), "cpu_s": cpu}
        found["ratio"] = round(sum(costs["ours"]) / sum(costs["peer"]), 3)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
