"""How a campaign's tasks behave in simulated time: durations, yields, failures, delays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from querist.core.errors import ConfigError
from querist.engines.durations import Constant, Distribution, Seconds
from querist.engines.simulated import NO_LOSSES, Losses


@dataclass(frozen=True, slots=True)
class Scaled:
    """Another distribution times a factor, and no more than a limit.

    Attributes:
        of: What is drawn from.
        factor: Of each draw.
        most: Largest value.
    """

    of: Distribution
    factor: float = 1.0
    most: float = float("inf")

    def draw(self, rng: np.random.Generator, size: int) -> Seconds:
        """``(size,)`` values."""
        scaled: Seconds = np.minimum(self.of.draw(rng, size) * self.factor, self.most)
        return scaled


@dataclass(frozen=True, slots=True)
class Fits:
    """How long training takes.

    Attributes:
        fixed: Seconds of a task, whatever there is to learn from.
        each: Seconds for each label of the data set, for all members together.
        noise: Factor by which fits vary around that.
        members: Of the committee; a task for some of them takes their share of ``each``.
    """

    fixed: float = 0.0
    each: float = 0.0
    noise: Distribution = field(default_factory=lambda: Constant(1.0))
    members: int = 1

    def __post_init__(self) -> None:
        if self.fixed < 0 or self.each < 0 or self.members < 1:
            raise ConfigError(
                f"fits take seconds, none negative, of one member or more; got {self}."
            )

    def seconds(self, labels: int, members: int | None) -> float:
        """Of one task, without the noise."""
        share = 1.0 if members is None else min(1.0, members / self.members)
        return self.fixed + self.each * labels * share


@dataclass(frozen=True, slots=True)
class Learning:
    """Error on the hold-out by number of training labels: ``scale * labels ** -power``.

    Attributes:
        metric: Its name.
        scale: Error after one label.
        power: How quickly it falls.
    """

    metric: str = ""
    scale: float = math.nan
    power: float = 0.0

    def error(self, labels: int) -> float:
        """What it is after so many labels; NaN where nothing is known."""
        return float(self.scale * max(1, labels) ** -self.power)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a simulated campaign is made of; all times in seconds.

    Attributes:
        labels: Of one answer, by oracle; "*" is for all others.
        failures: Share of answers that fail, by oracle.
        slices: Of a slice of exploring.
        found: Candidates of a slice with a model, drawn for each slice and rounded.
        proposed, trusted: Predictions of a slice, and the share of them that is trusted.
        predicting: Share of a slice's seconds that predicts.
        fits: Training.
        evaluating, scoring: Of evaluating a model, and of re-scoring a part of the queue.
        first, between: Until the first worker is ready, and from one to the next.
        sync: Until a record is durable.
        hop: That a worker waits for its next task though there is one.
        losses: How workers are lost.
        learning: The learning curve, for campaigns that stop by their error.
        begun: Training labels that there are when it begins, with a model of them; 0 for none.
    """

    labels: Mapping[str, Distribution]
    failures: Mapping[str, float] = field(default_factory=dict)
    slices: Distribution = field(default_factory=lambda: Constant(0.25))
    found: Distribution = field(default_factory=lambda: Constant(64.0))
    proposed: float = 1000.0
    trusted: float = 0.9
    predicting: float = 0.0
    fits: Fits = field(default_factory=lambda: Fits(1.0))
    evaluating: Distribution = field(default_factory=lambda: Constant(0.01))
    scoring: Distribution = field(default_factory=lambda: Constant(0.01))
    first: float = 0.0
    between: float = 0.0
    sync: float = 0.002
    hop: float = 0.0
    losses: Losses = NO_LOSSES
    learning: Learning = field(default_factory=Learning)
    begun: int = 0

    def of_label(self, oracle: str) -> Distribution:
        """Seconds of an oracle's answers.

        Raises:
            ConfigError: If nothing is known of it.
        """
        found = self.labels.get(oracle) or self.labels.get("*")
        if found is None:
            known = ", ".join(self.labels) or "none"
            raise ConfigError(
                f"nothing is known of how long the oracle {oracle!r} takes; known are: {known}."
            )
        return found
