"""Selections from tensors on a GPU beside the same from NumPy arrays: one JSON object a line.

    python benchmarks/selection_gpu.py [--quick] [--case NAME ...] [--device cuda]

The cases and arrays of ``selection.py``. ``gpu`` and ``cpu`` are the least wall seconds of a
selection, the arrays being where they are used; ``cpu`` has as many threads as it may.
``extra_mb`` is what the GPU holds at the peak beside the data, ``same_picks`` the share of picks
that are the same, ``to_host_kb`` the most that left the GPU in one piece.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import torch
from selection import CASES, Case, budget_of
from selection_data import arrays
from torch.overrides import TorchFunctionMode

import querist
from querist.strategies import registry


class Leaving(TorchFunctionMode):
    """Notes the largest tensor that is copied from a GPU to the host."""

    most = 0

    def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """As it is, with a look at what comes out."""
        made = function(*args, **(kwargs or {}))
        there = args and isinstance(args[0], torch.Tensor) and args[0].is_cuda
        if there and isinstance(made, torch.Tensor) and not made.is_cuda:
            self.most = max(self.most, made.numel() * made.element_size())
        return made


def line(name: str, case: Case, quick: bool, device: str) -> dict[str, Any]:
    """One case on both."""
    data, budget = arrays(name, quick), budget_of(case, quick)
    rng = 0 if registry.get(case.strategy).random or case.strategy == "batchbald" else None
    there = {key: torch.tensor(value, device=device) for key, value in data.items()}

    def select(given: dict[str, Any]) -> Any:
        return querist.select(case.strategy, budget, rng=rng, **given, **case.options)

    picked = select(there)  # kernels are loaded
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with Leaving() as leaving:
        gpu = seconds(lambda: select(there))
    extra = (torch.cuda.max_memory_allocated() - before) / 1e6
    gpu = min(gpu, *(seconds(lambda: select(there)) for _ in range(2)))
    found: list[Any] = []
    cpu = min(seconds(lambda: found.append(select(data))) for _ in range(min(2, case.repeats)))
    same = set(picked.indices.tolist()) & set(found[0].indices.tolist())
    return {
        "case": name,
        "strategy": case.strategy,
        "budget": budget,
        "card": torch.cuda.get_device_name(),
        "gpu": round(gpu, 4),
        "cpu": round(cpu, 4),
        "extra_mb": round(extra, 1),
        "to_host_kb": round(leaving.most / 1e3, 1),
        "same_picks": round(len(same) / budget, 4),
        "same_order": picked.indices.tolist() == found[0].indices.tolist(),
    }


def seconds(call: Callable[[], Any]) -> float:
    """Wall time, until the GPU is done."""
    began = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--device", default="cuda")
    given = parser.parse_args()
    for name in given.case or CASES:
        if name != "mmap-10m":
            for case in CASES[name]:
                try:
                    told = line(name, case, given.quick, given.device)
                except Exception as error:  # noqa: BLE001 - the other cases are of use
                    told = {"case": name, "failed": repr(error)[:300]}
                print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
