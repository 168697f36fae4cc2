"""Runs below the folders of service.yaml: found by checked names, steered by their inbox."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from querist.campaign.campaign import summary_of
from querist.campaign.inspecting import progress_of
from querist.core.errors import QueristError
from querist.service.problems import Refused, missing
from querist.service.wire.base import MAX_COUNT
from querist.service.wire.campaigns import Campaign
from querist.store.run_folder import RunFolder

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
SETTABLE = {"labels": int, "cost": float, "seconds": float, "threshold": float}


def runs(roots: Mapping[str, Path]) -> list[str]:
    """Ids of all runs in these folders, ``ROOT:NAME``, by name; ``ROOT`` is a run itself."""
    found = []
    for root, folder in roots.items():
        if (folder / "manifest.json").exists():
            found.append(root)
        elif folder.is_dir():
            names = (path.name for path in folder.iterdir() if _is_run(path))
            found += [f"{root}:{name}" for name in names]
    return sorted(found)


def folder_of(roots: Mapping[str, Path], id: str) -> Path:
    """The folder of a run.

    Raises:
        Refused: If there is none of this id below one of these folders.
    """
    root, _, name = id.partition(":")
    folder = roots.get(root)
    if folder is not None and not name and (folder / "manifest.json").exists():
        return folder
    if folder is None or not _NAME.fullmatch(name) or not _is_run(folder / name):
        raise missing("campaign", id)
    return folder / name


def _is_run(path: Path) -> bool:
    # A link could lead anywhere.
    return (
        bool(_NAME.fullmatch(path.name))
        and not path.is_symlink()
        and (path / "manifest.json").exists()
    )


def look(folder: Path, id: str, full: bool = False) -> Campaign:
    """A run as it stands, by its journal; ``full`` with its summary."""
    try:
        state = progress_of(folder)
        summary: dict[str, Any] = dict(summary_of(folder).data) if full else {}
    except (QueristError, OSError):
        return Campaign(id=id, state="unreadable")
    return Campaign(
        id=id,
        state=state.status or "unfinished",
        reason=state.reason,
        labels=state.labels,
        failures=state.failures,
        open_questions=state.outstanding,
        seconds=state.now,
        summary=summary,
    )


def command(folder: Path, kind: str, values: Mapping[str, Any], why: str) -> str:
    """Put a command into a run's inbox; its id.

    Raises:
        Refused: If a value cannot be set, or the run cannot be read.
    """
    data: dict[str, Any] = {"why": why} if kind == "stop" else {}
    for name, value in values.items():
        if name not in SETTABLE or not _is_budget(value) or SETTABLE[name](value) != value:
            raise Refused(
                "invalid",
                f"'values' may be numbers from 0 of {', '.join(SETTABLE)}, labels whole ones.",
            )
        data[name] = SETTABLE[name](value)
    try:
        return RunFolder(folder).inbox.post(kind, data)
    except QueristError:
        raise Refused("conflict", "The run's folder cannot be read or written.") from None


def _is_budget(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value <= MAX_COUNT
