"""What a parallel launcher (mpiexec, srun) told this process, from its environment alone.

Imports nothing heavy: threads must be limited before NumPy is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from querist.engines.machine import thread_environment, usable_cores

# Rank, size, and ranks on this node: Open MPI; MPICH, Intel MPI and HPE Cray (PALS); MVAPICH 2;
# jsrun of LSF; Flux; srun of SLURM, however its MPI finds the ranks (PMIx, PMI-2). Some launchers
# run under another one, so the order counts.
_LAUNCHERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", ("OMPI_COMM_WORLD_LOCAL_SIZE",)),
    ("PMI_RANK", "PMI_SIZE", ("MPI_LOCALNRANKS", "PMI_LOCAL_SIZE", "PALS_LOCAL_SIZE")),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", ("MV2_COMM_WORLD_LOCAL_SIZE",)),
    ("JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE", ("JSM_NAMESPACE_LOCAL_SIZE",)),
    ("FLUX_TASK_RANK", "FLUX_JOB_SIZE", ()),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", ()),
)
_SPECIAL_STEP = 0xFFFFFF00  # from here on SLURM numbers what is no parallel program, as a shell


class Launched(NamedTuple):
    """One of ``size`` processes that were started together, ``local`` of them on this node."""

    rank: int
    size: int
    local: int


def launched(environment: Mapping[str, str] = os.environ) -> Launched | None:
    """What the launcher said; None where there was none that is known."""
    for rank, size, here in _LAUNCHERS:
        number, count = _number(environment, rank), _number(environment, size)
        if number is None or count is None:
            continue
        if rank.startswith("SLURM") and not _in_a_step(environment):
            continue
        local = next((n for name in here if (n := _number(environment, name))), None)
        return Launched(number, count, local or _on_this_node(environment) or count)
    return None


def _number(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "")
    return int(text) if text.isdecimal() else None


def _in_a_step(environment: Mapping[str, str]) -> bool:
    """Whether ``srun`` started this; batch scripts and shells have SLURM_PROCID as well."""
    step = _number(environment, "SLURM_STEP_ID")
    return step is not None and step < _SPECIAL_STEP


def _on_this_node(environment: Mapping[str, str]) -> int | None:
    """Of a step of SLURM, whose ranks a node are given as in ``4(x2),3``."""
    node = _number(environment, "SLURM_NODEID")
    if node is None or not _in_a_step(environment):
        return None
    for part in environment.get("SLURM_STEP_TASKS_PER_NODE", "").split(","):
        ranks, _, times = part.rstrip(")").partition("(x")
        node -= int(times) if times.isdecimal() else 1
        if node < 0:
            return int(ranks) if ranks.isdecimal() else None
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
