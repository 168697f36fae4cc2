"""What of this machine the calling process may use: cores and threads."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

_THREADED = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "BLIS")


def usable_cores() -> int:
    """Cores that this process may use: its CPU affinity and its control groups' quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = cgroup_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cgroup_quota(root: Path = Path("/")) -> float | None:
    """Cores that control groups (version 1 or 2) grant this process; None for no limit.

    Args:
        root: Folder that holds ``proc`` and ``sys``.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    quotas = [quota for line in lines for quota in _quotas(line, root / "sys/fs/cgroup")]
    return min(quotas, default=None)


def _quotas(line: str, mount: Path) -> Iterator[float]:
    _, controllers, path = line.split(":", 2)
    if not controllers:
        base, read = mount, _quota_v2
    elif "cpu" in controllers.split(","):
        base, read = mount / controllers, _quota_v1
        base = base if base.is_dir() else mount / "cpu"
    else:
        return
    group = base / path.lstrip("/")
    # In a container the path may be that of the host; then only the mount itself is there.
    for folder in (group, *group.parents):
        if folder == base or base in folder.parents:
            quota = read(folder)
            if quota is not None:
                yield quota


def _quota_v2(folder: Path) -> float | None:
    words = _words(folder / "cpu.max")
    return None if len(words) < 2 or words[0] == "max" else int(words[0]) / int(words[1])


def _quota_v1(folder: Path) -> float | None:
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    if not quota or not period or int(quota[0]) <= 0:
        return None
    return int(quota[0]) / int(period[0])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []


def thread_environment(threads: int) -> dict[str, str]:
    """Variables that hold numerical libraries to this many threads, read when they are loaded."""
    return {f"{library}_NUM_THREADS": str(threads) for library in _THREADED}


def process_age() -> float:
    """Seconds since this process was started; 0 where the system does not tell."""
    try:
        stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    begun = int(stat.rpartition(")")[2].split()[19])
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - begun / os.sysconf("SC_CLK_TCK"))
