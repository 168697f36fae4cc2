"""Counting what an ``add`` or import does, and stopping one that goes wrong."""

from __future__ import annotations

from collections import Counter

from querist.core.errors import ConfigError
from querist.pool.errors import TooManyBroken
from querist.pool.items import Added, Broken

LISTED = 1000
_ENOUGH_TO_JUDGE = 50


class Tally:
    """Counts by what happened; the first broken entries are kept.

    Args:
        limit: The share of broken entries above which the work is stopped, 0 to 1.
    """

    def __init__(self, limit: float) -> None:
        if not 0 <= limit <= 1:
            raise ConfigError(f"The share of broken entries lies between 0 and 1, got {limit}.")
        self._limit = limit
        self.counts: Counter[str] = Counter()
        self.broken: list[Broken] = []

    def count(self, what: str, number: int = 1) -> None:
        """Count one of Added's fields."""
        self.counts[what] += number

    def break_on(self, broken: Broken) -> None:
        """Count what cannot be used."""
        self.counts["broken"] += 1
        if len(self.broken) < LISTED:
            self.broken.append(broken)

    def judge(self, few: bool = False) -> None:
        """Stop if too much is broken.

        Args:
            few: Judge fewer than fifty, too, if all of them are broken.

        Raises:
            TooManyBroken: With the first reasons.
        """
        total = sum(number for what, number in self.counts.items() if what != "labelled")
        broken = self.counts["broken"]
        if (
            total >= _ENOUGH_TO_JUDGE or (few and broken == total)
        ) and broken > self._limit * total:
            shown = "\n".join(f"  - {told(one)}" for one in self.broken[:5])
            raise TooManyBroken(
                f"{broken:,} of the first {total:,} entries are broken, more than "
                f"{self._limit:.0%}, so this was stopped. What was added stays. The first:\n{shown}"
            )

    def added(self) -> Added:
        """The counts so far."""
        counted = (name for name in Added._fields if not name.startswith("broken"))
        return Added(
            **{name: self.counts[name] for name in counted},
            broken=list(self.broken),
            broken_total=self.counts["broken"],
        )


def told(broken: Broken) -> str:
    """A broken entry as a sentence."""
    line = f", line {broken.line}" if broken.line else ""
    return f"{broken.where}{line}: {broken.reason}"
