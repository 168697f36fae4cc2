"""Which strategy puts the candidates in order: one, the winner of a race, or a bandit's draw.

A choice lives in the journal: the state that one selection leaves is handed to the next, whichever
worker and run it happens in. All strategies see the campaign's one model. In a race each is judged
by a model of its own picks, fitted here and thrown away (docs/decisions/0018).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from querist.campaign.handlers.selecting import Picked, Selector, Sight, Single, order_of
from querist.campaign.handlers.stability import is_class
from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.prediction import Prediction, largest
from querist.core.roles import FitRequest
from querist.strategies.choosing.albl import Albl
from querist.strategies.choosing.auto import Auto, Rules
from querist.strategies.registry import get

RANDOM = "random"
MOST_DRAWS = 20  # of a bandit for each label; rows that have one already are drawn too
FitRows = Callable[[Dataset, FitRequest], Any]
"""Fits a model to the training rows of a dataset."""


class Chooser(Protocol):
    """Makes the order of a "select" task."""

    def order(
        self, selector: Selector, model: Any, sight: Sight, payload: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What is to be asked, in order, with the state of the choice after it."""


def chooser(spec: Mapping[str, Any], fit: FitRows) -> Chooser:
    """What a campaign's strategy says.

    Args:
        spec: The strategy's settings.
        fit: Fits models to compare strategies by.
    """
    if spec["use"] == "auto":
        return Race(spec, fit)
    return Bandit(spec) if spec["use"] == "albl" else Single(spec)


def quality(prediction: Prediction, truth: Dataset, output: str) -> tuple[float, float]:
    """How good a model is on a hold-out of ``n``, from 0 to 1, and the standard error of that.

    Of classes it is the accuracy; of numbers the share of the mean absolute error that the model
    takes away, against always saying the hold-out's median.
    """
    said, known = prediction.mean.columns[output], truth.outputs.columns[output]
    count = len(truth)
    if is_class(prediction, output):
        right = said.uniform == known.uniform
        share = float(right.mean())
        return share, float(np.sqrt(max(share * (1 - share), 0.25 / count) / count))
    errors = _away(prediction.mean, truth.outputs, output)
    values = np.asarray(known.uniform if known.is_uniform else known.data, np.float64)
    middle = np.median(values, axis=0)
    level = Batch.of([{output: np.asarray(item, float) - middle} for item in known.items()])
    spread = float(largest(level, output).mean())
    if spread <= 0.0:
        return 0.0, 1.0
    error = float(errors.std(ddof=min(1, count - 1)) / np.sqrt(count) / spread)
    return float(np.clip(1.0 - errors.mean() / spread, 0.0, 1.0)), max(error, 1e-3)


def _away(said: Batch, known: Batch, output: str) -> NDArray[np.float64]:
    pairs = zip(said.columns[output].items(), known.columns[output].items(), strict=True)
    differences = [{output: np.asarray(a, float) - np.asarray(b, float)} for a, b in pairs]
    return largest(Batch.of(differences), output)


def _affordable(spec: Mapping[str, Any], labels_left: float) -> int:
    """Labels of the budget that a choice decides upon; the rest is drawn at random."""
    chosen = labels_left * (1.0 - spec["holdout"] - spec["calibration"])
    return max(len(spec["among"]), int(chosen))


class Race:
    """``auto``: strategies race on the same labels, judged rung by rung.

    Args:
        spec: The strategy's settings.
        fit: Fits a branch's model.
    """

    def __init__(self, spec: Mapping[str, Any], fit: FitRows) -> None:
        self._spec, self._fit = spec, fit

    def order(
        self, selector: Selector, model: Any, sight: Sight, payload: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Judge the round that is over, and let everyone who is left pick for the next."""
        dataset: Dataset = payload["dataset"]
        holdout = dataset.only(Purpose.HOLDOUT)
        state = {**(payload["choice"] or self._begun(payload))}
        auto = Auto.restore(state["auto"])
        if not len(holdout):  # nothing to judge by yet
            picked = selector.pick(get(auto.alive[0]), payload["budget"], model, sight)
            return _alone(auto.alive[0], sight, picked, payload["choice"])
        if state["round"]:
            stop = payload["should_stop"]
            self._judge(auto, state, dataset, FitRequest(seed=sight.seed, should_stop=stop))
        if auto.due and not auto.stopped:
            state |= {"common": dataset.version, "own": {}}
            told = quality(model.predict(holdout.inputs), holdout, selector.output)
            auto.begin(len(sight.known), *told)
        if auto.stopped:
            name = auto.alive[0] if auto.alive else self._spec["among"][0]
            over = {**state, "round": {}, "auto": auto.state(), "record": auto.record()}
            picked = selector.pick(get(name), payload["budget"], model, sight)
            return _alone(name, sight, picked, over)
        return self._next_round(auto, state, selector, model, sight)

    def _judge(
        self, auto: Auto, state: dict[str, Any], dataset: Dataset, request: FitRequest
    ) -> None:
        """A model for each branch, of the labels of all at the rung's start and of its own."""
        holdout, output = dataset.only(Purpose.HOLDOUT), self._spec["output"]
        own = {name: list(samples) for name, samples in state["own"].items()}
        for share in auto.propose():
            name = share.strategy
            own[name] = [*own.get(name, []), *state["round"].get(name, [])]
            rows = _rows_of(dataset, state["common"], own[name])
            judged = self._fit(dataset.take(rows), request).predict(holdout.inputs)
            metric, error = quality(judged, holdout, output)
            paid = min(share.count, _labelled(dataset, state["paid"].get(name, [])))
            auto.observe(name, len(rows), metric, paid=paid, error=error)
        state["own"] = own

    def _next_round(
        self, auto: Auto, state: Mapping[str, Any], selector: Selector, model: Any, sight: Sight
    ) -> dict[str, Any]:
        picks = {
            share.strategy: selector.pick(get(share.strategy), share.count, model, sight)
            for share in auto.propose()
        }
        rows, scores, names = interleaved(picks)
        first = {
            name: [row for row, by in zip(rows, names, strict=True) if by == name] for name in picks
        }
        choice = {
            "kind": "auto",
            "auto": auto.state(),
            "common": state["common"],
            "own": state["own"],
            "round": {name: sight.ids(picked.rows) for name, picked in picks.items()},
            "paid": {name: sight.ids(mine) for name, mine in first.items()},
            "record": auto.record(),
        }
        return order_of("auto", sight.ids(rows), scores, names, choice)

    def _begun(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        budget = _affordable(self._spec, payload["labels_left"])
        rules = Rules(**self._spec["rules"])
        auto = Auto(self._spec["among"], budget, self._spec["batch"], rules)
        return {"auto": auto.state(), "common": 0, "own": {}, "round": {}, "paid": {}}


def _alone(
    name: str, sight: Sight, picked: Picked, choice: Mapping[str, Any] | None
) -> dict[str, Any]:
    """By one strategy, where there is nothing left to decide, or nothing to decide by yet."""
    ids, names = sight.ids(picked.rows), [name] * len(picked.rows)
    return order_of("auto", ids, picked.scores.tolist(), names, choice)


def interleaved(picks: Mapping[str, Picked]) -> tuple[list[int], list[float], list[str]]:
    """Picks of several strategies by turns, each row once: rows, scores, who picked it first."""
    rows: list[int] = []
    scores: list[float] = []
    names: list[str] = []
    turns = [
        [(int(row), float(score), name) for row, score in zip(p.rows, p.scores, strict=True)]
        for name, p in picks.items()
    ]
    for turn in zip_longest(*turns):
        for told in turn:
            if told is not None and told[0] not in rows:
                rows.append(told[0])
                scores.append(told[1])
                names.append(told[2])
    return rows, scores, names


def _rows_of(dataset: Dataset, common: int, own: Sequence[str]) -> NDArray[np.int64]:
    """Training rows among the first ``common`` labels, and those of some samples."""
    mine = set(own)
    rows = dataset.rows(Purpose.TRAIN)
    ids = dataset.inputs.ids
    return np.array([row for row in rows if row < common or ids[row] in mine], np.int64)


def _labelled(dataset: Dataset, samples: Sequence[str]) -> int:
    wanted, ids = set(samples), dataset.inputs.ids
    return sum(ids[row] in wanted for row in dataset.rows(Purpose.TRAIN))


class Bandit:
    """``albl``: each question by a strategy that is drawn, the better ones more often.

    The pool is what waits and what has a label, as it is at each draw.

    Args:
        spec: The strategy's settings.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec

    def order(
        self, selector: Selector, model: Any, sight: Sight, payload: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Learn from what was drawn before, and draw again."""
        state = payload["choice"]
        pool = len(sight) + len(sight.known)
        drawn: list[str] = [] if state is None else list(state["drawn"])
        if state is None:
            queries = _affordable(self._spec, payload["labels_left"])
            albl = Albl(self._spec["among"], queries, pool, payload["seed"])
        else:
            albl = Albl.restore(state["albl"])
            albl.pool = pool
            albl.observe(_correct(model, sight.known, selector.output, drawn))
        rows, scores, names = self._draws(albl, selector, model, sight, payload, drawn)
        choice = {
            "kind": "albl",
            "albl": albl.state(),
            "drawn": drawn,
            "record": {"kind": "albl", "history": albl.history, "strategies": albl.strategies},
        }
        return order_of("albl", sight.ids(rows), scores, names, choice)

    def _draws(
        self,
        albl: Albl,
        selector: Selector,
        model: Any,
        sight: Sight,
        payload: Mapping[str, Any],
        drawn: list[str],
    ) -> tuple[list[int], list[float], list[str]]:
        budget = min(payload["budget"], len(sight))
        advice = {
            name: None if name == RANDOM else selector.pick(get(name), budget, model, sight).rows
            for name in albl.strategies
        }
        chances = albl.probabilities()
        rows: dict[int, tuple[float, str]] = {}
        known = sight.known.inputs.ids
        for _ in range(MOST_DRAWS * budget):
            if len(rows) >= budget:
                break
            row = albl.draw(advice)
            if row >= len(sight):
                drawn.append(known[row - len(sight)])
                continue
            drawn.append(sight.ids([row])[0])
            wanted = [_wants(advice[name], row, albl.pool) for name in albl.strategies]
            by = albl.strategies[int(np.argmax(chances * wanted))]
            rows.setdefault(row, (1.0 / albl.weights[-1], by))
        return list(rows), [score for score, _ in rows.values()], [by for _, by in rows.values()]


def _wants(rows: NDArray[np.int64] | None, row: int, pool: int) -> float:
    if rows is None:
        return 1.0 / pool
    return float(np.count_nonzero(rows == row)) / max(1, len(rows))


def _correct(model: Any, known: Dataset, output: str, drawn: Sequence[str]) -> NDArray[np.bool_]:
    """For every draw whether the model gets it right; what has no label (yet) counts as wrong."""
    right: dict[str, bool] = {}
    if len(known):
        said = model.predict(known.inputs).mean.columns[output].uniform
        truth = known.outputs.columns[output].uniform
        right = dict(zip(known.inputs.ids, (said == truth).tolist(), strict=True))
    return np.array([right.get(sample, False) for sample in drawn], bool)
