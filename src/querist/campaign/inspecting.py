"""Looks at a run from outside: its failures and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from querist.accounting.progress import ProgressState
from querist.accounting.summary import SummaryBuilder
from querist.core.answers import Reason
from querist.core.errors import ConfigError, RunError
from querist.store.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class FailedTry:
    """One failed try of a question or task.

    Attributes:
        t: Campaign time in seconds.
        what: The question's id, the kind of task, or "worker" and its name.
        who: The oracle or pool.
        reason: One of the table of reasons.
        message: A sentence.
        traceback: Full traceback or log.
        attempt: Which try it was.
        final: Whether it was the last one.
    """

    t: float
    what: str
    who: str
    reason: str
    message: str
    traceback: str
    attempt: int
    final: bool

    def sentence(self) -> str:
        """One line for a person."""
        end = f"try {self.attempt}"
        if self.final:
            end = "given up" if self.what.startswith("worker ") else "quarantined"
        return f"{self.t:9.2f} s  {self.who}: {self.reason}: {self.message}  [{end}, {self.what}]"


def failures_of(run: Path | str) -> list[FailedTry]:
    """All failed tries of a run, and its lost workers, in order; also while it runs.

    Tasks that were cancelled, as at the end of a run, have not failed.

    Raises:
        NotARun: If the folder holds no run.
    """
    found = []
    for record in RunFolder(run).journal_reader().read_new():
        cancelled = record.data.get("reason") == Reason.CANCELLED.value
        if record.kind == "answer.failure" or (record.kind == "task.failed" and not cancelled):
            found.append(_failed(record.kind, record.data))
        elif record.kind == "worker.lost":
            found.append(_lost(record.data))
    return found


def _failed(kind: str, data: Mapping[str, Any]) -> FailedTry:
    asked = kind == "answer.failure"
    return FailedTry(
        data["t"],
        data["question"] if asked else data["kind"],
        data["oracle"] if asked else data["pool"],
        data["reason"],
        data["message"],
        data["traceback"],
        data.get("attempt", 1),
        data.get("final", False),
    )


def _lost(data: Mapping[str, Any]) -> FailedTry:
    """A worker's end; its message may be the traceback of a role that could not be opened."""
    story = data["message"]
    lines = [line for line in story.splitlines() if line.strip()] or ["no reason is known"]
    what, reason = f"worker {data['worker']}", Reason.WORKER_LOST.value
    trace = story if len(lines) > 1 else ""
    return FailedTry(
        data["t"], what, data["pool"], reason, lines[-1].strip(), trace, 1, data["final"]
    )


def open_questions(run: Path | str) -> list[str]:
    """Ids of the questions that have no final answer, in the order in which they were asked."""
    found: dict[str, None] = {}
    for record in RunFolder(run).journal_reader().read_new():
        if record.kind == "question.asked":
            found[record.data["question"]] = None
        elif record.kind.startswith("answer.") and record.data.get("final", True):
            found.pop(record.data["question"], None)
    return list(found)


def one_open(run: Path | str, beginning: str) -> str:
    """The open question whose id begins so.

    Raises:
        RunError: If there is none, or more than one.
    """
    known = open_questions(run)
    found = [key for key in known if key == beginning] or [
        key for key in known if key.startswith(beginning)
    ]
    if len(found) == 1:
        return found[0]
    shown = ", ".join(known[:5]) + (" ..." if len(known) > 5 else "")
    raise RunError(
        f"{len(found)} open questions begin with {beginning!r}; one is needed. "
        f"Open are: {shown or 'none'}."
    )


def progress_of(run: Path | str) -> ProgressState:
    """Where a run stands, from its journal."""
    folder = RunFolder(run)
    budget = folder.config()["settings"].get("budget", {})
    state = ProgressState(budget.get("labels"), budget.get("cost"))
    for record in folder.journal_reader().read_new():
        state.tick(record.data.get("t", 0.0))
        state.fact(record.kind, record.data)
    return state


def effective_of(run: Path | str, oracle: str = "") -> dict[str, Any]:
    """The section ``effective`` of a run's summary; also while it runs.

    Args:
        run: Its folder.
        oracle: The simulation that look-ups stand for; "" for all oracles together.

    Raises:
        NotARun: If the folder holds no run.
        ConfigError: If no such oracle gave a label.
    """
    found = RunFolder(run)
    builder = SummaryBuilder(found.run_id, oracle)
    for record in found.journal_reader().read_new():
        builder.add(record)
    summary = builder.build()
    known = summary["labels"]["by_oracle"]
    if oracle and oracle not in known:
        asked = ", ".join(known) or "none"
        raise ConfigError(
            f"no oracle {oracle!r} gave a label in this run; those that did: {asked}."
        )
    section: dict[str, Any] = summary["effective"]
    return section
