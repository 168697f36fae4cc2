"""TensorBoard's event files, written with tensorboardX."""

from __future__ import annotations

from pathlib import Path

from querist.core.errors import require
from querist.integrations.trackers.points import Point


class TensorBoard:
    """Writes a run as event files into a folder that TensorBoard shows.

    Args:
        folder: Of the events; a second writing adds a file, and TensorBoard shows the later values.

    Raises:
        MissingExtra: If tensorboardX is not installed.
    """

    def __init__(self, folder: Path | str) -> None:
        board = require("tensorboardX", "tensorboard", "TensorBoard")
        self._writer = board.SummaryWriter(str(folder))
        self._told: dict[str, str] = {}

    def about(self, told: dict[str, str]) -> None:
        """As a text."""
        if told != self._told:
            self._told = dict(told)
            rows = "\n".join(f"| {name} | {value} |" for name, value in told.items())
            self._writer.add_text("run", f"| | |\n|---|---|\n{rows}")

    def points(self, points: list[Point]) -> None:
        """As scalars, by labels."""
        for one in points:
            self._writer.add_scalar(one.name, one.value, one.step, one.wall)
        self._writer.flush()

    def file(self, path: Path) -> None:
        """JSON and YAML as texts; others stay where they are."""
        if path.suffix in (".json", ".yaml") and path.stat().st_size < 100_000:
            lines = path.read_text(encoding="utf-8").splitlines()
            self._writer.add_text(path.name, "\n".join("    " + line for line in lines))

    def close(self, status: str) -> None:
        """The end."""
        self._writer.add_text("status", status)
        self._writer.close()
