"""The campaign's state as a fold of its facts, so that resuming and running share one code path."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from querist.control.ledger import Ledger, RunningCost
from querist.control.plan import Plan
from querist.control.rules import View
from querist.control.sketch import QuantileSketch
from querist.core.answers import Purpose, Question
from querist.core.batch import Array, Sample
from querist.core.events import Fact
from querist.core.roles import Limits
from querist.core.tasks import ModelRef


@dataclass(slots=True, eq=False)
class OpenQuestion:
    """A question that was asked and has no final answer yet.

    ``task`` and ``recording`` are of this process only: the task that works on it now, and
    whether its answer is on the way to the disk.
    """

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


class CampaignState:
    """Everything that facts determine. ``fold`` is the only way to change it.

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
        self.answered = dict.fromkeys(Purpose, 0)
        self.imported = dict.fromkeys(Purpose, 0)
        self.quarantined = 0
        self.model = ModelRef(0)
        self.model_dataset = 0
        self.fitted_train = 0
        self.errors: tuple[Mapping[str, float], ...] = ()
        self.recent_error = self.published_error = math.nan
        self.limits: Limits | None = None
        self.epoch = -1
        self.paused = False
        self.seconds = plan.seconds
        self.now = 0.0

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
    def asked(self) -> int:
        """Questions asked so far: open, answered or quarantined."""
        return len(self.open) + len(self.closed)

    @property
    def fresh(self) -> int:
        """Train labels since the data of the newest fit that was begun."""
        return self.train_labels - self.fitted_train

    def knows(self, question: str) -> bool:
        """Whether this question was ever asked."""
        return question in self.open or question in self.closed

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
        self.now = max(self.now, float(fact.data.get("t", 0.0)))
        apply = _FOLDS.get(fact.kind)
        if apply is not None:
            apply(self, fact)

    def _asked(self, fact: Fact) -> None:
        data = fact.data
        question = Question(data["sample"], data["oracle"], data["replicate"])
        if self.knows(question.id):
            return  # a snapshot may already hold facts that come after it in the journal
        arrays = {name[3:]: value for name, value in fact.arrays.items() if name[:3] == "in/"}
        purpose = Purpose(data["purpose"])
        self.open[question.id] = OpenQuestion(
            question,
            Sample(arrays, data.get("uri"), question.sample),
            purpose,
            data["slot"],
            data["walker"],
            data["estimate"],
        )
        self.open_by_purpose[purpose] += 1
        self.ledger.force(question.id, data["estimate"])

    def _labelled(self, fact: Fact) -> None:
        purpose = Purpose(fact.data["purpose"])
        self._close(fact.data["question"])
        self.answered[purpose] += 1
        self.ledger.charge(fact.data["cost"], label=True)
        self.costs.observe(fact.data["oracle"], fact.data["cost"])

    def _failed(self, fact: Fact) -> None:
        data = fact.data
        self.ledger.charge(data["cost"], label=False)
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

    def _close(self, question: str) -> None:
        known = self.open.pop(question, None)
        if known is not None:
            self.open_by_purpose[known.purpose] -= 1
        self.closed.add(question)
        self.ledger.release(question)

    def _imported(self, fact: Fact) -> None:
        self.imported[Purpose(fact.data["purpose"])] += fact.data["count"]

    def _published(self, fact: Fact) -> None:
        data = fact.data
        if data["version"] <= self.model.version:
            return
        self.model = ModelRef(data["version"], tuple(data["files"]), data["digest"])
        self.model_dataset = data["dataset"]
        self.fitted_train = max(self.fitted_train, data.get("train", self.train_labels))
        self.recent_error = math.nan

    def _evaluated(self, fact: Fact) -> None:
        data, metric = fact.data, self.plan.error_metric
        metrics = {name: _number(value) for name, value in data["metrics"].items()}
        error = metrics.get(metric, math.nan)
        if data["on"] == "recent":
            self.recent_error = error
            return
        before = tuple(e for e in self.errors if e["version"] != data["version"])
        self.errors = (*before, {"version": data["version"], **metrics})
        if data["version"] == self.model.version:
            self.published_error = error

    def _limited(self, fact: Fact) -> None:
        reject = fact.data["reject"]
        self.limits = Limits(fact.data["ask"], math.inf if reject is None else reject)

    def _commanded(self, fact: Fact) -> None:
        name, data = fact.data["kind"], fact.data["data"]
        if name in ("pause", "resume"):
            self.paused = name == "pause"
        if name == "set":
            self.ledger.label_limit = data.get("labels", self.ledger.label_limit)
            self.ledger.cost_limit = data.get("cost", self.ledger.cost_limit)
            self.seconds = data.get("seconds", self.seconds)

    def _started(self, fact: Fact) -> None:
        self.epoch = fact.data["epoch"]

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
            "ledger": self.ledger.state(),
            "budget": [_finite(self.ledger.label_limit), _finite(self.ledger.cost_limit)],
            "costs": self.costs.state(),
            "open": questions,
            "closed": sorted(self.closed),
            "answered": dict(self.answered),
            "imported": dict(self.imported),
            "quarantined": self.quarantined,
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
            "seconds": self.seconds,
        }
        return data, arrays

    def restore(self, data: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Become the state that was snapshot."""
        self.now, self.epoch = data["now"], data["epoch"]
        self.ledger.restore(data["ledger"])
        self.ledger.label_limit, self.ledger.cost_limit = (
            math.inf if limit is None else limit for limit in data["budget"]
        )
        self.costs.restore(data["costs"])
        self.open = {}
        for index, item in enumerate(data["open"]):
            prefix = f"open/{index}/"
            held = {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
            question = _open_from(item, held)
            self.open[question.question.id] = question
        self.open_by_purpose = dict.fromkeys(Purpose, 0)
        for question in self.open.values():
            self.open_by_purpose[question.purpose] += 1
        self.closed = set(data["closed"])
        self.answered = {Purpose(k): v for k, v in data["answered"].items()}
        self.imported = {Purpose(k): v for k, v in data["imported"].items()}
        self.quarantined = data["quarantined"]
        version, files, digest = data["model"]
        self.model = ModelRef(version, tuple(files), digest)
        self.model_dataset, self.fitted_train = data["model_dataset"], data["fitted_train"]
        self.errors = tuple({k: _number(v) for k, v in errors.items()} for errors in data["errors"])
        self.recent_error = _number(data["recent_error"])
        self.published_error = _number(data["published_error"])
        limits = data["limits"]
        self.limits = (
            None
            if limits is None
            else Limits(limits[0], math.inf if limits[1] is None else limits[1])
        )
        self.paused, self.seconds = data["paused"], data["seconds"]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value


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
        question,
        sample,
        Purpose(item["purpose"]),
        item["slot"],
        item["walker"],
        item["estimate"],
        item["attempt"],
        item["not_before"],
    )


_FOLDS: dict[str, Callable[[CampaignState, Fact], None]] = {
    "question.asked": CampaignState._asked,
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
