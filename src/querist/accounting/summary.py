"""One versioned, JSON-able structure of a run; the report, pages and trackers are drawn from it.

The sections and their fields are described in ``docs/summary.md``.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from querist.accounting.costs import CostFold
from querist.accounting.effective import EffectiveFold
from querist.accounting.facts import FactLike, finite
from querist.accounting.folds import (
    CommandFold,
    ExploreFold,
    FailureFold,
    LabelFold,
    QuestionFold,
    RunFold,
)
from querist.accounting.learning import LearningFold, Ledger
from querist.accounting.selections import SelectionFold
from querist.accounting.series import tidy
from querist.accounting.workers import WorkerFold
from querist.core.errors import RunError

VERSION = 1

SURROGATE = tuple(
    f"surrogate.{kind}" for kind in ("opened", "closed", "gate", "alarm", "relearned", "unlearned")
)

Handler = Callable[[FactLike], None]


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """What a journal says of its run.

    Attributes:
        data: JSON-able sections by name. Treat as read-only. Sections and fields may be added
            within a version; readers pass over what they do not know.
    """

    data: Mapping[str, Any]

    def __getitem__(self, section: str) -> Any:
        return self.data[section]

    def time_left(self, labels: int) -> float | None:
        """Seconds until there are this many charged labels, at the present rate.

        None where there is no rate yet; 0 when they are there.
        """
        missing = labels - int(self.data["labels"]["charged"])
        rate = self.data["rates"]["recent_labels_per_second"]
        if missing <= 0:
            return 0.0
        return missing / rate if rate else None

    def to_json(self, indent: int | None = None) -> str:
        """As JSON text, without NaN or infinity."""
        return json.dumps(self.data, indent=indent, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Summary:
        """Read back what :meth:`to_json` gave.

        Raises:
            RunError: If it is no summary, or one of a later version.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise RunError(f"a summary is JSON, but this text is not: {error}") from error
        version = data.get("version") if isinstance(data, dict) else None
        if version != VERSION:
            raise RunError(
                f"this reads summaries of version {VERSION}, got version {version!r}; write it "
                "anew from the run's journal."
            )
        return cls(data)

    def save(self, path: Path | str) -> Path:
        """Write as JSON; whoever reads meanwhile sees the old file or the new one, never a part."""
        target = Path(path)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        part.write_text(self.to_json(), encoding="utf-8")
        return part.replace(target)

    @classmethod
    def load(cls, path: Path | str) -> Summary:
        """Read a saved summary."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))


class SummaryBuilder:
    """Folds facts into a :class:`Summary`, as they come.

    Memory grows with the number of model versions and of open questions, and by 24 bytes a label;
    everything else is bounded. :meth:`build` may be called at any time and changes nothing. Kinds
    that are not known are counted and passed over. Not for several threads.

    Args:
        run: The run's id, for a journal whose facts do not name it.
        simulation: Name of the oracle that look-ups stand for, where there are several; "" for all.
    """

    def __init__(self, run: str = "", simulation: str = "") -> None:
        self._now = 0.0
        self._facts = 0
        self._seq = 0
        self._unknown: Counter[str] = Counter()
        ledger = Ledger()
        self._run, self._labels, self._questions = RunFold(), LabelFold(ledger), QuestionFold()
        self._run.id = run
        self._learning, self._workers, self._costs = LearningFold(ledger), WorkerFold(), CostFold()
        self._effective = EffectiveFold(simulation)
        self._explore, self._failures, self._commands = ExploreFold(), FailureFold(), CommandFold()
        self._selections = SelectionFold()
        self._handlers = self._table()

    def _table(self) -> dict[str, tuple[Handler, ...]]:
        workers, costs, questions = self._workers, self._costs, self._questions
        learning, effective = self._learning, self._effective
        return {
            "run.started": (self._run.started, workers.gone, effective.started),
            "run.ended": (self._run.ended, workers.gone),
            "worker.joined": (workers.joined,),
            "worker.lost": (workers.lost,),
            "worker.moves": (workers.moves,),
            "worker.left": (workers.left,),
            "worker.stays": (),
            "question.asked": (questions.asked, costs.asked, self._selections.asked),
            "selection.made": (self._selections.selected,),
            "answer.label": (
                costs.label,
                questions.label,
                workers.called,
                self._label,
                effective.label,
            ),
            "answer.failure": (
                effective.failure,
                costs.failure,
                questions.failure,
                workers.called,
                self._failures.failure,
            ),
            "answer.abstention": (
                effective.abstention,
                costs.abstention,
                questions.abstention,
                workers.called,
            ),
            "labels.imported": (self._imported,),
            "model.published": (
                learning.published,
                workers.fitted,
                costs.fitted,
                effective.fitted,
            ),
            "model.evaluated": (learning.evaluated,),
            "explored": (
                self._explore.explored,
                workers.explored,
                costs.explored,
                learning.explored,
                effective.explored,
            ),
            "surrogate.calls": (effective.called,),
            "surrogate.audited": (effective.audited,),
            # Told by `querist surrogate status`; no section here.
            **dict.fromkeys(SURROGATE, ()),
            "task.ended": (workers.task,),
            "task.failed": (workers.task, self._failures.task),
            "questions.dropped": (questions.dropped,),
            "gate.limits": (learning.gate,),
            "user.command": (self._commands.commanded,),
        }

    def add(self, fact: FactLike) -> None:
        """Take the next fact, in the journal's order."""
        self._facts += 1
        self._seq = fact.seq
        t = finite(fact.data.get("t"))
        if t is not None and t > self._now:
            self._now = t
        handlers = self._handlers.get(fact.kind)
        if handlers is None:
            self._unknown[fact.kind] += 1
            return
        for handler in handlers:
            handler(fact)

    def _label(self, fact: FactLike) -> None:
        self._labels.label(fact, self._costs.spent)

    def _imported(self, fact: FactLike) -> None:
        self._labels.imported(fact, self._costs.spent)

    def build(self) -> Summary:
        """The summary of all facts so far."""
        now = self._now
        learning, workers = self._learning.build(), self._workers.build(now)
        trusted = (learning["calibration"] or {}).get("trusted")
        journal = {"facts": self._facts, "last_seq": self._seq, "unknown": dict(self._unknown)}
        sections = {
            "version": VERSION,
            "run": self._run.build(now),
            "journal": journal,
            **self._labels.build(now, self._costs.spent),
            "questions": self._questions.build(),
            "selection": self._selections.build(),
            **learning,
            **self._explore.build(),
            "costs": self._costs.build(),
            "saved": self._costs.saved(),
            "failures": self._failures.build(),
            "effective": self._effective.build(now, workers, trusted),
            "workers": workers,
            "commands": self._commands.build(),
        }
        return Summary(tidy(sections))


def summarise(facts: Iterable[FactLike], run: str = "") -> Summary:
    """Fold a journal's facts into a summary.

    Args:
        facts: Records in the journal's order, with ``seq``, ``kind``, ``data`` and ``arrays``.
        run: The run's id, for a journal whose facts do not name it.
    """
    builder = SummaryBuilder(run)
    for fact in facts:
        builder.add(fact)
    return builder.build()
