"""A campaign without trainers in simulated time: real answers, virtual durations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from querist.accounting.facts import span
from querist.campaign.settings import CampaignSettings
from querist.core.answers import Failure, Label, Reason
from querist.core.errors import ConfigError
from querist.core.tasks import Task
from querist.engines.durations import Constant, Distribution, Empirical, Stream, read
from querist.engines.simulated import Kind, Losses, Outcome
from querist.store.run_folder import RunFolder

VIRTUAL = "simulated"
SECONDS = "seconds"
OPTIONS = ("duration", "failure_rate", "losses")


class Answered:
    """How long answers take in virtual time, and answers that say so.

    Args:
        duration: Of one answer: a distribution, or the name of an output of labels.
        rng: Of the draws.
    """

    def __init__(self, duration: Distribution | str, rng: np.random.Generator) -> None:
        self._output = duration if isinstance(duration, str) else ""
        self._stream = None if isinstance(duration, str) else Stream(duration, rng)
        self._count, self._spent = 0, 0.0

    def __call__(self, task: Task, outcome: Outcome) -> tuple[float, Outcome]:
        """Seconds of a task, and its outcome with them."""
        if isinstance(outcome, Failure):
            return sum(self._unsaid() for _ in range(task.items)), outcome
        pairs = zip(outcome["outcomes"], outcome["seconds"], strict=True)
        timed = [self._one(answer, wall) for answer, wall in pairs]
        seconds = [one for one, _ in timed]
        return sum(seconds), {**outcome, "seconds": seconds, "outcomes": [a for _, a in timed]}

    def _one(self, answer: Any, wall: float) -> tuple[float, Any]:
        if self._stream is not None or not isinstance(answer, Label):
            return self._unsaid(), answer
        said = answer.outputs.get(self._output)
        if said is None and self._output == SECONDS:
            return self._counted(wall), answer
        seconds = np.nan if said is None or np.size(said) != 1 else float(np.asarray(said).item())
        if not 0 <= seconds < np.inf:
            why = f"it gave no seconds as {self._output!r}, which is engine.options.duration"
            return self._unsaid(), Failure(Reason.WRONG_SHAPE, why, transient=False)
        return self._counted(seconds), answer

    def _counted(self, seconds: float) -> float:
        self._count, self._spent = self._count + 1, self._spent + seconds
        return seconds

    def _unsaid(self) -> float:
        """By the distribution; else what says nothing took as long as others do on average."""
        if self._stream is not None:
            return self._stream.next()
        return self._spent / max(1, self._count)


def virtual_options(settings: CampaignSettings) -> dict[str, Any]:
    """What the engine of simulated time is made with.

    Raises:
        ConfigError: If an option cannot be used.
    """
    told = settings.engine.options
    strange = sorted(set(told) - set(OPTIONS))
    if strange:
        known = ", ".join(OPTIONS)
        raise ConfigError(f"engine.options: {strange[0]!r} is none of {known} of {VIRTUAL}.")
    duration, rng = _duration(told.get("duration", SECONDS)), np.random.default_rng(settings.seed)
    label = Kind(Constant(0.0), timed=Answered(duration, rng))
    if rate := float(told.get("failure_rate", 0.0)):
        label = replace(label, failure_rate=rate)
    try:
        losses = Losses(**told.get("losses", {}))
    except TypeError:
        raise ConfigError(
            "engine.options.losses wants {mean_seconds: ..., respawn: ...}, got "
            f"{told['losses']!r}."
        ) from None
    return {"kinds": {"label": label, "*": Kind(Constant(0.0))}, "losses": losses}


def _duration(told: Any) -> Distribution | str:
    if isinstance(told, str):
        return told
    if isinstance(told, Mapping) and set(told) == {"run"}:
        return Empirical(tuple(_measured(Path(told["run"]))))
    try:
        return read(told)
    except ConfigError as error:
        raise ConfigError(f"engine.options.duration {error}") from None


def _measured(folder: Path) -> list[float]:
    """Seconds that each answer took in a run."""
    found = []
    for record in RunFolder(folder).journal_reader().read_new():
        interval = span(record.data.get("spans")) if record.kind == "answer.label" else None
        if interval is not None:
            found.append(interval[1] - interval[0])
    if not found:
        raise ConfigError(f"engine.options.duration: no answer of {folder} says how long it took.")
    return found


def virtual_problems(settings: CampaignSettings) -> Iterator[str]:
    """What cannot be in simulated time."""
    if settings.engine.kind != VIRTUAL:
        return
    if settings.trainers:
        yield (
            "engine: simulated is for studies, which train nothing; what a campaign with a model "
            "would take, querist plan forecasts."
        )
    if any(oracle.outside for oracle in settings.oracles.values()):
        yield "engine: simulated waits for nobody, so that no oracle may be outside."
    try:
        virtual_options(settings)
    except (ConfigError, ValueError, TypeError) as error:
        yield str(error)
