"""The command ``querist``: a table of commands, each in a module that is loaded when it is used."""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module

import click

from querist import __version__

# In the order of a campaign's life, not of the alphabet. Command -> module and name there. These
# modules import nothing but click: what a command does, it imports when it is called.
COMMANDS: dict[str, str] = {
    "run": "campaign:run",
    "resume": "campaign:resume",
    "pal": "campaign:pal",
    "bench": "bench:bench",
    "init": "init:init",
    "check": "campaign:check",
    "plan": "plan:plan",
    "tune": "tune:tune",
    "report": "run:report",
    "summary": "run:summary",
    "status": "run:status",
    "watch": "watch:watch",
    "effective": "effective:effective",
    "surrogate": "surrogate:surrogate",
    "failures": "run:failures",
    "pool": "pool:pool",
    "query": "query:query",
    "label": "label:label",
    "label-studio": "label_studio:label_studio",
    "jobs": "job:jobs",
    "serve": "service:serve",
    "strategies": "strategy:strategies",
    "import": "labels:import_",
    "export": "labels:export",
    "trace": "run:trace",
    "track": "track:track",
    "index": "run:index",
    "questions": "questions:questions",
    "answer": "questions:answer",
    "pause": "inbox:pause",
    "go": "inbox:go",
    "stop": "inbox:stop",
    "cancel": "inbox:cancel",
    "set": "inbox:set_",
}


_ROUND_TRIP = ("surrogateescape", "utf-8")  # file names of any bytes go out as they came in


class Commands(click.Group):
    """Loads a command from its module when it is called or its help is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found: click.Command = getattr(import_module(f"querist.cli.{module}"), name)
        return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="querist %(version)s")
def main() -> None:
    """Active learning that keeps every worker busy and loses nothing."""
    _mend_streams()


def _mend_streams() -> None:
    """Have all standard streams, as who starts us may have closed some, and print any character.

    The next files that are opened would get the numbers of those that are closed, and what a
    library or a child prints would be written into them.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    shown = sys.stdout
    if isinstance(shown, io.TextIOWrapper) and (shown.errors, shown.encoding) != _ROUND_TRIP:
        shown.reconfigure(errors="backslashreplace")
