"""Progress of queries and additions: a bar in a terminal, lines elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import click

PLAIN_SECONDS = 5.0


class Told(Protocol):
    """How far something is; as the library's and the service's own types say it."""

    @property
    def stage(self) -> str:
        """What is being done."""
        ...

    @property
    def done(self) -> int:
        """Items so far."""
        ...

    @property
    def total(self) -> int | None:
        """Items in all, where that is known."""
        ...


class Silent:
    """Shows nothing."""

    def show(self, told: Any) -> None:
        """Nothing."""


class Lines:
    """A line every few seconds."""

    def __init__(self, title: str) -> None:
        self.title, self._next, self._stage = title, 0.0, ""

    def show(self, told: Any) -> None:
        """A line when it is time, and when a stage begins."""
        now = time.monotonic()
        if now >= self._next or told.stage != self._stage:
            self._next, self._stage = now + PLAIN_SECONDS, told.stage
            with suppress(OSError, ValueError):  # whoever read this may have gone away
                click.echo(f"{self.title}: {line_of(told)}", err=True)


class Bar:
    """A bar that redraws itself."""

    def __init__(self, title: str, progress: Any) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=None, said="")

    def show(self, told: Any) -> None:
        """Redraw."""
        self._progress.update(self._task, total=told.total, completed=told.done, said=line_of(told))


def line_of(told: Any) -> str:
    """One line: stage, items, failures, rate, time left, memory."""
    from querist.accounting.units import duration

    of = f" of {told.total:,}" if told.total else ""
    over = told.total is not None and told.done >= told.total > 0
    doing = told.stage or getattr(told, "state", "") or ("done" if over else "waiting")
    said = [f"{doing} {told.done:,}{of}"]
    if getattr(told, "failed", 0):
        said.append(f"{told.failed:,} failed")
    if rate := getattr(told, "rate", None):
        said.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s")
    if (left := getattr(told, "seconds_left", None)) is not None:
        said.append(f"{duration(left)} left")
    if memory := getattr(told, "memory_mb", None):
        said.append(f"{memory:,.0f} MB")
    return ", ".join(said)


@contextmanager
def watching(choice: str, title: str) -> Iterator[Silent | Lines | Bar]:
    """What ``--progress`` asks for; auto: a bar where standard error is a terminal."""
    if choice == "auto":
        choice = "live" if sys.stderr.isatty() else "plain"
    if choice == "live":
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
        with Progress(*columns, console=Console(stderr=True)) as progress:
            yield Bar(title, progress)
    else:
        yield Lines(title) if choice == "plain" else Silent()


def waited(client: Any, job: Any, tell: Callable[[Any], None]) -> Any:
    """Wait for a job of a service; as :meth:`Client.wait`.

    Raises:
        KeyboardInterrupt: With what can be done about the job, which goes on.
    """
    try:
        return client.wait(job, lambda told: tell(told.progress))
    except KeyboardInterrupt:
        id, at = getattr(job, "job", None) or getattr(job, "id", job), f"--server {client.url}"
        raise KeyboardInterrupt(
            f"the service goes on with it. See: querist jobs show {id} {at}; end it for good with: "
            f"querist jobs cancel {id} {at}"
        ) from None
