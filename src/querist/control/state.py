"""The campaign's state as a fold of its facts, so that resuming and running share one code path."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from querist.control.desk import without_prefix
from querist.control.ledger import Ledger, RunningCost
from querist.control.levels import BroughtLevels
from querist.control.plan import Plan
from querist.control.rules import View
from querist.control.sketch import QuantileSketch
from querist.core.answers import Purpose, Question, question_id
from querist.core.batch import Array, Sample
from querist.core.events import Fact
from querist.core.roles import Limits
from querist.core.tasks import ModelRef


@dataclass(slots=True, eq=False)
class OpenQuestion:
    """A question that was asked and has no final answer yet.

    ``id`` is the question's. ``task`` and ``recording`` are of this process only: the task that
    works on it now, and whether its answer is on the way to the disk.
    """

    id: str
    question: Question
    sample: Sample
    purpose: Purpose
    slot: int = -1
    walker: int = -1
    estimate: float = 0.0
    attempt: int = 0
    not_before: float = 0.0
    task: str | None = None
    recording: bool = False


class Pick(NamedTuple):
    """What a strategy said of a sample that it picked."""

    score: float | None
    strategy: str
    selection: int


@dataclass(slots=True, eq=False)
class Order:
    """The newest order of a strategy for one oracle.

    Attributes:
        version: Of the model behind it.
        picks: By sample, in order; those that were not asked yet.
        asked: The samples that were asked.
    """

    version: int
    picks: dict[str, Pick]
    asked: list[str] = field(default_factory=list)


class CampaignState:
    """Everything that facts determine. ``fold`` is the only way to change it.

    Folding a fact that asks, measures, limits or commands twice changes nothing, so a snapshot may
    hold such facts ahead of the answers that were not yet durable when it was taken.

    Args:
        plan: The campaign's fixed part.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.ledger = Ledger(plan.labels, plan.cost)
        self.costs = RunningCost({oracle.name: oracle.cost for oracle in plan.oracles})
        self.open: dict[str, OpenQuestion] = {}
        self.closed: set[str] = set()
        self.open_by_purpose = dict.fromkeys(Purpose, 0)
        self.open_by_oracle = self._no_questions()
        self.answered = dict.fromkeys(Purpose, 0)
        self.imported = dict.fromkeys(Purpose, 0)
        self.levels = BroughtLevels()
        self.quarantined = self.failed_tries = 0
        self.last_failure = ""
        self.model = ModelRef(0)
        self.model_dataset = 0
        self.fitted_train = 0
        self.begun_train = 0  # of this process only: train labels of the newest fit begun
        self.errors: tuple[Mapping[str, float], ...] = ()
        self.recent_error = self.published_error = math.nan
        self.limits: Limits | None = None
        self.epoch = -1
        self.explorers: int | None = None  # when questions were asked
        self.paused = False
        self.orders: dict[str, Order] = {}
        self.selections = 0
        self.choice: Mapping[str, Any] | None = None  # between strategies, as their task left it
        self.now = 0.0
        self._set: dict[str, float | None] = {}  # by a user, instead of what the plan says

    # -------------------------------------------------------------------------------- derived

    @property
    def labels(self) -> int:
        """Durable labels, imported ones included: the dataset's newest version."""
        return sum(self.answered.values()) + sum(self.imported.values())

    @property
    def train_labels(self) -> int:
        """Durable labels for training."""
        return self.answered[Purpose.TRAIN] + self.imported[Purpose.TRAIN]

    @property
    def holdout_labels(self) -> int:
        """Durable labels of the hold-out."""
        return self.answered[Purpose.HOLDOUT] + self.imported[Purpose.HOLDOUT]

    @property
    def seconds(self) -> float | None:
        """Longest campaign time in force; None for no limit."""
        return self._set.get("seconds", self.plan.seconds)

    @property
    def threshold(self) -> float | None:
        """What a user set as the limit above which to ask; None to follow the plan."""
        return self._set.get("threshold")

    @property
    def asked(self) -> int:
        """Questions asked so far: open, answered or quarantined."""
        return len(self.open) + len(self.closed)

    @property
    def fresh(self) -> int:
        """Train labels since the data of the newest fit that was begun."""
        return self.train_labels - max(self.fitted_train, self.begun_train)

    def knows(self, question: str) -> bool:
        """Whether this question was ever asked."""
        return question in self.open or question in self.closed

    def picks(self, oracle: str) -> Mapping[str, Pick]:
        """What is left of the newest order for an oracle."""
        order = self.orders.get(oracle)
        return {} if order is None else order.picks

    def view(self, now: float, queued: int, idle: bool, scores: QuantileSketch) -> View:
        """What a policy may see."""
        return View(
            now=now,
            labels=self.ledger.labels,
            imported=sum(self.imported.values()),
            train_labels=self.train_labels,
            fresh=self.fresh,
            queued=queued,
            outstanding=len(self.open),
            cost=self.ledger.cost,
            version=self.model.version,
            trainer_idle=idle,
            errors=self.errors,
            recent_error=self.recent_error,
            published_error=self.published_error,
            scores=scores,
            failed=self.quarantined,
        )

    # ----------------------------------------------------------------------------------- fold

    def fold(self, fact: Fact) -> None:
        """Apply one fact; unknown kinds change nothing but the time."""
        when = fact.data.get("t", 0.0)
        if when > self.now:
            self.now = float(when)
        apply = _FOLDS.get(fact.kind)
        if apply is not None:
            apply(self, fact)

    def _asked(self, fact: Fact) -> None:
        data = fact.data
        key, sample, estimate = data["question"], data["sample"], data["estimate"]
        if self.knows(key):
            return  # a snapshot may already hold facts that come after it in the journal
        self.open[key] = item = OpenQuestion(
            key,
            Question(sample, data["oracle"], data["replicate"]),
            Sample(without_prefix("in/", fact.arrays), data.get("uri"), sample),
            _PURPOSES[data["purpose"]],
            data["slot"],
            data["walker"],
            estimate,
        )
        self._count(item, 1)
        self.ledger.force(key, estimate)
        order = self.orders.get(data["oracle"])
        if order is not None and order.picks.pop(sample, None) is not None:
            order.asked.append(sample)

    def _labelled(self, fact: Fact) -> None:
        data = fact.data
        cost = data["cost"]
        self._close(data["question"])
        self.answered[_PURPOSES[data["purpose"]]] += 1
        self.ledger.charge(cost, label=True)
        self.costs.observe(data["oracle"], cost)

    def _failed(self, fact: Fact) -> None:
        data = fact.data
        self.ledger.charge(data["cost"], label=False)
        self.last_failure = f"{data['reason']}: {data['message']}"
        self.failed_tries += 1
        if data["final"]:
            self._close(data["question"])
            self.quarantined += 1
            return
        question = self.open.get(data["question"])
        if question is not None:
            question.attempt = data["attempt"]
            question.not_before = data["t"] + self.plan.retry.delay(data["attempt"])
            question.task, question.recording = None, False

    def _abstained(self, fact: Fact) -> None:
        self.ledger.charge(fact.data["cost"], label=False)
        self._close(fact.data["question"])

    def _no_questions(self) -> Counter[str]:
        # An earlier run may have asked an oracle that is not there any more.
        return Counter({oracle.name: 0 for oracle in self.plan.oracles})

    def _close(self, question: str) -> None:
        known = self.open.pop(question, None)
        if known is not None:
            self._count(known, -1)
        self.closed.add(question)
        self.ledger.release(question)

    def _count(self, item: OpenQuestion, change: int) -> None:
        self.open_by_purpose[item.purpose] += change
        self.open_by_oracle[item.question.oracle] += change

    def _selected(self, fact: Fact) -> None:
        data = fact.data
        if data["selection"] <= self.selections:
            return
        self.selections = data["selection"]
        told = zip(data["picked"], data["scores"], data["strategies"], strict=True)
        picks = {sample: Pick(score, name, self.selections) for sample, score, name in told}
        known = [sample for sample in picks if self.knows(question_id(sample, data["oracle"]))]
        for sample in known:
            del picks[sample]
        self.orders[data["oracle"]] = Order(data["version"], picks, known)
        self.choice = data.get("choice")

    def _imported(self, fact: Fact) -> None:
        self.imported[Purpose(fact.data["purpose"])] += fact.data["count"]
        self.levels.bring(fact.data.get("level", ""), fact.data["count"])

    def _published(self, fact: Fact) -> None:
        data = fact.data
        if data["version"] <= self.model.version:
            return
        self.model = ModelRef(data["version"], tuple(data["files"]), data["digest"])
        self.model_dataset = data["dataset"]
        self.fitted_train = max(self.fitted_train, data.get("train", self.train_labels))
        self.recent_error = self.published_error = math.nan

    def _evaluated(self, fact: Fact) -> None:
        data, version = fact.data, fact.data["version"]
        metrics = {name: _number(value) for name, value in data["metrics"].items()}
        told = {name: _number(value) for name, value in data.get("signals", {}).items()}
        if "train" in data:
            told["train"] = data["train"]
        error = metrics.get(self.plan.error_metric, math.nan)
        is_newest = version == self.model.version
        if data["on"] == "recent":
            self.recent_error = error if is_newest else self.recent_error
            return
        others = (e for e in self.errors if e["version"] != version)
        errors = (*others, {"version": version, **told, **metrics})
        self.errors = tuple(sorted(errors, key=lambda e: e["version"]))
        if is_newest:
            self.published_error = error

    def _limited(self, fact: Fact) -> None:
        self.limits = Limits(fact.data["ask"], _limit(fact.data["reject"]))

    def _commanded(self, fact: Fact) -> None:
        name, data = fact.data["kind"], fact.data["data"]
        if name in ("pause", "resume"):
            self.paused = name == "pause"
        if name == "set":
            self._set.update(data)
            self._apply_budgets()

    def _apply_budgets(self) -> None:
        plan, ledger = self.plan, self.ledger
        ledger.label_limit = _limit(self._set.get("labels", plan.labels))
        ledger.cost_limit = _limit(self._set.get("cost", plan.cost))

    def _started(self, fact: Fact) -> None:
        self.epoch = fact.data["epoch"]
        explorers = sum(name.startswith("explorer.") for name in fact.data.get("pools", {}))
        if explorers != self.explorers:
            # Walkers are elsewhere now; those that wait are let go by the next model.
            for item in self.open.values():
                item.slot = item.walker = -1
        self.explorers = explorers

    # ------------------------------------------------------------------------------- snapshot

    def snapshot(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """JSON-able data and arrays from which :meth:`restore` makes an equal state."""
        arrays: dict[str, Array] = {}
        questions = []
        for index, item in enumerate(self.open.values()):
            arrays |= {f"open/{index}/{k}": v for k, v in item.sample.arrays.items()}
            questions.append(_open_json(item))
        data = {
            "now": self.now,
            "epoch": self.epoch,
            "explorers": self.explorers,
            "ledger": self.ledger.state(),
            "set": dict(self._set),
            "costs": self.costs.state(),
            "open": questions,
            "closed": sorted(self.closed),
            "answered": dict(self.answered),
            "imported": dict(self.imported),
            "levels": self.levels.state(),
            "quarantined": self.quarantined,
            "failed_tries": self.failed_tries,
            "last_failure": self.last_failure,
            "model": [self.model.version, list(self.model.files), self.model.digest],
            "model_dataset": self.model_dataset,
            "fitted_train": self.fitted_train,
            "errors": [{k: _finite(v) for k, v in errors.items()} for errors in self.errors],
            "recent_error": _finite(self.recent_error),
            "published_error": _finite(self.published_error),
            "limits": None
            if self.limits is None
            else [self.limits.ask, _finite(self.limits.reject)],
            "paused": self.paused,
            "orders": {name: _order_json(order) for name, order in self.orders.items()},
            "selections": self.selections,
            "choice": self.choice,
        }
        return data, arrays

    def restore(self, data: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Become the state that was snapshot."""
        self.now, self.epoch, self.explorers = data["now"], data["epoch"], data.get("explorers")
        self.ledger.restore(data["ledger"])
        self._set = dict(data["set"])
        self._apply_budgets()
        self.costs.restore(data["costs"])
        self.open = {}
        self.open_by_purpose = dict.fromkeys(Purpose, 0)
        self.open_by_oracle = self._no_questions()
        for index, item in enumerate(data["open"]):
            prefix = f"open/{index}/"
            question = _open_from(item, without_prefix(prefix, arrays))
            self.open[question.id] = question
            self._count(question, 1)
        self.closed = set(data["closed"])
        self.answered = {Purpose(k): v for k, v in data["answered"].items()}
        self.imported = {Purpose(k): v for k, v in data["imported"].items()}
        self.levels.restore(data.get("levels", {}))  # not in snapshots of before
        self.quarantined, self.last_failure = data["quarantined"], data["last_failure"]
        self.failed_tries = data.get("failed_tries", self.quarantined)  # of 0.1 before its release
        version, files, digest = data["model"]
        self.model = ModelRef(version, tuple(files), digest)
        self.model_dataset, self.fitted_train = data["model_dataset"], data["fitted_train"]
        self.errors = tuple({k: _number(v) for k, v in errors.items()} for errors in data["errors"])
        self.recent_error = _number(data["recent_error"])
        self.published_error = _number(data["published_error"])
        limits = data["limits"]
        self.limits = None if limits is None else Limits(limits[0], _limit(limits[1]))
        self.paused = data["paused"]
        self.orders = {name: _order_from(told) for name, told in data.get("orders", {}).items()}
        self.selections, self.choice = data.get("selections", 0), data.get("choice")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _limit(value: float | None) -> float:
    return math.inf if value is None else value


def _order_json(order: Order) -> list[Any]:
    picks = [[sample, *pick] for sample, pick in order.picks.items()]
    return [order.version, picks, list(order.asked)]


def _order_from(told: list[Any]) -> Order:
    version, picks, asked = told
    return Order(version, {sample: Pick(*rest) for sample, *rest in picks}, list(asked))


def _open_json(item: OpenQuestion) -> dict[str, Any]:
    question = item.question
    return {
        "question": [question.sample, question.oracle, question.replicate],
        "uri": item.sample.uri,
        "purpose": item.purpose.value,
        "slot": item.slot,
        "walker": item.walker,
        "estimate": item.estimate,
        "attempt": item.attempt,
        "not_before": item.not_before,
    }


def _open_from(item: Mapping[str, Any], arrays: Mapping[str, Array]) -> OpenQuestion:
    question = Question(*item["question"])
    sample = Sample(arrays, item["uri"], question.sample)
    return OpenQuestion(
        question.id,
        question,
        sample,
        Purpose(item["purpose"]),
        item["slot"],
        item["walker"],
        item["estimate"],
        item["attempt"],
        item["not_before"],
    )


_PURPOSES = {purpose.value: purpose for purpose in Purpose}
_FOLDS: dict[str, Callable[[CampaignState, Fact], None]] = {
    "question.asked": CampaignState._asked,
    "selection.made": CampaignState._selected,
    "answer.label": CampaignState._labelled,
    "answer.failure": CampaignState._failed,
    "answer.abstention": CampaignState._abstained,
    "labels.imported": CampaignState._imported,
    "model.published": CampaignState._published,
    "model.evaluated": CampaignState._evaluated,
    "gate.limits": CampaignState._limited,
    "user.command": CampaignState._commanded,
    "run.started": CampaignState._started,
}
