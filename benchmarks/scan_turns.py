"""Calls that are measured in turns, so that whatever else the machine does meets all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Call(NamedTuple):
    """What is measured: a function, and how many items it handles."""

    run: Callable[[], Any]
    items: int


@dataclass
class Rates:
    """Items a second of one call, by round.

    Attributes:
        wall: Items a second.
        cpu: Items a second of this process's CPU time.
        made: What the call returned last.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    made: Any = None

    def take(self, call: Call) -> None:
        """Measure once."""
        gc.collect()
        began, cpu = time.perf_counter(), time.process_time()
        self.made = call.run()
        spent, used = time.perf_counter() - began, time.process_time() - cpu
        self.wall.append(call.items / spent)
        self.cpu.append(call.items / used)

    def of(self, other: Rates) -> float:
        """The median over the rounds of this rate over another's of the same round."""
        return statistics.median(a / b for a, b in zip(self.wall, other.wall, strict=True))

    def of_cpu(self, other: Rates) -> float:
        """The same by CPU time."""
        return statistics.median(a / b for a, b in zip(self.cpu, other.cpu, strict=True))


def in_turns(calls: Mapping[str, Call], rounds: int) -> dict[str, Rates]:
    """Measure all calls, one after the other, so many times."""
    found = {name: Rates() for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].take(call)
    return found


def line(case: str, ours: Rates, peer: Rates | None = None, **more: Any) -> dict[str, Any]:
    """One line of the output: best rates, ratios as medians of the rounds.

    Args:
        case: Its name.
        ours: Of the scan.
        peer: Of what it is compared with.
        more: Further values; rates under ``limit`` are the limit.
    """
    told: dict[str, Any] = {"case": case}
    told |= {"ours": round(max(ours.wall), 1), "ours_cpu": round(max(ours.cpu), 1)}
    if peer is not None:
        told |= {"peer": round(max(peer.wall), 1), "peer_cpu": round(max(peer.cpu), 1)}
        told |= {"ratio": round(ours.of(peer), 2), "ratio_cpu": round(ours.of_cpu(peer), 2)}
    limit = more.pop("limit", None)
    if isinstance(limit, Rates):
        told |= {"limit": round(max(limit.wall), 1), "limit_cpu": round(max(limit.cpu), 1)}
        told |= {"of_limit": round(ours.of(limit), 3), "of_limit_cpu": round(ours.of_cpu(limit), 3)}
    for name, value in more.items():
        told[name] = round(value, 4) if isinstance(value, float) else value
    return told
