"""What a parallel launcher (mpiexec, srun) told this process, from its environment alone.

Imports nothing heavy: threads must be limited before NumPy is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from querist.engines.machine import thread_environment, usable_cores

# Rank, size, and ranks on this node: Open MPI, MPICH and Intel MPI, MVAPICH.
_LAUNCHERS = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE"),
)


class Launched(NamedTuple):
    """One of ``size`` processes that were started together, ``local`` of them on this node."""

    rank: int
    size: int
    local: int


def launched(environment: Mapping[str, str] = os.environ) -> Launched | None:
    """What the launcher said; None where there was none that is known."""
    for rank, size, local in _LAUNCHERS:
        try:
            number, count = int(environment[rank]), int(environment[size])
            return Launched(number, count, int(environment.get(local, count)))
        except (KeyError, ValueError):
            continue
    return None


def limit_threads() -> None:
    """Let numerical libraries share the node's cores between its ranks, unless told otherwise.

    Only libraries that are loaded later notice. A launcher that binds ranks to cores has shared
    them out already.
    """
    found = launched()
    if found is None:
        return
    cores, everything = usable_cores(), os.cpu_count() or 1
    share = cores if cores < everything else cores // found.local
    for name, value in thread_environment(max(1, share)).items():
        os.environ.setdefault(name, value)
