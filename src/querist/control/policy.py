"""What to ask of whom, when to retrain, when to stop: the contract, and the standard policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from querist.control.sketch import QuantileSketch


@dataclass(frozen=True, slots=True)
class View:
    """What a policy may see: counts and summaries, no sample.

    Attributes:
        now: Seconds of campaign time.
        labels: Durable labels that were paid for (all purposes).
        imported: Labels that were brought along.
        train_labels: Durable labels for training, imported ones included.
        fresh: Train labels since the dataset of the last fit that was started.
        queued: Questions waiting.
        outstanding: Questions asked and not yet answered.
        cost: Cost of durable answers, failures included.
        version: Version of the newest model; 0 for none.
        trainer_idle: Whether a trainer waits.
        errors: Hold-out metric by name, one dictionary an evaluated version, oldest first.
        recent_error: The newest model's error on labels that it was not trained on; NaN if unknown.
        published_error: Hold-out error (same metric) when the newest model was published; NaN.
        scores: Sketch of uncertainties that explorers saw with the newest model.
        failed: Questions quarantined.
    """

    now: float = 0.0
    labels: int = 0
    imported: int = 0
    train_labels: int = 0
    fresh: int = 0
    queued: int = 0
    outstanding: int = 0
    cost: float = 0.0
    version: int = 0
    trainer_idle: bool = True
    errors: tuple[Mapping[str, float], ...] = ()
    recent_error: float = float("nan")
    published_error: float = float("nan")
    scores: QuantileSketch = field(default_factory=QuantileSketch.empty)
    failed: int = 0


@runtime_checkable
class Policy(Protocol):
    """What to ask of whom, when to retrain, when to stop. Pure: sees numbers, returns decisions."""

    def priority(self, score: float, view: View) -> float | None:
        """Priority of a candidate with this uncertainty (higher is asked first); None drops it."""

    def route(self, score: float) -> str:
        """Name of the oracle to ask; "" for the campaign's first."""

    def should_retrain(self, view: View) -> str | None:
        """Why to start training now, or None."""

    def should_stop(self, view: View) -> str | None:
        """Why to stop now, or None."""
