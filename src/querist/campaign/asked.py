"""Questions of a run that wait for people or other programs, and their answers.

Everything goes through the run's folder: questions are read from its journal, answers and leases
are posted to its inbox. Both are durable, so neither a killed campaign nor a killed page loses
any; the campaign reads the inbox within a second, or when it is resumed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from querist.campaign.registry import target_of
from querist.core.answers import Failure, Label
from querist.core.batch import Sample
from querist.core.errors import ConfigError, QueristError, RunError
from querist.core.tasks import Factory
from querist.oracles.checks import AnswerCheck
from querist.oracles.human import Human
from querist.store.run_folder import RunFolder

SAID = ("answer", "abstain", "withdraw")


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question that waits.

    Attributes:
        id: The question's.
        oracle: Who is asked.
        sample: What about.
        purpose: What the label is for.
        why: Why it was asked.
        score: The model's uncertainty when it was asked; None before there was a model.
        at: Campaign time in seconds.
        said: Whether an answer lies in the inbox that the campaign has not read yet.
    """

    id: str
    oracle: str
    sample: Sample
    purpose: str
    why: str
    score: float | None
    at: float
    said: bool = False


@dataclass(eq=False)
class Questions:
    """The open questions of a run at oracles without workers. May be used by several threads.

    It follows the journal: keep it and look again, so that each record is read once.

    Args:
        run: The run's folder.

    Raises:
        NotARun: If there is no run.
    """

    run: Path | str
    _open: dict[str, Asked] = field(default_factory=dict, init=False, repr=False)
    _over: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        self._folder = RunFolder(self.run)
        oracles = self._folder.config()["settings"]["oracles"]
        self._told = {name: told for name, told in oracles.items() if told.get("outside")}
        self._forms = {name: _human(told) for name, told in self._told.items()}
        self._reader = self._folder.journal_reader()
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._folder.path

    @property
    def over(self) -> bool:
        """Whether the run has finished, by what was read last: nothing is asked any more."""
        return self._over

    @property
    def oracles(self) -> Sequence[str]:
        """Names of the oracles that people or programs answer for."""
        return tuple(self._told)

    def form(self, oracle: str) -> Mapping[str, Any]:
        """How an oracle's questions are shown and answered; {} where it does not say."""
        human = self._forms.get(oracle)
        return {} if human is None else human.form()

    def shown(self, asked: Asked) -> Mapping[str, str]:
        """How each input of a question is shown: image, text, numbers, link or hidden."""
        human = self._forms.get(asked.oracle) or Human({"answer": None})
        found: Mapping[str, str] = human.shown(asked.sample)
        return found

    def waiting(self, oracle: str = "", *, answered: bool = False) -> list[Asked]:
        """Questions in the order in which they were asked; none once the run has finished.

        Args:
            oracle: Of this one only; "" for all.
            answered: Also those whose answer the campaign has not read yet.
        """
        # The inbox first: what is gone from it then, the journal has.
        said = {message.data.get("question") for message in self._posted()}
        with self._lock:
            self._read()
            # A run that was stopped may be resumed, and its questions count then.
            found = [] if self._over else list(self._open.values())
        chosen = [one for one in found if oracle in ("", one.oracle)]
        if answered:
            return [replace(one, said=one.id in said) for one in chosen]
        return [one for one in chosen if one.id not in said]

    def one(self, beginning: str) -> Asked:
        """The open question whose id begins so.

        Raises:
            RunError: If there is none, or more than one.
        """
        with self._lock:
            self._read()
            known = list(self._open.values())
        found = [one for one in known if one.id == beginning] or [
            one for one in known if one.id.startswith(beginning)
        ]
        if len(found) != 1:
            raise RunError(
                f"{len(found)} questions that wait for people begin with {beginning!r}; one is "
                f"needed. {len(known)} wait (`querist questions RUN` lists them)."
            )
        return found[0]

    def answer(
        self, question: str, said: Mapping[str, Any], by: str = "", seconds: float | None = None
    ) -> str:
        """Answer a question; durable on return.

        Args:
            question: Its id, or the beginning of it.
            said: By output: a class's name, a number, numbers in lists, or an array.
            by: Who answers.
            seconds: What it took: its cost, where the oracle declares none.

        Returns:
            The message's id.

        Raises:
            RunError: If it does not wait.
            ConfigError: If what was said is no answer; the sentence says what one is.
        """
        asked = self.one(question)
        label = self._read_label(asked, said)
        data: dict[str, Any] = {"question": asked.id, "level": label.level, **_who(by)}
        if seconds is not None:
            data["seconds"] = float(seconds)
        declared = self._told[asked.oracle].get("cost")
        if declared is not None:
            data["cost"] = float(declared)
        return self._folder.inbox.post("answer", data, label.outputs)

    def abstain(self, question: str, why: str = "", by: str = "") -> str:
        """Say that it cannot be told: the question is closed without a label."""
        data = {"question": self.one(question).id, "message": why or "not sure", **_who(by)}
        return self._folder.inbox.post("abstain", data)

    def lend(self, question: str, by: str = "", seconds: float = 300.0) -> str:
        """Tell the campaign that somebody looks at a question, so that it is not withdrawn."""
        data = {"question": self.one(question).id, "holder": by, "seconds": float(seconds)}
        return self._folder.inbox.post("lease", data)

    def _read_label(self, asked: Asked, said: Mapping[str, Any]) -> Label:
        human = self._forms[asked.oracle]
        level = self._told[asked.oracle].get("level", "")
        found = (
            human.read(asked.sample, said)
            if human is not None
            else AnswerCheck(level=level)(asked.sample, dict(said))
        )
        if isinstance(found, Failure):
            raise ConfigError(f"this is no answer: {found.message}")
        return found._replace(level=level or found.level)

    def _posted(self) -> Iterator[Any]:
        return (one for one in self._folder.inbox.pending() if one.kind in SAID)

    def _read(self) -> None:
        for record in self._reader.read_new():
            data = record.data
            if record.kind == "question.asked" and data["oracle"] in self._told:
                arrays = {k[3:]: v for k, v in record.arrays.items() if k[:3] == "in/"}
                sample = Sample(arrays, data.get("uri"), data["sample"])
                self._open[data["question"]] = _asked(data, sample)
            elif record.kind.startswith("answer.") and data.get("final", True):
                self._open.pop(data["question"], None)
            elif record.kind == "run.started":
                self._over = False
            elif record.kind == "run.ended":
                self._over = data["status"] == "finished"


def _who(by: str) -> dict[str, str]:
    return {"origin": "person", "worker": by} if by else {"origin": "outside"}


def _asked(data: Mapping[str, Any], sample: Sample) -> Asked:
    about = (data["purpose"], data["why"], data["score"], data["t"])
    return Asked(data["question"], data["oracle"], sample, *about)


def _human(told: Mapping[str, Any]) -> Human | None:
    """What knows an oracle's answers, or None where the campaign does not say."""
    if not told.get("use"):
        return None
    try:
        made = Factory(target_of("oracle", told["use"]), told.get("options") or {}).create()
    except (QueristError, ValueError):
        return None
    return made if isinstance(made, Human) else None
