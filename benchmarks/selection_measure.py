"""CPU seconds and extra resident memory of a call."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def alone() -> dict[str, str]:
    """The environment of a process with one thread."""
    return {**os.environ, **ONE_THREAD}


def _megabytes(field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", STATUS.read_text(encoding="utf-8"))
    return int(found[1]) / 1024 if found else float("nan")


def measure(call: Callable[[], Any], repeats: int = 1) -> tuple[Any, dict[str, float | None]]:
    """What the call returns; its least CPU seconds; megabytes at its peak above the beginning.

    Memory is that of the first of the repeats, and None where Linux's /proc is missing.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
    seconds, extra, result = float("inf"), None, None
    for repeat in range(repeats):
        if repeat == 0 and RESET.exists():
            RESET.write_text("5", encoding="utf-8")  # the peak starts anew
            before = _megabytes("VmRSS")
        begun = time.process_time()
        result = call()
        seconds = min(seconds, time.process_time() - begun)
        if repeat == 0 and RESET.exists():
            extra = round(_megabytes("VmHWM") - before, 1)
    return result, {"seconds": round(seconds, 4), "extra_mb": extra}


def resident_peak() -> float | None:
    """Megabytes of this process at its peak since :func:`measure` began; None if unknown."""
    return round(_megabytes("VmHWM"), 1) if STATUS.exists() else None
