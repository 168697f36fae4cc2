"""Looks at a run from outside: its failures and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from querist.accounting.progress import ProgressState
from querist.store.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class FailedTry:
    """One failed try of a question or task.

    Attributes:
        t: Campaign time in seconds.
        what: The question's id, or the kind of task.
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
        end = "quarantined" if self.final else f"try {self.attempt}"
        return f"{self.t:9.2f} s  {self.who}: {self.reason}: {self.message}  [{end}, {self.what}]"


def failures_of(run: Path | str) -> list[FailedTry]:
    """All failed tries of a run, in order; also while it runs.

    Raises:
        NotARun: If the folder holds no run.
    """
    found = []
    for record in RunFolder(run).journal_reader().read_new():
        data = record.data
        if record.kind in ("answer.failure", "task.failed"):
            asked = record.kind == "answer.failure"
            found.append(
                FailedTry(
                    data["t"],
                    data["question"] if asked else data["kind"],
                    data["oracle"] if asked else data["pool"],
                    data["reason"],
                    data["message"],
                    data["traceback"],
                    data.get("attempt", 1),
                    data.get("final", False),
                )
            )
    return found


def progress_of(run: Path | str) -> ProgressState:
    """Where a run stands, from its journal."""
    folder = RunFolder(run)
    budget = folder.config()["settings"].get("budget", {})
    state = ProgressState(budget.get("labels"), budget.get("cost"))
    for record in folder.journal_reader().read_new():
        state.tick(record.data.get("t", 0.0))
        state.fact(record.kind, record.data)
    return state
