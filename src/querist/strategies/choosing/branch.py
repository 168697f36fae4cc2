"""What a strategy did on its own branch, and what was decided: values that are plain JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from querist.strategies.choosing.forecast import Curve, Forecast, fit
from querist.strategies.errors import NeedError


@dataclass(frozen=True, slots=True)
class Share:
    """What one strategy may buy next.

    Attributes:
        strategy: Its name, which is that of its branch too.
        count: How many rows it picks; those that another branch has bought already are free.
    """

    strategy: str
    count: int


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the log.

    Attributes:
        round: After which round.
        paid: Labels paid for by then.
        kind: "dropped", "chosen" or "stopped".
        sentence: For people.
        numbers: What it rests on, by strategy or by name.
    """

    round: int
    paid: int
    kind: str
    sentence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Branch:
    """One strategy's learning curve, measured.

    Attributes:
        strategy: Its name.
        labels: What its model was fitted to, at each measurement.
        metric: What was measured; higher is better.
        error: Standard errors of the measurements.
        alive: Whether it is still in the race.
        start: Index of the first measurement since the branches last shared their labels.
    """

    strategy: str
    labels: list[int] = field(default_factory=list)
    metric: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    alive: bool = True
    start: int = 0

    @property
    def points(self) -> int:
        """Measurements since the branches last shared their labels."""
        return len(self.labels) - self.start

    def begin(self, labels: int, metric: float, error: float) -> None:
        """All branches share their labels; this is where they are now."""
        self.start = len(self.labels)
        self.add(labels, metric, error)

    def add(self, labels: int, metric: float, error: float) -> None:
        """One measurement; a second one at the same number of labels replaces the first."""
        if self.points > 0 and self.labels[-1] == labels:
            self.metric[-1], self.error[-1] = metric, error
            return
        self.labels.append(labels)
        self.metric.append(metric)
        self.error.append(error)

    def curve(self, bounds: tuple[float, float]) -> Curve:
        """The curve since the branches last shared their labels."""
        errors = self.error[self.start :]
        typical = math.sqrt(sum(one**2 for one in errors) / len(errors))
        return fit(
            self.labels[self.start :], self.metric[self.start :], error=typical, bounds=bounds
        )

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def told(forecast: Forecast) -> str:
    """A forecast as people read it."""
    return f"{forecast.mean:.3f} ± {forecast.std:.3f}"


def check_version(state: Mapping[str, Any], version: int) -> None:
    """Refuse a state of another version.

    Raises:
        NeedError: If it is of one.
    """
    if state.get("version") != version:
        raise NeedError(
            f"a state of version {version} is wanted, but got {state.get('version')!r}."
        )
