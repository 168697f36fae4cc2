"""What a tracker is told of a run, from its summary."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from querist.accounting.summary import Summary
from querist.campaign.campaign import summary_of

_TEXTS = ("id", "engine", "host")
_LOOK_S = 2.0


class Point(NamedTuple):
    """One value of a metric.

    Attributes:
        name: With the part of the summary in front: "learning/y.rmse".
        value: Finite.
        step: Labels at that moment.
        wall: Seconds since 1970.
    """

    name: str
    value: float
    step: int
    wall: float


class Tracker(Protocol):
    """What receives a run. Points of a name come once each, by step."""

    def about(self, told: dict[str, str]) -> None:
        """What the run is; may be called again."""

    def points(self, points: list[Point]) -> None:
        """Values that are new."""

    def file(self, path: Path) -> None:
        """A file of the run."""

    def close(self, status: str) -> None:
        """The end: "finished", "stopped", "failed" or "unfinished"."""


def points_of(summary: Summary) -> Iterator[Point]:
    """The learning curve, with cost and seconds beside it, then totals at the last label."""
    data = summary.data
    begun = float(data["run"]["started_wall"] or 0.0)
    learning = data["learning"]
    named = {f"learning/{name}": values for name, values in learning["metrics"].items()}
    named |= {f"run/{name}": learning[name] for name in ("cost", "train", "version")}
    for name, values in named.items():
        for at, value in enumerate(values):
            if isinstance(value, int | float):
                when = begun + float(learning["t"][at] or 0.0)
                yield Point(name, float(value), int(learning["labels"][at] or 0), when)
    step, until = int(data["labels"]["total"]), float(data["run"]["last_wall"] or begun)
    for name, value in _totals(data).items():
        if isinstance(value, int | float):
            yield Point(name, float(value), step, until)


def _totals(data: Any) -> dict[str, Any]:
    return {
        "total/labels": data["labels"]["total"],
        "total/cost": data["costs"]["spent"],
        "total/abstained": data["questions"]["abstained"],
        "total/quarantined": data["questions"]["quarantined"],
        "total/campaign_seconds": data["run"]["campaign_seconds"],
    }


def track(
    run: Path | str,
    trackers: Sequence[Tracker],
    follow: bool = False,
    summarise: Callable[[Path], Summary] = summary_of,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Tell trackers of a campaign or of rounds; how many values there were.

    Args:
        run: The folder of the run, or of rounds in a pool.
        trackers: Who is told; they are closed at the end.
        follow: Go on until the run has ended.
        summarise: Makes the summary; for rounds ``querist.pool.rounds_report.summary_of_rounds``.
        pause: Waits so many seconds.

    Raises:
        NotARun: If the folder holds none.
    """
    folder, sent = Path(run), set[tuple[str, int]]()
    while True:
        summary = summarise(folder)
        told, status = _about(summary), str(summary["run"]["status"])
        points = [one for one in points_of(summary) if (one.name, one.step) not in sent]
        sent.update((one.name, one.step) for one in points)
        for tracker in trackers:
            tracker.about(told)
            tracker.points(points)
        if not follow or status != "unfinished":
            break
        pause(_LOOK_S)
    for tracker in trackers:
        for path in _files(folder):
            tracker.file(path)
        tracker.close(status)
    return len(sent)


def _about(summary: Summary) -> dict[str, str]:
    run = summary["run"]
    return {f"run.{name}": str(run[name]) for name in _TEXTS if run.get(name)}


def _files(folder: Path) -> list[Path]:
    """The configuration, the summary and the report, where they are there."""
    names = ("config.json", "summary.json", "report.html", "model.yaml")
    return [folder / name for name in names if (folder / name).is_file()]
