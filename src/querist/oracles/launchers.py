"""Sites' launchers of parallel programs: what to write before a program and its arguments.

One function a launcher. A launcher that is told hosts and cores (``mpiexec`` of Open MPI, MPICH and
PALS, ``aprun``) gets those of the share; one that shares out an allocation by itself (``srun``,
``flux``, ``jsrun``) is told what is needed, and keeps simulations apart.
"""

from __future__ import annotations

import math
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from querist.core.errors import ConfigError
from querist.core.tasks import Resources, without_rank
from querist.oracles.allocation import Node, Share
from querist.oracles.inputs import fill

_STEP = (
    *("SLURM_STEP", "SLURM_CPU_BIND", "SLURM_SRUN_", "SLURM_GTIDS", "SLURM_PROCID"),
    *("SLURM_LOCALID", "SLURM_NODEID", "SLURM_TASK_PID", "SLURM_LAUNCH_NODE", "SLURM_NTASKS"),
    *("SLURM_DISTRIBUTION", "SLURM_NPROCS", "SLURM_CPUS_PER_TASK", "SLURM_TRES_PER_TASK"),
    *("SLURM_MEM_PER_", "SRUN_", "FLUX_TASK_", "FLUX_PMI_", "JSM_"),
)


@dataclass(frozen=True, slots=True)
class Launch:
    """What a launcher is told.

    Attributes:
        resources: Of the program.
        share: Where it shall run; None leaves that to the launcher.
        folder: The task's, for a file of ranks.
        pin: Whether the program is held to the cores of its share.
        overlap: Whether this process is itself a step of the scheduler's, which holds its cores.
        given: The launcher, where it is a command line of the user's.
    """

    resources: Resources
    share: Share | None = None
    folder: Path = field(default_factory=Path)
    pin: bool = True
    overlap: bool = False
    given: str = ""

    @property
    def per_node(self) -> int:
        """Ranks on each node."""
        return self.resources.ranks // self.resources.nodes

    @property
    def hosts(self) -> list[str]:
        """Names of the share's nodes."""
        return [] if self.share is None else [node.name for node in self.share.nodes]

    @property
    def by_affinity(self) -> tuple[int, ...]:
        """Cores to which the launcher's own process is held, with all that it starts here."""
        here = self.share is not None and self.share.is_here and len(self.share.nodes) == 1
        return self.share.nodes[0].cores if here and self.pin and self.share is not None else ()

    @property
    def gpus(self) -> str | None:
        """CUDA_VISIBLE_DEVICES for the program; None leaves it to the launcher."""
        if self.share is None or any(n.gpus != self.share.nodes[0].gpus for n in self.share.nodes):
            return None
        return ",".join(self.share.nodes[0].gpus)

    def cores_of(self, node: Node, rank: int) -> tuple[int, ...]:
        """The cores of the node's rank number ``rank``."""
        width = self.resources.cores
        return node.cores[rank * width : (rank + 1) * width]


def open_mpi(launch: Launch) -> list[str]:
    """``mpiexec`` of Open MPI 5 (PRRTE) and 4."""
    words = ["mpiexec", "-n", str(launch.resources.ranks)]
    if launch.share is None:
        return [*words, "--map-by", f"ppr:{launch.per_node}:node:PE={launch.resources.cores}"]
    words += ["--host", ",".join(f"{host}:{launch.per_node}" for host in launch.hosts)]
    if len(launch.hosts) > 1:
        words += ["-x", "OMP_NUM_THREADS", "-x", "CUDA_VISIBLE_DEVICES"]
    if launch.by_affinity or not launch.pin:
        return [*words, "--bind-to", "none"]
    ranks = launch.folder / "ranks.txt"
    ranks.write_text(_rank_file(launch, launch.share), encoding="utf-8")
    return [*words, "--map-by", f"rankfile:file={ranks}", "--bind-to", "core"]


def _rank_file(launch: Launch, share: Share) -> str:
    lines = []
    for place, node in enumerate(share.nodes):
        for rank in range(launch.per_node):
            cores = ",".join(map(str, launch.cores_of(node, rank)))
            lines.append(f"rank {place * launch.per_node + rank}={node.name} slot={cores}\n")
    return "".join(lines)


def mpich(launch: Launch) -> list[str]:
    """``mpiexec`` of MPICH, MVAPICH and Intel MPI (Hydra)."""
    words = ["mpiexec", "-n", str(launch.resources.ranks), "-ppn", str(launch.per_node)]
    if launch.share is None:
        return words
    words += ["-hosts", ",".join(launch.hosts)]
    if launch.by_affinity or not launch.pin:
        return [*words, "-bind-to", "none"]
    return [*words, "-bind-to", f"user:{','.join(_spans(launch, launch.share.nodes[0], '+'))}"]


def pals(launch: Launch) -> list[str]:
    """``mpiexec`` of HPE's PALS (Cray EX under PBS)."""
    words = _cray(launch, "mpiexec", ("--ppn", "--depth", "--hosts", "--cpu-bind"))
    return [*words[:-1], f"list:{words[-1]}"] if launch.share and launch.pin else words


def aprun(launch: Launch) -> list[str]:
    """``aprun`` of Cray's ALPS."""
    return _cray(launch, "aprun", ("-N", "-d", "-L", "-cc"))


def _cray(launch: Launch, program: str, flags: tuple[str, str, str, str]) -> list[str]:
    """Both of Cray's; ``flags`` of ranks by node, cores by rank, hosts, and where ranks run."""
    by_node, depth, hosts, bind = flags
    words = [program, "-n", str(launch.resources.ranks), by_node, str(launch.per_node)]
    words += [depth, str(launch.resources.cores)]
    if launch.share is None:
        return words
    words += [hosts, ",".join(launch.hosts), bind]
    return [*words, ":".join(_spans(launch, launch.share.nodes[0], ",")) if launch.pin else "none"]


def _spans(launch: Launch, node: Node, between: str) -> list[str]:
    """The cores of each of a node's ranks."""
    ranks = range(launch.per_node)
    return [between.join(map(str, launch.cores_of(node, rank))) for rank in ranks]


def srun(launch: Launch) -> list[str]:
    """``srun`` of SLURM: a step with exactly these resources, disjoint from other steps."""
    wanted = launch.resources
    words = ["srun", "--exact", "-N", str(wanted.nodes), "-n", str(wanted.ranks)]
    words += ["-c", str(wanted.cores), "--kill-on-bad-exit=1"]
    if launch.overlap:
        words.append("--overlap")
    if wanted.gpus:
        words.append(f"--gpus={math.ceil(wanted.gpus)}")
    if wanted.memory_mb is not None:
        words.append(f"--mem={math.ceil(wanted.memory_mb / wanted.nodes)}")
    if wanted.wall_seconds is not None:
        words.append(f"--time={math.ceil(wanted.wall_seconds / 60)}")
    return words if launch.pin else [*words, "--cpu-bind=none"]


def flux(launch: Launch) -> list[str]:
    """``flux run``."""
    wanted = launch.resources
    words = ["flux", "run", "-N", str(wanted.nodes), "-n", str(wanted.ranks)]
    words += ["-c", str(wanted.cores)]
    if wanted.gpus:
        words += ["-g", str(math.ceil(wanted.gpus / wanted.ranks))]
    if wanted.wall_seconds is not None:
        words += ["-t", f"{wanted.wall_seconds:g}s"]
    return words if launch.pin else [*words, "-o", "cpu-affinity=off"]


def jsrun(launch: Launch) -> list[str]:
    """``jsrun`` of IBM's JSM: a resource set a rank."""
    wanted = launch.resources
    words = ["jsrun", "-n", str(wanted.ranks), "-r", str(launch.per_node), "-a", "1"]
    words += ["-c", str(wanted.cores), "-g", str(math.ceil(wanted.gpus / wanted.ranks))]
    return [*words, "-b", f"packed:{wanted.cores}" if launch.pin else "none"]


def template(launch: Launch) -> list[str]:
    """A command line of the user's own: ``mpirun -np $ranks -host $hosts``."""
    wanted = launch.resources
    cores = [] if launch.share is None else [str(c) for n in launch.share.nodes for c in n.cores]
    values = {
        "ranks": str(wanted.ranks),
        "nodes": str(wanted.nodes),
        "per_node": str(launch.per_node),
        "cores": str(wanted.cores),
        "gpus": f"{wanted.gpus:g}",
        "memory_mb": "" if wanted.memory_mb is None else str(wanted.memory_mb),
        "wall_seconds": "" if wanted.wall_seconds is None else f"{wanted.wall_seconds:g}",
        "hosts": ",".join(launch.hosts),
        "core_list": ",".join(cores),
        "folder": str(launch.folder),
    }
    return [fill(word, values) for word in shlex.split(launch.given)]


def alone(launch: Launch) -> list[str]:
    """No launcher: the program itself, which may start what it likes."""
    del launch
    return []


LAUNCHERS: Mapping[str, Callable[[Launch], list[str]]] = {
    "openmpi": open_mpi,
    "mpich": mpich,
    "srun": srun,
    "flux": flux,
    "jsrun": jsrun,
    "pals": pals,
    "aprun": aprun,
    "none": alone,
}
PLACES_GPUS = ("srun", "flux", "jsrun")  # these say themselves which GPUs a program sees
_VERSIONS = {"Open MPI": "openmpi", "OpenRTE": "openmpi", "PALS": "pals", "HYDRA": "mpich"}
_VERSIONS |= {"Intel(R) MPI": "mpich", "MPICH": "mpich", "MVAPICH": "mpich"}


def check_launcher(name: str) -> None:
    """Refuse what is neither a launcher's name nor a command line.

    Raises:
        ConfigError: If it is neither, or names something that a template has not.
    """
    if name == "auto" or name in LAUNCHERS:
        return
    if " " not in name.strip():
        known = ", ".join(("auto", *LAUNCHERS))
        raise ConfigError(
            f"no launcher {name!r}; known are {known}, or a command line with $ranks, such as "
            "'mpirun -np $ranks'."
        )
    template(Launch(Resources(), given=name))


def find_launcher(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """The launcher's name or command line, found out where it is "auto".

    Raises:
        ConfigError: If there is none.
    """
    if name != "auto":
        return name
    path = environment.get("PATH")
    for mark, program in (("FLUX_URI", "flux"), ("LSB_JOBID", "jsrun"), ("SLURM_JOB_ID", "srun")):
        if mark in environment and shutil.which(program, path=path):
            return program
    if shutil.which("mpiexec", path=path):
        told = _version(environment)
        found = next((name for word, name in _VERSIONS.items() if word in told), "")
        if found:
            return found
        raise ConfigError(
            "the option 'launcher' should say which mpiexec this is (openmpi, mpich, pals), for "
            f"`mpiexec --version` does not: {told.strip()[:200]!r}."
        )
    if shutil.which("aprun", path=path):
        return "aprun"
    raise ConfigError(
        "no launcher of parallel programs was found (looked for flux, jsrun, srun in their jobs, "
        "and for mpiexec and aprun on the PATH); load your site's MPI, or state the option "
        "'launcher'."
    )


def _version(environment: Mapping[str, str]) -> str:
    told = subprocess.run(
        ["mpiexec", "--version"],
        env=program_environment(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return told.stdout + told.stderr


def prefix(name: str, launch: Launch) -> list[str]:
    """What stands before a program and its arguments."""
    return LAUNCHERS.get(name, template)(launch)


def program_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program that is launched anew, though by a rank or in a job step.

    Variables of the rank, of the step and of its bindings are left out; those of the job stay.
    """
    plain = without_rank(environment)
    return {name: value for name, value in plain.items() if not name.startswith(_STEP)}
