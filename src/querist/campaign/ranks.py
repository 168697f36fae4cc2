"""Campaigns under a parallel launcher: which process runs the campaign, and what the others do.

All processes of an MPI job run the same program. On rank 0 it is the campaign; the others leave it
here, work until the job ends, and exit. So whatever there is to say is said once.
"""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from querist.engines.gpus import gpu_names
from querist.engines.launched import launched, limit_threads
from querist.engines.machine import usable_cores
from querist.engines.muster import abandon

if TYPE_CHECKING:
    from querist.campaign.settings import CampaignSettings

_here = launched()
if _here is not None and _here.size > 1:
    atexit.register(abandon)  # before anything of the user's can go wrong

_PATIENCE = 10.0  # seconds in which rank 0 has said why the job cannot start, and has ended


def attend(settings: CampaignSettings) -> CampaignSettings:
    """Join the job where the engine is MPI; returns on rank 0 only.

    Returns:
        The settings with a number for every count, as many as there are ranks or cores for.

    Raises:
        RunError: If there are too few ranks.
    """
    from querist.campaign.counts import resolved

    if settings.engine.kind == "inline":
        return resolved(settings, 0)
    if settings.engine.kind != "mpi":
        return resolved(settings, usable_cores(), len(gpu_names()))
    from querist.campaign.wiring import pools
    from querist.engines.mpi import attend as join
    from querist.engines.mpi import fitted

    world = join()
    made = resolved(settings, len(world.free), world.gpus)
    fitted(pools(made), len(world.free))
    return made


def attend_refused(engine: Any) -> None:
    """A campaign is refused: on rank 0 that is to be told, the others wait for what comes next.

    Args:
        engine: The setting ``engine``, good or not.
    """
    if _kind(engine) == "mpi":
        from querist.engines.mpi import attend as join

        join()


def recruit(engine: Any) -> int:
    """Join the job where an engine is MPI, for what is no campaign; returns on rank 0 only.

    Args:
        engine: The setting ``engine``.

    Returns:
        How many ranks there are to work; 0 for another engine.

    Raises:
        RunError: If there is no MPI.
    """
    if _kind(engine) != "mpi":
        return 0
    from querist.engines.mpi import attend as join

    return len(join().free)


def enlist(path: Path, engine: str | None, read: Callable[[Path], Any]) -> None:
    """For the command line: as :func:`attend`, before anything of the campaign is loaded.

    Args:
        path: Where the campaign is described.
        engine: Instead of the engine described there.
        read: Gives the settings at ``path``, as far as they are a mapping.

    Raises:
        RunError: If several processes were started for an engine that has its own.
    """
    found = launched()
    kind = engine or _peek(path, read)
    if kind == "mpi":
        limit_threads()
        from querist.engines.mpi import attend as join

        join()
    elif found is not None and found.size > 1:
        _refuse(found.rank, found.size, kind)


def leave_with(status: int) -> None:
    """The process ends with this status; let the other ranks do so, too."""
    if "querist.engines.mpi_world" in sys.modules:
        from querist.engines.mpi_world import end_with

        end_with(status)


def described(path: Path) -> Any:
    """The content of a YAML file."""
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))


def kept(path: Path) -> Any:
    """The settings of a run."""
    from querist.store.run_folder import RunFolder

    return RunFolder(path).config()["settings"]


def _peek(path: Path, read: Callable[[Path], Any]) -> str:
    """The engine's name; "" where rank 0 will have to say what is wrong."""
    try:
        config = read(path)
        return _kind(config["engine"]) if "engine" in config else "processes"
    # Isolation boundary: whatever is wrong with the file is told where it is loaded.
    except Exception:  # noqa: BLE001
        return ""


def _kind(engine: Any) -> str:
    if isinstance(engine, Mapping):
        engine = engine.get("kind", "processes")
    return str(getattr(engine, "kind", engine))


def _refuse(rank: int, size: int, kind: str) -> None:
    from querist.core.errors import RunError

    if rank:
        time.sleep(_PATIENCE)  # the launcher ends this process with rank 0
        sys.exit(1)
    if kind:
        raise RunError(
            f"{size} processes were started by a parallel launcher, but the engine {kind!r} has "
            "workers of its own. Use --engine mpi, or start one process."
        )
