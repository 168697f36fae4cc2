"""A GPU fed by several processes: one worker or several of them, and PyTorch's loader of data."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from scan_data import Bench
from scan_network import MEAN, STD, ResNet18
from scan_peers import least_confident, read
from torch.utils.data import DataLoader, Dataset

from querist.pool.query_state import CHUNK
from querist.store.run_folder import RunFolder

BATCH = 256
CASES = ((32, 200_000, (1, 4)), (224, 40_000, (1, 4)))
"""Pixels a side, items, and how many workers are tried; of one, processes only decode."""
LOADING = 12
"""Processes of PyTorch's loader."""


def feeds(bench: Bench, share: int) -> Iterator[dict[str, Any]]:
    """Both, for small and large images.

    ``ours`` and ``peer`` are images a second once a fifth is done, so without the start of the
    processes, which ``start_s`` and ``peer_start_s`` tell; ``seconds`` are of all.
    """
    for size, wanted, tried in CASES:
        count = wanted // share
        folder = bench.folder(count)
        files = sorted(folder.iterdir())
        for workers in tried:
            mine, picks = scanned(bench, folder, size, workers)
            theirs, peers_picks = loaded(bench, files, size, LOADING)
            yield {
                "case": "feeds",
                "size": size,
                "items": count,
                "workers": workers,
                "peer_workers": LOADING,
                **mine,
                **{f"peer_{name}" if name != "ours" else "peer": v for name, v in theirs.items()},
                "ratio": round(mine["ours"] / theirs["ours"], 2),
                "same_picks": round(len(picks & peers_picks) / len(picks), 4),
                "peer_name": "DataLoader, batch 256, eager bf16",
                "load": os.getloadavg()[0],
            }


class Pace:
    """When how much was done."""

    def __init__(self, total: int) -> None:
        self._total, self._began = total, time.perf_counter()
        self.points: list[tuple[float, int]] = []

    def at(self, done: int) -> None:
        """So many items are done now."""
        if done and (not self.points or done > self.points[-1][1]):
            self.points.append((time.perf_counter() - self._began, done))

    def told(self) -> dict[str, float]:
        """Images a second after the first fifth, seconds to the first result, and of all."""
        since, first = next(point for point in self.points if point[1] >= self._total / 5)
        until, last = self.points[-1]
        rate = (last - first) / (until - since)
        whole = time.perf_counter() - self._began
        return {"ours": round(rate), "start_s": round(self.points[0][0], 1),
                "seconds": round(whole, 1)}  # fmt: skip


def scanned(
    bench: Bench, folder: Path, size: int, workers: int
) -> tuple[dict[str, float], set[int]]:
    """By a query of one worker, or that several share."""
    pool = bench.pool(folder, size)
    pace = Pace(len(list(folder.iterdir())))
    engine: dict[str, Any] = {"device": bench.device}
    if workers > 1:
        engine |= {"kind": "processes", "workers": workers}
    result = pool.query(
        0.25,
        strategy="least-confidence",
        model=bench.model("bf16", size),
        engine=engine,
        scan={"cache": False} | ({"batch": BATCH, "chunk": 2 * BATCH} if workers > 1 else {}),
        progress=lambda status: pace.at(status.done),
    )
    picks = {int(pick.uri.rpartition("/")[2].partition(".")[0]) for pick in result.picks}
    return {**pace.told(), **stages(result.folder)}, picks


def stages(folder: Path) -> dict[str, float]:
    """Seconds of all workers together, by stage."""
    found: Counter[str] = Counter()
    for record in RunFolder(folder).journal_reader():
        if record.kind == CHUNK:
            found.update(record.data["seconds"])
    return {f"{name}_s": round(seconds, 2) for name, seconds in found.items()}


class Files(Dataset[torch.Tensor]):
    """Files, as people read them."""

    def __init__(self, files: list[Path], size: int) -> None:
        self._files, self._size = files, size

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, at: int) -> torch.Tensor:
        return torch.from_numpy(np.array(read(self._files[at], self._size)))


def loaded(
    bench: Bench, files: list[Path], size: int, workers: int
) -> tuple[dict[str, float], set[int]]:
    """By PyTorch's loader, whose processes decode, and one process that infers."""
    network = ResNet18().eval()
    network.load_state_dict(load_file(bench.weights))
    network = network.to(bench.device, torch.bfloat16, memory_format=torch.channels_last)
    mean, std = (torch.tensor(v, device=bench.device) for v in (MEAN, STD))
    pace, found = Pace(len(files)), []
    loader = DataLoader(
        Files(files, size), BATCH, num_workers=workers, pin_memory=bench.on_gpu, prefetch_factor=4
    )
    done = 0
    with torch.inference_mode():
        for batch in loader:
            there = batch.to(bench.device, non_blocking=True)
            scaled = ((there.float() / 255 - mean) / std).to(torch.bfloat16).permute(0, 3, 1, 2)
            found.append(torch.softmax(network(scaled).float(), 1).cpu().numpy())
            done += len(batch)
            pace.at(done)
    picks = least_confident(np.concatenate(found), round(0.25 * len(files)))
    return pace.told(), set(picks.tolist())
