"""What a campaign's controller promises, held after every event by counting the facts anew."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from querist.control.controller import CampaignController
from querist.control.plan import Plan
from querist.control.state import CampaignState
from querist.core.answers import Label
from querist.core.events import (
    Command,
    Durable,
    Event,
    Fact,
    Finish,
    Interrupted,
    Posted,
    Record,
    StoreBroken,
    Submit,
    TaskFinished,
)
from querist.core.tasks import Task

ANSWERS = ("answer.label", "answer.abstention", "answer.failure")
FOLD_EVERY = 50


class Watched(Protocol):
    """What the checks look at: a controller and the world around it."""

    controller: CampaignController
    now: float
    waiting: Mapping[tuple[int, int], str]

    @property
    def is_waited_for(self) -> bool:
        """Whether a task is on the way, or a worker is starting or coming back."""


class Checks:
    """Counts facts in the most naive way and compares.

    Args:
        plan: The campaign's fixed part.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.events = 0

    def begin(self, journal: Sequence[Fact], durable: int) -> None:
        """A controller begins on these facts, all of them durable."""
        self.asked: dict[str, Fact] = {}
        self.final: dict[str, Fact] = {}
        self.closed: set[str] = set()  # by a durable answer
        self.labels = self.imported = self.version = 0
        self.cost = 0.0
        self.limits = {"labels": self.plan.labels, "cost": self.plan.cost}
        self.journal: list[Fact] = []
        self.durable = 0
        self.in_task: dict[str, str] = {}
        self.tasks: dict[str, Task] = {}
        self.until = math.inf
        self.is_broken = False
        for fact in journal:
            self._recorded(fact)
        self._durable(durable)

    # ----------------------------------------------------------------------------------- facts

    def _recorded(self, fact: Fact) -> None:
        self.journal.append(fact)
        data = fact.data
        if fact.kind == "question.asked":
            self._asked(fact)
        elif fact.kind in ANSWERS:
            question = data["question"]
            assert question in self.asked, f"{question} was answered but never asked"
            assert question not in self.final, f"{question} has two final answers"
            if data.get("final", True):
                self.final[question] = fact
            self.in_task.pop(question, None)
        elif fact.kind == "model.published":
            assert data["version"] == self.version + 1, "versions grow by one"
            self.version = data["version"]
        elif fact.kind == "user.command" and data["kind"] == "set":
            new = {k: math.inf if v is None else v for k, v in data["data"].items()}
            self.limits.update(new)

    def _asked(self, fact: Fact) -> None:
        data = fact.data
        assert data["question"] not in self.asked, f"{data['question']} was asked twice"
        self.asked[data["question"]] = fact

    def _reserved(self) -> None:
        """What is spent and reserved is within the budgets when a question is asked."""
        open_ = [f for q, f in self.asked.items() if q not in self.closed]
        labels = self.labels + len(open_)
        assert labels <= self.limits["labels"], f"{labels} labels reserved of {self.limits}"
        cost = self.cost + sum(f.data["estimate"] for f in open_)
        assert cost <= self.limits["cost"] * (1 + 1e-6), f"{cost} reserved of {self.limits}"

    def _durable(self, seq: int) -> None:
        for fact in self.journal[self.durable : seq]:
            if fact.kind in ANSWERS:
                self.cost += fact.data["cost"]
                self.labels += fact.kind == "answer.label"
                if fact.data.get("final", True):
                    self.closed.add(fact.data["question"])
            elif fact.kind == "labels.imported":
                self.imported += fact.data["count"]
        self.durable = max(self.durable, min(seq, len(self.journal)))

    # ---------------------------------------------------------------------------------- events

    def after(self, harness: Watched, event: Event | None, commands: Sequence[Command]) -> None:
        """Check an event and what the controller made of it."""
        self.events += 1
        delivered = self._delivered(event)
        if isinstance(event, Durable):
            self._durable(event.seq)
        if isinstance(event, Interrupted) and math.isinf(self.until):
            self.until = harness.now + event.grace
        self.is_broken = self.is_broken or isinstance(event, StoreBroken)
        for command in commands:
            self._commanded(command)
        assert delivered <= set(self.final), f"lost: {delivered - set(self.final)}"
        self._counted(harness.controller.state)
        self._told(harness)
        self._progress(harness)
        if self.events % FOLD_EVERY == 0:
            self.folded(harness)

    def _delivered(self, event: Event | None) -> set[str]:
        """Questions that this event brings a label for, and that a task still works on."""
        if not isinstance(event, TaskFinished) or event.task not in self.tasks:
            return set()
        task = self.tasks.pop(event.task)
        pairs = zip(task.payload["questions"], event.result["outcomes"], strict=True)
        good = {question.id for question, outcome in pairs if isinstance(outcome, Label)}
        return {q for q in good if self.in_task.get(q) == task.id}

    def _commanded(self, command: Command) -> None:
        if isinstance(command, Submit):
            assert not self.is_broken, "the store is broken, yet a task is submitted"
            assert math.isinf(self.until), "it was interrupted, yet a task is submitted"
            if command.task.kind == "label":
                self._label_task(command.task)
        elif isinstance(command, Record):
            self._recorded(command.fact)
            if command.fact.kind == "question.asked":
                self._reserved()
        elif isinstance(command, Finish) and self.is_broken:
            assert command.status == "failed"

    def _label_task(self, task: Task) -> None:
        self.tasks[task.id] = task
        for question, sample in zip(
            task.payload["questions"], task.payload["samples"], strict=True
        ):
            assert question.id in self.asked, f"{question.id} is submitted but was never asked"
            assert question.id not in self.final, f"{question.id} is submitted again"
            assert question.id not in self.in_task, f"{question.id} is in two tasks"
            assert question.sample == sample.id
            self.in_task[question.id] = task.id

    # -------------------------------------------------------------------------------- promises

    def _counted(self, state: CampaignState) -> None:
        """Labels count once they are durable, once, and not before."""
        if self.is_broken:
            return
        assert sum(state.answered.values()) == self.labels == state.ledger.labels
        assert sum(state.imported.values()) == self.imported
        assert math.isclose(state.ledger.cost, self.cost, abs_tol=1e-9)
        assert set(state.open) == set(self.asked) - self.closed

    def _told(self, harness: Watched) -> None:
        """A walker waits for what is on its way, or its answer waits to be handed over."""
        controller = harness.controller
        if controller.phase != "running":
            return
        for (slot, walker), sample in harness.waiting.items():
            explorer = controller.exploring.slots[slot]
            told = [*explorer.told, *explorer.telling]
            assert (
                explorer.dead
                or controller.asking.is_pending(sample)
                or any(a.walker == walker and a.sample.id == sample for a in told)
            ), f"walker {walker} of explorer {slot} waits for nothing"

    def _progress(self, harness: Watched) -> None:
        """It is over, or paused, or something is on the way."""
        controller, now = harness.controller, harness.now
        assert now <= self.until or controller.phase == "done", "its grace is over"
        deadline = controller.next_deadline()
        assert deadline is None or deadline > now, "a deadline that has passed"
        outside = [oracle.name for oracle in self.plan.oracles if oracle.outside]
        state = controller.state
        assert (
            controller.phase == "done"
            or state.paused
            or self.durable < len(self.journal)
            or deadline is not None
            or any(state.open_by_oracle[name] for name in outside)
            or harness.is_waited_for
        ), f"nothing is on the way in phase {controller.phase!r}"

    def acknowledged(self, message: Posted, harness: Watched) -> None:
        """An acknowledged message is durable, or changes nothing."""
        question = message.data.get("question")
        if message.kind in ("answer", "abstain") and isinstance(question, str):
            assert question not in harness.controller.state.open, f"{question} is still open"

    def folded(self, harness: Watched) -> None:
        """The facts add up to the live state when none is awaited."""
        controller = harness.controller
        if controller.folded != len(self.journal) or self.is_broken:
            return
        state = CampaignState(self.plan)
        for fact in self.journal:
            state.fold(fact)
        self.equal(state, controller.state, "the facts")

    def equal(self, state: CampaignState, other: CampaignState, what: str) -> None:
        """Two states are the same but for the time of their last fact."""
        (data, arrays), (data2, arrays2) = state.snapshot(), other.snapshot()
        one, two = _plain(data), _plain(data2)
        assert one == two, f"{what} and the state differ: {_difference(one, two)}"
        assert state.open_by_purpose == other.open_by_purpose
        assert state.open_by_oracle == other.open_by_oracle
        assert arrays.keys() == arrays2.keys()
        assert all(np.array_equal(arrays[name], arrays2[name]) for name in arrays)


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(data))
    del plain["now"]
    return plain


def _difference(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Any]:
    return {key: (one[key], two.get(key)) for key in one if one[key] != two.get(key)}
