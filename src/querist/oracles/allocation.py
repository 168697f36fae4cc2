"""What this job was given (nodes, cores, GPUs), and disjoint shares of it for simulations.

Several simulations that are themselves parallel run side by side in one allocation. Each worker of
an oracle gets a share of its own, once: several shares to a node, or a share of whole nodes. So two
simulations never meet on a core or a GPU, and nothing has to be negotiated while they run.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from querist.core.errors import ConfigError
from querist.core.tasks import Resources

T = TypeVar("T")
_FLUX = ("flux", "resource", "list", "--states=free", "-no", "{nodelist} {ncores} {ngpus}")


@dataclass(frozen=True, slots=True)
class Node:
    """What may be used of one node.

    Attributes:
        name: Of the host.
        cores: Their numbers, as the operating system counts them.
        gpus: Their ids, as in CUDA_VISIBLE_DEVICES.
    """

    name: str
    cores: tuple[int, ...]
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """The part of an allocation in which one simulation after the other runs."""

    nodes: tuple[Node, ...]

    @property
    def is_here(self) -> bool:
        """Whether all of it is on this host."""
        return all(is_this_host(node.name) for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Allocation:
    """The nodes that a job may use.

    Attributes:
        nodes: In the scheduler's order.
        source: Who said so, for messages.
    """

    nodes: tuple[Node, ...]
    source: str = "this machine"

    @classmethod
    def found(cls, environment: Mapping[str, str] = os.environ) -> Allocation:
        """What the scheduler says in the environment, or else this machine.

        Raises:
            ConfigError: If what it says cannot be read.
        """
        for source, read in _READERS.items():
            nodes = tuple(read(environment))
            if nodes:
                return cls(nodes, source)
        return cls((this_node(environment),))

    def part(self, text: str) -> Allocation:
        """One of several equal parts, for campaigns that share a job.

        Args:
            text: For example "2/4", the second quarter. Whole nodes if there are enough, else
                cores (and GPUs) of each.

        Raises:
            ConfigError: If the text is no such part, or there is not enough to divide.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        number, of = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= number <= of:
            raise ConfigError(f"a part of the allocation is written like '1/4', not {text!r}.")
        source = f"part {text} of {self.source}"
        if len(self.nodes) >= of:
            return Allocation(_cut(self.nodes, number, of), source)
        nodes = tuple(
            Node(n.name, _cut(n.cores, number, of), _cut(n.gpus, number, of)) for n in self.nodes
        )
        if not all(node.cores for node in nodes):
            raise ConfigError(f"{self.describe()} cannot be divided into {of} parts.")
        return Allocation(nodes, source)

    def without(self, cores: int, gpus: int = 0) -> Allocation:
        """All but the first cores and GPUs of the first node, which the campaign itself uses."""
        first, *others = self.nodes
        rest = Node(first.name, first.cores[cores:], first.gpus[gpus:])
        return Allocation((rest, *others), self.source)

    def shares(self, wanted: Sequence[tuple[str, Resources, int]]) -> dict[str, tuple[Share, ...]]:
        """Disjoint shares, those of whole nodes first.

        Args:
            wanted: Name, resources of one simulation, and how many run at once.

        Raises:
            ConfigError: If they do not fit.
        """
        ledger = _Ledger(self.nodes)
        found: dict[str, tuple[Share, ...]] = {}
        for name, resources, count in sorted(wanted, key=lambda item: -item[1].nodes):
            taken: list[Share] = []
            while len(taken) < count:
                share = ledger.take(resources)
                if share is None:
                    raise ConfigError(self._complaint(name, resources, count, len(taken)))
                taken.append(share)
            found[name] = tuple(taken)
        return found

    def describe(self) -> str:
        """In words, for messages."""
        kinds = Counter((len(node.cores), len(node.gpus)) for node in self.nodes)
        parts = [
            f"{count} x {cores} cores" + (f" and {gpus} GPUs" if gpus else "")
            for (cores, gpus), count in kinds.items()
        ]
        return f"{self.source} ({', '.join(parts)})"

    def _complaint(self, name: str, resources: Resources, count: int, fit: int) -> str:
        each = resources.ranks // resources.nodes
        wants = f"{each} ranks x {resources.cores} cores"
        wants += f" and {resources.gpus / resources.nodes:g} GPUs" if resources.gpus else ""
        where = "on one node" if resources.nodes == 1 else f"on each of {resources.nodes} nodes"
        return (
            f"the oracle {name!r} has {count} workers whose simulations each want {wants} {where}, "
            f"but only {fit} of them fit into {self.describe()}. Give it fewer workers or smaller "
            "resources, or ask for a larger allocation."
        )


class _Ledger:
    """What is still free."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._cores = [0] * len(nodes)
        self._gpus = [0.0] * len(nodes)

    def take(self, resources: Resources) -> Share | None:
        """The next share; None when there is none."""
        each = resources.ranks // resources.nodes * resources.cores
        gpus = resources.gpus / resources.nodes
        whole = resources.nodes > 1
        fit = [i for i in range(len(self._nodes)) if self._fits(i, each, gpus, whole)]
        if len(fit) < resources.nodes:
            return None
        return Share(tuple(self._take(i, each, gpus, whole) for i in fit[: resources.nodes]))

    def _fits(self, index: int, cores: int, gpus: float, whole: bool) -> bool:
        node, used = self._nodes[index], self._cores[index]
        if whole and used:
            return False
        enough = used + cores <= len(node.cores)
        return enough and self._start(index, gpus) + gpus <= len(node.gpus) + 1e-9

    def _start(self, index: int, gpus: float) -> float:
        """Where the next share of GPUs begins: one that is a fraction lies on one GPU."""
        used = self._gpus[index]
        last = int(used + gpus - 1e-9)
        crosses = gpus >= 1 or last > int(used + 1e-9)
        return float(-int(-used // 1)) if crosses else used

    def _take(self, index: int, cores: int, gpus: float, whole: bool) -> Node:
        node, used, start = self._nodes[index], self._cores[index], self._start(index, gpus)
        first = int(start + 1e-9)
        ids = node.gpus[first : first + max(1, -int(-gpus // 1))] if gpus else ()
        self._cores[index] = len(node.cores) if whole else used + cores
        self._gpus[index] = float(len(node.gpus)) if whole else start + gpus
        return Node(node.name, node.cores[used : used + cores], ids)


def _cut(items: tuple[T, ...], number: int, of: int) -> tuple[T, ...]:
    return items[(number - 1) * len(items) // of : number * len(items) // of]


def is_this_host(name: str) -> bool:
    """Whether a host's name means this one."""
    own = platform.node()
    return name == "localhost" or name.partition(".")[0] == own.partition(".")[0]


def this_node(environment: Mapping[str, str] = os.environ) -> Node:
    """What this process may use of its own host."""
    return Node(platform.node() or "localhost", _own_cores(), _own_gpus(environment))


def _own_cores() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def _own_gpus(environment: Mapping[str, str]) -> tuple[str, ...]:
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name.strip() for name in visible.split(",") if name.strip() not in ("", "-1"))
    return tuple(str(i) for i in range(len(list(Path("/dev").glob("nvidia[0-9]*")))))


def _node(name: str, cores: int, gpus: tuple[str, ...]) -> Node:
    own = _own_cores() if is_this_host(name) else ()
    # The operating system's numbers are known here only; elsewhere the first ones are meant.
    numbers = own[:cores] if len(own) >= cores else tuple(range(cores))
    return Node(name, numbers, gpus)


def expand_hosts(text: str) -> list[str]:
    """The hosts of a list as SLURM and Flux write it: ``node[01-03,7],login1``."""
    found = []
    for item in re.findall(r"[^,\[\]]+(?:\[[^\]]*\][^,\[\]]*)*", text):
        found += _expand_one(item.strip())
    return [name for name in found if name]


def _expand_one(item: str) -> list[str]:
    match = re.fullmatch(r"([^\[]*)\[([^\]]*)\](.*)", item)
    if match is None:
        return [item]
    names = []
    for span in match[2].split(","):
        first, _, last = span.partition("-")
        numbers = range(int(first), int(last or first) + 1)
        names += [f"{match[1]}{number:0{len(first)}d}" for number in numbers]
    return [name + tail for name in names for tail in _expand_one(match[3])]


def _expand_counts(text: str) -> list[int]:
    """The numbers of ``36(x3),24``."""
    found: list[int] = []
    for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        found += [int(count)] * int(times or 1)
    return found


def _slurm(environment: Mapping[str, str]) -> Iterator[Node]:
    text = environment.get("SLURM_JOB_NODELIST", "")
    if not text:
        return
    hosts = expand_hosts(text)
    cores = _expand_counts(environment.get("SLURM_JOB_CPUS_PER_NODE", ""))
    if len(cores) != len(hosts):
        raise ConfigError(
            f"SLURM_JOB_NODELIST names {len(hosts)} nodes ({text}), but SLURM_JOB_CPUS_PER_NODE "
            f"holds {len(cores)} numbers; state allocation.nodes and allocation.cores instead."
        )
    gpus = _slurm_gpus(environment)
    for host, count in zip(hosts, cores, strict=True):
        yield _node(host, count, gpus)


def _slurm_gpus(environment: Mapping[str, str]) -> tuple[str, ...]:
    count = re.search(r"(\d+)$", environment.get("SLURM_GPUS_ON_NODE", ""))
    if count is not None:
        return tuple(str(i) for i in range(int(count[1])))
    return tuple(filter(None, environment.get("SLURM_JOB_GPUS", "").split(",")))


def _lsf(environment: Mapping[str, str]) -> Iterator[Node]:
    words = environment.get("LSB_MCPU_HOSTS", "").split()
    counts = dict(zip(words[::2], map(int, words[1::2]), strict=False))
    file = environment.get("LSB_DJOB_HOSTFILE", "")
    if not counts and file:
        counts = Counter(_lines(file))
    # The first host of a job with several is the one that only launches (Summit and its kin).
    launch_only = len(counts) > 1 and counts[next(iter(counts))] == 1
    for host in list(counts)[launch_only:]:
        yield _node(host, counts[host], _own_gpus(environment))


def _pbs(environment: Mapping[str, str]) -> Iterator[Node]:
    # A line a rank (mpiprocs); NCPUS says how many cores each host's chunk has.
    file = environment.get("PBS_NODEFILE", "")
    cores = environment.get("NCPUS", "")
    for host, lines in Counter(_lines(file) if file else ()).items():
        yield _node(host, max(lines, int(cores or 0)), _own_gpus(environment))


def _flux(environment: Mapping[str, str]) -> Iterator[Node]:
    if "FLUX_URI" not in environment or shutil.which("flux", path=environment.get("PATH")) is None:
        return
    told = subprocess.run(
        _FLUX, capture_output=True, text=True, env=dict(environment), timeout=30, check=False
    )
    for line in told.stdout.splitlines():
        words = line.split()
        if len(words) == 3:
            hosts = expand_hosts(words[0])
            cores, gpus = (int(word) // max(1, len(hosts)) for word in words[1:])
            for host in hosts:
                yield _node(host, cores, tuple(str(i) for i in range(gpus)))


def _lines(path: str) -> list[str]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the scheduler's list of hosts cannot be read: {error}.") from error
    return [line.split()[0] for line in text.splitlines() if line.strip()]


_READERS = {"Flux": _flux, "LSF": _lsf, "SLURM": _slurm, "PBS": _pbs}
