"""The GPUs of a node, and who gets which: whole ones, or shares of one."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

from querist.core.errors import RunError

VISIBLE = "CUDA_VISIBLE_DEVICES"


def gpu_names() -> tuple[str, ...]:
    """GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them.

    Without that variable they are counted by NVIDIA's device files.
    """
    visible = os.environ.get(VISIBLE)
    if visible is None:
        return tuple(map(str, range(len(list(Path("/dev").glob("nvidia[0-9]*"))))))
    names = [name.strip() for name in visible.split(",")]
    return tuple(name for name in names if name not in ("", "-1"))


class GpuShares:
    """Hands out the GPUs of a node in order.

    Args:
        names: Of the GPUs.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._free = dict.fromkeys(names, 1.0)

    def take(self, share: float) -> tuple[str, ...]:
        """GPUs for a worker.

        Args:
            share: How many; less than one is a share of one that others may share as well.

        Returns:
            Their names; nothing where there are too few.
        """
        count, part = (1, share) if share < 1 else (math.ceil(share), 1.0)
        found = [name for name, free in self._free.items() if free >= part - 1e-9][:count]
        if len(found) < count:
            return ()
        for name in found:
            self._free[name] -= part
        return tuple(found)

    def copy(self) -> GpuShares:
        """Another one in the same state."""
        made = GpuShares(())
        made._free = dict(self._free)
        return made


def gpu_share(workers: int, gpus: int) -> float:
    """What of a GPU each of several workers gets, where all are to have one: 1, 1/2, 1/3 ..."""
    return 1.0 / math.ceil(workers / max(1, gpus))


def device(gpus: tuple[str, ...]) -> str:
    """What a worker that sees only these calls its first device."""
    return "cuda:0" if gpus else "cpu"


def too_few(pool: str, share: float, why: str) -> RunError:
    """The error of a pool whose worker finds no GPU.

    Args:
        pool: Its name.
        share: That each of its workers wants.
        why: Ends the sentence "a worker wants so many GPUs, and ...".
    """
    return RunError(
        f"a worker of pool {pool!r} wants {share:g} GPUs, and {why}; give workers fewer (a "
        f"fraction lets several share one), have fewer workers, or check {VISIBLE}."
    )
