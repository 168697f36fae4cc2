"""Live progress of a run in the terminal, or plain lines where there is none."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Any, TextIO

from querist.accounting import notebook
from querist.accounting.notebook import LiveCard
from querist.accounting.progress import ProgressState, render_plain, render_rich
from querist.campaign.partial import last_line
from querist.core.events import Event, Fact, TaskFailed, TaskFinished, TaskProgress, TaskStarted

PLAIN_SECONDS = 5.0


class Silent:
    """Shows nothing."""

    def event(self, event: Event, now: float) -> None:
        """Nothing."""

    def fact(self, fact: Fact) -> None:
        """Nothing."""

    def say(self, level: str, message: str) -> None:
        """Nothing."""

    def refresh(self, now: float) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Plain:
    """A line every few seconds, for logs and pipes.

    Args:
        state: What is shown.
        stream: Where to; standard error by default.
    """

    def __init__(self, state: ProgressState, stream: TextIO | None = None) -> None:
        self.state, self._stream = state, stream or sys.stderr
        self._next = 0.0

    def event(self, event: Event, now: float) -> None:
        """Follow what workers do."""
        if isinstance(event, TaskStarted):
            self.state.task_started(event.worker, event.task.split("-")[0], "", now)
        elif isinstance(event, (TaskFinished, TaskFailed)):
            self.state.task_finished(event.worker, now)
        elif isinstance(event, TaskProgress) and (said := last_line(event.data)) is not None:
            self.state.task_progressed(*said, now)

    def fact(self, fact: Fact) -> None:
        """Follow what is recorded."""
        self.state.fact(fact.kind, fact.data)

    def say(self, level: str, message: str) -> None:
        """A line of its own."""
        self._print(f"{level}: {message}")

    def refresh(self, now: float) -> None:
        """A line when it is time."""
        self.state.tick(now)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PLAIN_SECONDS
            self._print(render_plain(self.state))

    def close(self) -> None:
        """The last line."""
        self._print(render_plain(self.state))

    def _print(self, line: str) -> None:
        # Whoever read this may have gone away (``querist run ... 2>&1 | head``): the run goes on.
        with suppress(OSError, ValueError):
            print(line, file=self._stream, flush=True)


class Live(Plain):
    """A panel that refreshes itself in a terminal.

    Args:
        state: What is shown.
    """

    def __init__(self, state: ProgressState) -> None:
        super().__init__(state)
        from rich.console import Console
        from rich.live import Live as RichLive

        self._console = Console(stderr=True)
        self._live: Any = RichLive(console=self._console, auto_refresh=False, transient=False)
        self._live.start()

    def refresh(self, now: float) -> None:
        """Redraw, a few times a second."""
        self.state.tick(now)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.25
            self._live.update(render_rich(self.state), refresh=True)

    def say(self, level: str, message: str) -> None:
        """A line above the panel."""
        style = {"warning": "yellow", "error": "bold red"}.get(level, "")
        self._live.console.print(f"{level}: {message}", style=style, markup=False, highlight=False)

    def close(self) -> None:
        """Leave the last state on the screen."""
        self._live.update(render_rich(self.state), refresh=True)
        self._live.stop()


class Notebook(Plain):
    """A card in a notebook's cell that is drawn anew as the run goes on.

    Args:
        state: What is shown.
        display: ``IPython.display``.
    """

    def __init__(self, state: ProgressState, display: Any) -> None:
        super().__init__(state)
        self._card = LiveCard(state)
        self._handle: Any = display.display(self._card, display_id=True)

    def refresh(self, now: float) -> None:
        """Draw again, twice a second."""
        self.state.tick(now)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.5
            self._handle.update(self._card)

    def close(self) -> None:
        """Leave the last state in the cell."""
        self._handle.update(self._card)


def watcher(progress: bool | str, state: ProgressState) -> Silent | Plain:
    """What ``progress`` asks for.

    Args:
        progress: False shows nothing; "plain" and "live" force a form; True chooses: a card in a
            notebook, a panel where standard error is a terminal, else plain lines.
        state: What is shown.
    """
    if progress is False or sys.stderr is None:  # a daemon that closed it
        return Silent()
    if progress is True and (display := notebook.display()) is not None:
        return Notebook(state, display)
    live = sys.stderr.isatty() if progress is True else progress == "live"
    return Live(state) if live else Plain(state)
