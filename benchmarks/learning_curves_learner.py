"""A learner in a loop: fit, measure, offer data to a strategy, take in what it picked.

    learner = Learner(problem, seed)
    while learner.round < problem.rounds:
        picked = querist.select("margin", problem.batch, rng=0, **learner.given(get("margin")))
        learner.add(picked.indices)
    learner.measures

Every strategy of a seed begins with the same labels and the same model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from learning_curves_problems import Problem, generator
from numpy.typing import NDArray

from querist.strategies import registry
from querist.strategies.contract import Strategy

Given = dict[str, Any]
Choose = Callable[[Strategy, int, int, Given], tuple[NDArray[np.int64], Mapping[str, Any]]]
"""Strategy, budget, seed, data: rows of those offered, and what else is given (pseudo-labels)."""

OFFERED = {
    "classes": {
        "items", "probabilities", "member_probabilities", "target_member_probabilities",
        "embeddings", "labelled_embeddings", "labels", "labelled_classes", "inputs", "model",
    },
    "numbers": {
        "items", "predictions", "member_predictions", "std", "embeddings", "labelled_embeddings",
        "labels",
    },
}  # fmt: skip
OFFERED["search"] = OFFERED["numbers"]
# EPIG's targets: so many rows of the pool. BatchBALD's samples, and the largest batch it is run at.
TARGETS, SAMPLES, SMALL_BATCH = 32, 2_000, 5
LEFT_OUT = {
    "bmdal": "picks what lcmd does, unless told another scheme",
    "qlogei": "optimises for seconds in every round",
}
TWO_CLASSES = {"epistemic": ("breast-cancer",)}
# These measure distance between inputs; others of regression between the model's features.
ON_INPUTS = {"igs", "local-penalisation"}


def fits(strategy: Strategy, problem: Problem) -> str | None:
    """Why a strategy is not run on a problem; None where it is."""
    lacking = set(strategy.needs) - OFFERED[problem.kind]
    if lacking:
        return f"needs {', '.join(sorted(lacking))}"
    if problem.kind != "classes" and "labelled_classes" in strategy.optional:
        return "counts classes"
    if problem.name not in TWO_CLASSES.get(strategy.name, (problem.name,)):
        return "is for two classes"
    if problem.only and strategy.name not in problem.only:
        return "not among those chosen for this problem"
    if strategy.name == "batchbald" and problem.batch > SMALL_BATCH:
        return "is for small batches"
    if strategy.name in LEFT_OUT:
        return LEFT_OUT[strategy.name]
    looking = strategy.family == "acquisition"
    if strategy.family != "baseline" and looking != (problem.kind == "search"):
        return "looks for a maximum" if looking else "does not look for a maximum"
    return None


class Learner:
    """One model that is taught; ``measures`` has a list by measure, one value a round."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem, self.seed = problem, seed
        self.split = problem.split(seed)
        self.model = problem.model(self.split, seed)
        self.labelled = np.array(self.split.start)
        self.measures: dict[str, list[float]] = {}
        self.labels: list[int] = []
        self._fit({})

    @property
    def round(self) -> int:
        """How many times something was added."""
        return len(self.labels) - 1

    @property
    def open(self) -> NDArray[np.int64]:
        """Rows of the pool without a label, in order: what a strategy chooses from."""
        return np.setdiff1d(np.arange(len(self.split.inputs)), self.labelled)

    def add(self, picks: NDArray[np.int64], pseudo: Mapping[str, Any] | None = None) -> None:
        """Label rows of :attr:`open`; pseudo-labels, of those rows too, hold for one fit."""
        rows = self.open
        own = {} if pseudo is None else dict(
            zip(rows[pseudo["pseudo_indices"]], pseudo["pseudo_labels"], strict=True)
        )  # fmt: skip
        self.labelled = np.concatenate([self.labelled, rows[picks]])
        self._fit(own)

    def _fit(self, own: Mapping[int, int]) -> None:
        rows, targets = self.labelled, self.split.targets[self.labelled]
        if own:
            rows = np.concatenate([rows, np.fromiter(own.keys(), np.int64)])
            targets = np.concatenate([targets, np.fromiter(own.values(), np.int64)])
        self.model.fit(self.split.inputs[rows], targets, generator(self.seed, 2 + self.round))
        self.labels.append(len(self.labelled))
        for name, value in self._measured().items():
            self.measures.setdefault(name, []).append(round(float(value), 5))

    def _measured(self) -> dict[str, float]:
        split = self.split
        if self.problem.kind == "search":
            return {"regret": float(split.targets.max() - split.targets[self.labelled].max())}
        if self.problem.kind == "numbers":
            told = self.model.told(split.test_inputs, {"predictions"})["predictions"]
            return {"rmse": float(np.sqrt(((told - split.test_targets) ** 2).mean()))}
        told = self.model.told(split.test_inputs, {"probabilities"})["probabilities"]
        found = class_measures(told, split.test_targets)
        if self.problem.name.startswith("cifar-"):
            found.update(self._of_classes(told))
        return found

    def _of_classes(self, told: NDArray[Any]) -> dict[str, float]:
        """Recall of each class; from the most frequent to the rarest; of one without a start."""
        split = self.split
        classes = range(told.shape[1])
        recalls = recall(told, split.test_targets)
        counts = np.bincount(split.targets, minlength=told.shape[1])
        found = {f"recall_{one}": recalls[one] for one in classes}
        if counts.max() > 2 * counts.min():
            order = np.argsort(-counts, kind="stable")
            found |= {f"recall_rank_{place}": recalls[one] for place, one in enumerate(order)}
            found["recall_rare"] = recalls[order[-3:]].mean()
        absent = np.setdiff1d(classes, split.targets[split.start])
        if len(absent):
            seen = np.isin(absent, split.targets[self.labelled])
            found |= {"recall_unseen": recalls[absent].mean(), "found": seen.mean()}
        return found

    def given(self, strategy: Strategy) -> Given:
        """What the strategy needs or uses, of the open rows."""
        wanted = {*strategy.needs, *strategy.optional} & OFFERED[self.problem.kind]
        rows, split = self.open, self.split
        found: Given = dict(self.model.told(split.inputs[rows], wanted))
        if strategy.name in ON_INPUTS:
            found["embeddings"] = split.inputs[rows]
        if "labelled_embeddings" in wanted:
            known = split.inputs[self.labelled]
            told = known if strategy.name in ON_INPUTS else self._embedded(known)
            found["labelled_embeddings"] = told
        if "target_member_probabilities" in wanted:
            some = generator(self.seed, 100 + self.round).choice(len(rows), TARGETS, replace=False)
            found["target_member_probabilities"] = found["member_probabilities"][some]
        if "model" in wanted:
            found |= {"model": self.model.logits, "inputs": split.inputs[rows]}
        for name in {"labels", "labelled_classes"} & wanted:
            found[name] = split.targets[self.labelled]
        if "iteration" in strategy.options:
            found["iteration"] = self.round  # of CEAL: its threshold falls
        return found | ({"items": rows} if "items" in wanted else {})

    def _embedded(self, inputs: NDArray[Any]) -> NDArray[Any]:
        return self.model.told(inputs, {"embeddings"})["embeddings"]


def recall(told: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
    """``(C,)`` share of each class that is recognised."""
    right = told.argmax(axis=1) == targets
    return np.array([right[targets == one].mean() for one in range(told.shape[1])])


def class_measures(told: NDArray[Any], targets: NDArray[Any]) -> dict[str, float]:
    """Accuracy, that of the likeliest five, and F1 averaged over classes."""
    guess, classes = told.argmax(axis=1), range(told.shape[1])
    hits = np.array([((guess == one) & (targets == one)).sum() for one in classes])
    sizes = np.array([(guess == one).sum() + (targets == one).sum() for one in classes])
    found = {
        "accuracy": float((guess == targets).mean()),
        "macro_f1": float((2.0 * hits / np.maximum(sizes, 1)).mean()),
    }
    if told.shape[1] > 5:
        five = np.argpartition(-told, 5, axis=1)[:, :5]
        found["top5"] = float((five == targets[:, None]).any(axis=1).mean())
    return found


def ours(strategy: Strategy, budget: int, seed: int, given: Given) -> Any:
    """Choose with this library."""
    options = {"samples": SAMPLES} if strategy.name == "batchbald" else {}
    picked = strategy(budget, rng=seed, **given, **options)
    return picked.indices, picked.extras


def curve(problem: Problem, name: str, seed: int, choose: Choose = ours) -> dict[str, Any]:
    """One learning curve, as a record."""
    strategy, learner, spent = registry.get(name), Learner(problem, seed), 0.0
    first: list[int] = []
    for turn in range(problem.rounds):
        given = learner.given(strategy)
        begun = time.process_time()
        picks, extras = choose(strategy, problem.batch, 1_000 * seed + turn, given)
        spent += extras.get("peer_cpu_s", time.process_time() - begun)
        first = first or np.asarray(picks).tolist()
        learner.add(np.asarray(picks), extras if "pseudo_indices" in extras else None)
    return {
        "problem": problem.name,
        "strategy": name,
        "seed": seed,
        "labels": learner.labels,
        "measures": learner.measures,
        "first_picks": first,
        "select_cpu_s": round(spent, 4),
    }


def whole(problem: Problem, seed: int) -> dict[str, Any]:
    """What the model measures with all labels of the pool."""
    learner = Learner(problem, seed)
    learner.add(np.arange(len(learner.open)))
    return {
        "labels": learner.labels[-1:],
        "measures": {name: values[-1:] for name, values in learner.measures.items()},
        "first_picks": [],
        "select_cpu_s": 0.0,
    }
