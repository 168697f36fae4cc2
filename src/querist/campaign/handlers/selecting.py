"""Lets a query strategy put the candidates that wait in order, in a trainer's worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.campaign.handlers.contracts import predicted
from querist.campaign.handlers.joining import gathered, joined
from querist.campaign.handlers.supply import (
    CHUNK,
    Describe,
    Supply,
    classes_of,
    describer,
    differentiable,
    flat,
    targets,
)
from querist.campaign.labels import LabelReader
from querist.campaign.strategy import strategy_of
from querist.control.gate import BandGate
from querist.core.answers import Dataset, Purpose
from querist.core.batch import Array, Batch, Sample
from querist.core.prediction import Prediction, Verdict
from querist.core.roles import Limits
from querist.core.tasks import resolve
from querist.strategies.contract import Strategy

LABELS = {"labels", "labelled_classes", "labelled_costs"}
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sight:
    """What a strategy may look at.

    Attributes:
        samples: The candidates that make sense.
        rows: Their places among all that wait.
        known: The training labels.
        pending: Samples that were asked and have no answer yet.
        seed: Of whatever is drawn at random.
    """

    samples: Batch
    rows: Rows
    known: Dataset
    pending: tuple[Sample, ...]
    seed: int

    def __len__(self) -> int:
        return len(self.rows)

    def ids(self, rows: Iterable[int]) -> list[str]:
        """Of some candidates."""
        return [self.samples.sample(int(row)).id for row in rows]


@dataclass(frozen=True, slots=True)
class Picked:
    """Rows of a sight, in order, with what the strategy said of each."""

    rows: Rows
    scores: NDArray[np.float64]


class Selector:
    """Gives strategies what they need of a model, and keeps their order.

    Args:
        gate: Says which candidates make sense.
        embeddings: See :func:`~querist.campaign.handlers.supply.describer`.
        costs: Import path of a function that gives the expected costs of a batch; "" for none.
        labels: Where the costs of answers are read.
    """

    def __init__(
        self, gate: BandGate, embeddings: str, costs: str, labels: LabelReader | None = None
    ) -> None:
        self._gate, self._embeddings, self._labels = gate, embeddings, labels
        self._costs: Describe | None = resolve(costs) if costs else None
        self._predicted: list[tuple[Batch, Prediction]] = []

    @property
    def output(self) -> str:
        """The gated output."""
        return self._gate.output

    def look(
        self, model: Any, samples: Sequence[Sample], dataset: Dataset, payload: Mapping[str, Any]
    ) -> tuple[NDArray[np.float64], Sight]:
        """Predict all that waits.

        Returns:
            ``(n,)`` uncertainty of each candidate, NaN where it makes no sense, and what is left.
        """
        scores, kept, found = [], [], []
        for start in range(0, len(samples), CHUNK):
            batch = gathered(samples[start : start + CHUNK])
            prediction = predicted(model, batch)
            verdicts = self._gate.decide(batch, prediction, Limits(np.inf, np.inf))
            sound = np.flatnonzero(verdicts.verdict != Verdict.REJECT)
            scores.append(np.where(verdicts.verdict == Verdict.REJECT, np.nan, verdicts.score))
            kept.append(sound + start)
            found.append((batch.take(sound), prediction.take(sound)))
        self._predicted = found
        rows = np.concatenate([np.zeros(0, np.int64), *kept])
        known = dataset.only(Purpose.TRAIN)
        batch = joined(part for part, _ in found)
        seed = payload["seed"] + 1_000_003 * payload["selection"]
        sight = Sight(batch, rows, known, payload["pending"], seed)
        return np.concatenate([np.zeros(0), *scores]), sight

    def pick(self, strategy: Strategy, count: int, model: Any, sight: Sight) -> Picked:
        """What a strategy picks of what was looked at last."""
        count = min(count, len(sight))
        if not count:
            return Picked(np.zeros(0, np.int64), np.zeros(0))
        rng = np.random.default_rng([sight.seed, *strategy.name.encode()])
        data = self._data(strategy, model, sight, rng)
        found = strategy(count, rng=rng, **data)
        return Picked(found.indices, found.scores)

    def _data(
        self, strategy: Strategy, model: Any, sight: Sight, rng: np.random.Generator
    ) -> dict[str, Any]:
        wanted = [*strategy.needs, *(n for n in strategy.optional if self._has(n, model))]
        supply = Supply(wanted, self._gate.output, describer(model, self._embeddings), self._costs)
        for batch, prediction in self._predicted:
            supply.add(model, batch, prediction)
        data: dict[str, Any] = supply.pool()
        if "target_member_probabilities" in data:
            rows = data["target_member_probabilities"]
            data["target_member_probabilities"] = targets(rows, rng)
        for name in wanted:
            if name in _KNOWN:
                data[name] = _KNOWN[name](self, supply, model, sight, not LABELS & set(wanted))
        return data

    def _has(self, name: str, model: Any) -> bool:
        """Whether optional data are there: labels always, embeddings where something gives them."""
        if name in ("labels", "labelled_classes"):
            return True
        has_features = describer(model, self._embeddings) is not None
        return name in ("embeddings", "labelled_embeddings") and has_features

    def _labelled_embeddings(
        self, supply: Supply, _model: Any, sight: Sight, with_pending: bool
    ) -> Array:
        """Of what has a label; where no labels are looked at, of what was asked as well."""
        known = supply.embed(sight.known.inputs)
        if not (with_pending and sight.pending):
            return known
        return np.concatenate([known, supply.embed(gathered(sight.pending))])

    def _label_numbers(self, _supply: Supply, model: Any, sight: Sight, _: bool) -> Array:
        values = self._answers(sight)
        return flat(values if values.dtype.kind in "biuf" else classes_of(values, model))

    def _classes(self, _supply: Supply, model: Any, sight: Sight, _: bool) -> Array:
        return classes_of(self._answers(sight), model)

    def _model(self, _supply: Supply, model: Any, _sight: Sight, _: bool) -> Any:
        return differentiable(model)

    def _answers(self, sight: Sight) -> Array:
        return sight.known.outputs.columns[self._gate.output].uniform

    def _answers_cost(self, _supply: Supply, _model: Any, sight: Sight, _: bool) -> Array:
        assert self._labels is not None
        return self._labels.costs(sight.known.inputs.ids)


_KNOWN = {
    "labelled_embeddings": Selector._labelled_embeddings,
    "labels": Selector._label_numbers,
    "labelled_classes": Selector._classes,
    "labelled_costs": Selector._answers_cost,
    "model": Selector._model,
}


class Single:
    """One strategy all the time; makes the order of a "select" task.

    Args:
        spec: The strategy, as :func:`~querist.campaign.strategy.strategy_of` takes it.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.strategy = strategy_of(spec["use"], spec["options"], spec["live"])

    def order(
        self, selector: Selector, model: Any, sight: Sight, payload: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What is to be asked, in order."""
        picked = selector.pick(self.strategy, payload["budget"], model, sight)
        name = self.strategy.name
        names = [name] * len(picked.rows)
        return order_of(name, sight.ids(picked.rows), picked.scores.tolist(), names)


def order_of(
    strategy: str,
    picked: list[str],
    scores: Sequence[float],
    strategies: list[str],
    choice: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """An order as the controller takes and records it."""
    finite = [float(score) if np.isfinite(score) else None for score in scores]
    order: dict[str, Any] = {"strategy": strategy, "picked": picked, "scores": finite}
    return {**order, "strategies": strategies, "choice": choice}
