"""Notices that exploring finds nothing to ask, which else looks like a run that hangs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from querist.control.rules import View

SECONDS, SLICES = 20.0, 5
_COUNTS = ("proposed", "trusted", "asked", "rejected", "filtered")
_HINTS = {
    "trusted": "a lower gate.ask asks more; the stopping rule uncertainty_below would end this",
    "asked": "all that may be asked was asked before",
    "rejected": "see gate.reject",
    "filtered": "see gate.filters, and whether samples and predictions are finite",
}


class Fruitless:
    """Counts slices in a row with no question on the way, no new answer and no new model.

    Attributes:
        seconds: How long that may last before it is said; ten times as long after each time.
        still: Slices in a row in which nothing changed, whatever waits to be asked.
    """

    def __init__(self) -> None:
        self.seconds = SECONDS
        self._since = math.nan
        self._before: tuple[int, ...] = ()
        self._slices = self.still = 0
        self._met: Counter[str] = Counter()

    def explored(self, result: Mapping[str, Any], view: View) -> str | None:
        """Take in what a slice met; what a person should be told, if anything."""
        stands = (view.labels, view.failed, view.version)
        is_still = stands == self._before and view.trainer_idle and not view.outstanding
        self._before = stands
        self.still = self.still + 1 if is_still else 0
        if not is_still or view.queued:
            self._since, self._slices = view.now, 0
            self._met.clear()
            return None
        self._slices += 1
        self._met.update({name: int(result[name]) for name in _COUNTS})
        lasted = view.now - self._since
        if lasted < self.seconds or self._slices < SLICES:
            return None
        self.seconds *= 10
        return f"nothing was found to ask for {lasted:.0f} s: {self._why()}"

    def _why(self) -> str:
        met = self._met
        if not met["proposed"]:
            return "generators propose nothing"
        told = ", ".join(f"{met[name]:,} {name}" for name in _HINTS if met[name])
        most = max(_HINTS, key=met.__getitem__)
        return f"of {met['proposed']:,} samples proposed {told}; {_HINTS[most]}"
