"""When to train, which versions there are, how good they are: the trainer's side of control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from querist.control.asking import Asking, RecordLater
from querist.control.desk import Desk, spans_json
from querist.control.retrain import OnErrorGrowth
from querist.control.rules import Rule, View
from querist.control.state import CampaignState
from querist.control.stop import SelectedErrorBelow
from querist.control.workers import Workers
from querist.core.answers import Failure, Purpose
from querist.core.events import Fact
from querist.core.tasks import DatasetRef, ModelRef, Spans

POOL = "trainer"
SCORE_CHUNK = 256
ATTEMPTS = 3


@dataclass(slots=True, eq=False)
class Fit:
    """A fit under way: one task for each group of members."""

    version: int
    dataset: int
    train: int
    why: str
    groups: tuple[tuple[int, ...] | None, ...]
    attempt: int = 1
    tasks: dict[str, int] = field(default_factory=dict)
    parts: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    spans: list[Mapping[str, float]] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)


class Training:
    """Starts fits, publishes versions, evaluates them, and re-scores or orders the queue.

    Args:
        state: The campaign's state.
        desk: Where commands go.
        workers: Shared count of workers.
        asking: Whose queue is re-scored.
        record_later: Records facts that count only once durable.
    """

    def __init__(
        self,
        state: CampaignState,
        desk: Desk,
        workers: Workers,
        asking: Asking,
        record_later: RecordLater,
    ) -> None:
        self.state, self.desk, self.workers, self.asking = state, desk, workers, asking
        self.record_later = record_later
        self.fit: Fit | None = None
        self.publishing = False
        self.chores: dict[str, str] = {}
        self.failure: str | None = None
        self.rescores = True
        self.exhausted = False  # nothing more will come to be looked at by a strategy
        self._abandoned = self._let_pass = False
        self._evaluated_at = self._evaluated_version = 0
        # Metrics that rules wait for; told once where they are not measured.
        self._awaited = {part.metric for part in _parts(state.plan.policy) if _has_metric(part)}
        self._wants_recent = _wants_recent(state.plan.policy)

    @property
    def busy(self) -> bool:
        """Whether a fit, a publication or a chore is on the way."""
        return self.fit is not None or self.publishing or bool(self.chores)

    @property
    def idle(self) -> bool:
        """Whether a fit could begin."""
        return self.fit is None and not self.publishing and self.workers.room(POOL) > 0

    # ---------------------------------------------------------------------------------- fits

    def consider(self, view: View, *, last: bool, exhausted: bool = False) -> None:
        """Let the strategy select, or begin a fit, when it is time.

        Args:
            view: What policies see.
            last: Nothing more will come to be asked.
            exhausted: Nothing more will come to be looked at.
        """
        if not self.idle or self.failure is not None:
            return
        self.exhausted = exhausted
        why = self._first(view, last) if view.version == 0 else self._again(view)
        # Workers shall have something to do during a fit that is due: one selection goes before it,
        # but not where nothing is asked ahead of a round, which the newest model had better choose.
        if (why is None or not (self._in_rounds or self._let_pass)) and self.select():
            self._let_pass = why is not None
            return
        if why is not None:
            self.begin(why)
        elif view.version and self._evaluated_version != view.version:
            self.evaluate_newest()  # there was no hold-out yet when it was published
        elif view.version and self._wants_recent:
            self._evaluate_recent(view)

    def _first(self, view: View, last: bool) -> str | None:
        if not view.fresh:
            return None
        enough = view.labels + self.state.imported[Purpose.TRAIN] >= self.state.plan.initial
        no_more = not view.outstanding and (last or self.asking.initial_left <= 0)
        if enough or no_more or self.asking.exhausted:
            return f"the first {view.train_labels} labels are there"
        return None

    def _again(self, view: View) -> str | None:
        if view.fresh <= 0:
            return None
        limit = self.state.plan.max_fresh
        if limit is not None and view.fresh >= limit and not view.outstanding:
            return f"no more than {limit} labels may be asked beyond the last training"
        return self.state.plan.policy.should_retrain(view)

    def begin(self, why: str) -> None:
        """Begin a fit on all durable labels."""
        state = self.state
        self.fit = Fit(
            state.model.version + 1, state.labels, state.train_labels, why, self._groups()
        )
        state.begun_train = state.train_labels
        self._let_pass = False
        for group in range(len(self.fit.groups)):
            self._send(self.fit, group)

    def _groups(self) -> tuple[tuple[int, ...] | None, ...]:
        plan = self.state.plan
        count = max(1, min(self.workers.count(POOL), plan.members))
        if count == 1:
            return (None,)
        return tuple(tuple(range(plan.members))[i::count] for i in range(count))

    def _send(self, fit: Fit, group: int) -> None:
        state = self.state
        payload = {
            "version": fit.version,
            "dataset": DatasetRef(fit.dataset),
            "previous": state.model if state.model.version else None,
            "previous_dataset": state.model_dataset,
            "members": fit.groups[group],
            "part": group,
            "seed": state.plan.seed + fit.version,
        }
        task = self.desk.submit("fit", POOL, payload, attempt=fit.attempt)
        self.workers.take(POOL)
        fit.tasks[task.id] = group

    def abandon(self, why: str) -> None:
        """Ask a fit under way to end early, without a result, and begin nothing more."""
        self._abandoned = True
        for task in self.fit.tasks if self.fit else ():
            self.desk.cancel(task, why, hard=False)

    # ------------------------------------------------------------------------------- results

    def owns(self, task: str) -> bool:
        """Whether this is one of the trainer's tasks."""
        return task in self.chores or (self.fit is not None and task in self.fit.tasks)

    def finished(
        self, task: str, result: Mapping[str, Any], worker: str, spans: Spans, view: View
    ) -> None:
        """A fit, an evaluation or a re-scoring returned."""
        self.workers.free(POOL)
        if self.fit is not None and task in self.fit.tasks:
            self._fitted(self.fit, task, result, worker, spans)
            return
        kind = self.chores.pop(task)
        ended = {"kind": kind, "pool": POOL, "worker": worker, "spans": spans_json(spans)}
        self.desk.record("task.ended", ended)
        if kind == "score":
            self._scored(result, view)
        elif kind == "evaluate":
            self._evaluated(result)
        elif kind == "select":
            self._selected(result, ended, view)

    def _fitted(
        self, fit: Fit, task: str, result: Mapping[str, Any], worker: str, spans: Spans
    ) -> None:
        fit.parts[fit.tasks.pop(task)] = result
        fit.spans.append(spans_json(spans))
        fit.workers.append(worker)
        if fit.tasks:
            return
        parts = [fit.parts[index] for index in sorted(fit.parts)]
        metrics: dict[str, float] = {}
        for part in parts:
            metrics.update(part["metrics"])
        self.fit, self.publishing = None, True
        data = {
            "version": fit.version,
            "files": [part["file"] for part in parts],
            "digest": "+".join(part["digest"] for part in parts),
            "dataset": fit.dataset,
            "train": fit.train,
            "metrics": metrics,
            "why": fit.why,
            "spans": fit.spans,
            "workers": fit.workers,
        }
        self.record_later("model.published", data, {})

    def published(self, fact: Fact) -> None:
        """New weights are durable: evaluate them and re-score what waits."""
        self.publishing = False
        if self.state.model.version != fact.data["version"] or self._abandoned:
            return
        if self.asking.ordering is not None:
            self.select()  # before the evaluation, which workers need not wait for
        self.evaluate_newest()
        if not self.rescores:
            return
        waiting = self.asking.outside.samples()  # first: somebody may be about to look at them
        if self.asking.ordering is None:
            waiting += [candidate.sample for candidate in self.asking.waiting()]
        for start in range(0, len(waiting), SCORE_CHUNK):
            samples = tuple(waiting[start : start + SCORE_CHUNK])
            self._chore("score", {"model": self.state.model, "samples": samples})

    def evaluate_newest(self) -> None:
        """Evaluate the newest version on the hold-out, once there is one, unless that was done."""
        state, version = self.state, self.state.model.version
        if not (version and state.holdout_labels and state.plan.trainers):
            return
        self._evaluated_version = version
        if not any(errors["version"] == version for errors in state.errors):
            self._evaluate("holdout", state.model, since=0)

    def _evaluate(self, on: str, model: ModelRef, since: int) -> None:
        payload = {"model": model, "dataset": DatasetRef(self.state.labels), "on": on}
        self._chore("evaluate", {**payload, "since": since})

    def _evaluate_recent(self, view: View) -> None:
        if view.fresh >= 5 and self.state.labels > self._evaluated_at and not self.chores:
            self._evaluated_at = self.state.labels
            self._evaluate("recent", self.state.model, since=self.state.model_dataset)

    def _chore(self, kind: str, payload: Mapping[str, Any]) -> None:
        task = self.desk.submit(kind, POOL, payload)
        self.workers.take(POOL)
        self.chores[task.id] = kind

    # --------------------------------------------------------------------------- selecting

    @property
    def _in_rounds(self) -> bool:
        return self.asking.ordering is not None and self.asking.ordering.rule.rounds

    def select(self) -> bool:
        """Let the strategy look at what waits, where that is due; whether it does now."""
        asking, state = self.asking, self.state
        if "select" in self.chores.values() or not self.rescores or self._abandoned:
            return False
        oracle = asking.unordered(exhausted=self.exhausted)
        if oracle is None or asking.ordering is None:
            return False
        pending = (q.sample for q in state.open.values() if q.purpose is Purpose.TRAIN)
        payload = {
            "oracle": oracle,
            "model": state.model,
            "dataset": DatasetRef(state.labels),
            "samples": tuple(candidate.sample for _, candidate in asking.queues[oracle]),
            "pending": tuple(pending),
            "budget": asking.ordering.rule.batch,
            "seed": state.plan.seed,
            "selection": state.selections + 1,
            "labels_left": state.ledger.label_limit - state.ledger.labels - len(state.open),
            "choice": state.choice,
        }
        self._chore("select", payload)
        return True

    def _selected(self, result: Mapping[str, Any], ended: Mapping[str, Any], view: View) -> None:
        """Follow an order, unless there is a newer model; a round of a choice counts anyway."""
        ordering, oracle = self.asking.ordering, result["oracle"]
        is_current = result["version"] == self.state.model.version
        if ordering is None or not (is_current or self._in_rounds):
            return
        if is_current:
            self._scored(result, view)
        data = {
            **{name: result[name] for name in ("oracle", "version", "selection")},
            **result["order"],
            "candidates": len(result["samples"]),
            "spans": ended["spans"],
            "worker": ended["worker"],
        }
        self.state.fold(self.desk.record("selection.made", data)[1])
        ordering.made(oracle)

    def _scored(self, result: Mapping[str, Any], view: View) -> None:
        if result["version"] != self.state.model.version:
            return  # a newer model's scores are on their way
        stale = self.asking.rescore(result["samples"], result["scores"], view)
        if stale:
            why = "certain enough after retraining"
            self.desk.record("questions.dropped", {"count": stale, "why": why})

    def _evaluated(self, result: Mapping[str, Any]) -> None:
        if not result["n"]:
            return
        names = ("version", "n", "metrics", "on")
        arrays = {"score": result["score"], "error": result["error"]}
        data = {name: result[name] for name in names}
        data["signals"] = result.get("signals", {})
        if result["version"] == self.state.model.version:
            data["train"] = self.state.fitted_train
        fact = self.desk.record("model.evaluated", data, arrays)[1]
        self.state.fold(fact)
        if data["on"] == "holdout" and self._awaited:
            missing, self._awaited = sorted(self._awaited - set(data["metrics"])), set()
            for name in missing:
                known = ", ".join(data["metrics"]) or "nothing"
                self.desk.say(
                    "warning",
                    f"a rule waits for the hold-out metric {name!r}, but measured is only {known}",
                )

    def failed(self, task: str, failure: Failure, worker: str, spans: Spans) -> None:
        """A fit, an evaluation or a re-scoring failed: tried again, then given up."""
        self.workers.free(POOL)
        fit = self.fit
        kind = self.chores.pop(task, "fit")
        ended = {"kind": kind, "pool": POOL, "worker": worker, "spans": spans_json(spans)}
        why = {"reason": failure.reason.value, "message": failure.message}
        self.desk.record("task.failed", {**ended, **why, "traceback": failure.traceback})
        if fit is None or task not in fit.tasks:
            self.desk.say("warning", f"a task of kind {kind!r} failed: {failure.message}")
            if kind == "select" and self.asking.ordering is not None:
                self.failure = self.asking.ordering.failed(failure.message) or self.failure
            return
        group = fit.tasks.pop(task)
        if self._abandoned:
            self.fit = fit if fit.tasks else None
        elif fit.attempt < ATTEMPTS:
            fit.attempt += 1
            self.desk.say("warning", f"training failed and is tried again: {failure.message}")
            self._send(fit, group)
        else:
            self._give_up(fit, failure)

    def _give_up(self, fit: Fit, failure: Failure) -> None:
        for task in fit.tasks:
            self.desk.cancel(task, "another part of the fit failed", hard=False)
            self.chores[task] = "fit"
        self.fit = None
        if self.state.model.version == 0:
            self.failure = f"training failed {ATTEMPTS} times: {failure.message}"
        else:
            self.desk.say("warning", f"model {fit.version} could not be trained: {failure.message}")


def _wants_recent(policy: Any) -> bool:
    return any(isinstance(part, OnErrorGrowth | SelectedErrorBelow) for part in _parts(policy))


def _parts(policy: Any) -> list[Any]:
    """The rules of a policy, and those that they are made of."""
    rules = (getattr(policy, name, None) for name in ("retrain", "stop"))
    return [part for rule in rules if isinstance(rule, Rule) for part in rule.parts()]


def _has_metric(part: Any) -> bool:
    return isinstance(getattr(part, "metric", None), str)
