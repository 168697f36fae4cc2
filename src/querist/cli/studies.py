"""The file of a study, for the commands that take any file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from querist.cli.ending import end, say_best, shown

if TYPE_CHECKING:
    from querist.tuning.study import Study


def run_study(path: Path, folder: Path | None, engine: str | None, how: Mapping[str, Any]) -> None:
    """Run a study and say what it found."""
    from querist.tuning.study import Study

    study = Study.load(path, engine=engine)
    known, left_out = study.known_with_count()
    if known or left_out:
        aside = f", {left_out} left out: {_why(study)}" if left_out else ""
        click.echo(f"{len(known)} trials are known beforehand{aside}.", err=True)
    _note(study)
    made = study.campaign(known)
    ended = made.run(folder, progress=shown(how["progress"]), walltime=how["walltime"])
    say_best(ended.folder)
    end(ended)


def check_study(path: Path) -> None:
    """Say that a study can be run, or what is wrong with it."""
    from querist.tuning.study import Study

    study = Study.load(path)
    known, left_out = study.known_with_count()
    study.campaign(known)
    aside = f" {len(known)} trials are known beforehand" if known else ""
    aside += f", {left_out} left out: {_why(study)}" if left_out else ""
    _note(study)
    click.echo(f"{path} is sound.{aside}{'.' if aside else ''}")


def _note(study: Study) -> None:
    """Say where a search does not look at what is told it."""
    from querist.tuning.search import ERRORS, SEARCHES

    use = study.settings.search.use
    if study.settings.errors and use in SEARCHES and use not in ERRORS:
        click.echo(
            f"Note: the search {use} does not look at errors; what is recommended does.", err=True
        )


def _why(study: Study) -> str:
    """Why observations were left out."""
    where = ", ".join(study.settings.where)
    return f"not in the space, or not where {where}" if where else "not in the space"
