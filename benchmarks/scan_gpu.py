"""What the parts of a scan on a GPU take alone: decoding, the way there and back, arithmetic."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from scan_data import Bench
from scan_network import ResNet18, normalised
from scan_turns import Call

from querist.pool.guessing import guess_transform
from querist.pool.pool import Pool
from querist.pool.scan.decoding import Apart, Memory, Wanted
from querist.pool.scan.place import processes_beside
from querist.sources.retrying import Retry
from querist.sources.transforms.image import Image
from querist.sources.transforms.opening import open_transform

WANTED = frozenset({"probabilities"})
REPEATS = 12


def gpu_parts(bench: Bench, count: int) -> Iterator[dict[str, Any]]:
    """Images a second, by size of image: decoded by threads, and through the network by batch."""
    told = {"case": "gpu", "card": torch.cuda.get_device_name(), "torch": torch.__version__}
    for size, sizes in ((32, (64, 256, 1024, 4096)), (224, (32, 64, 128, 256))):
        files = bench.files[: count if size == 32 else count // 20]
        images = bench.decoded(files[: max(sizes)], size)
        for threads in (1, 2, 4, 8, bench.threads):
            rate = len(files) / _seconds(_decode, files, size, threads)
            yield {**told, "part": "decode", "size": size, "threads": threads, "ours": round(rate)}
        for precision in ("fp32", "bf16"):
            model = bench.opened(precision, size)
            for batch in sizes:
                rates = _rates(bench, model, images[:batch], precision)
                found = {name: round(rate) for name, rate in rates.items()}
                about = {"precision": precision, "size": size, "batch": batch}
                yield {**told, "part": "forward", **about, **found}


def apart(pool: Pool, files: list[Path], threads: int) -> Call:
    """Files read and decoded alone, by as many processes as a scan has on so many processors.

    Their start is not measured.
    """
    told = pool.settings
    opened = told.access.policy(), told.sources, Retry(), open_transform(guess_transform(pool))
    memory = Memory()
    decoders = [Apart(opened, memory) for _ in range(processes_beside(threads) or 1)]
    for decoder in decoders:
        decoder.get_ready()
    blocks = [files[at : at + 128] for at in range(0, len(files), 128)]

    def run() -> None:
        left, lock = iter(blocks), threading.Lock()

        def work(decoder: Apart) -> None:
            while True:
                with lock:
                    block = next(left, None)
                if block is None:
                    return
                made = decoder([Wanted(n, f"file://{f}", "", None) for n, f in enumerate(block)])
                assert len(made.places) == len(block)

        with ThreadPoolExecutor(len(decoders)) as own:
            list(own.map(work, decoders))

    return Call(run, len(files))


def _rates(bench: Bench, model: Any, images: np.ndarray, precision: str) -> dict[str, float]:
    def once() -> None:
        model.infer(images, WANTED)

    repeated = len(images) * REPEATS
    once()
    once()
    rates = {"ours": repeated / _seconds(lambda: [once() for _ in range(REPEATS)])}
    for name, call in _plain(bench, images, precision).items():
        call()
        torch.cuda.synchronize()
        rates[name] = repeated / _seconds(lambda call=call: [call() for _ in range(REPEATS)])
    return rates


def _plain(bench: Bench, images: np.ndarray, precision: str) -> dict[str, Callable[[], Any]]:
    """The network in eager PyTorch: from pageable memory, and with images that are there."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    network = ResNet18().eval()
    network.load_state_dict(load_file(bench.weights))
    network = network.to(bench.device, dtype, memory_format=torch.channels_last)
    there = normalised(images).to(bench.device, dtype, memory_format=torch.channels_last)

    def resident() -> Any:
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return network(there)

    def pageable() -> Any:
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            bytes_there = torch.from_numpy(images).to(bench.device).permute(0, 3, 1, 2)
            return network((bytes_there.float() / 255).to(dtype)).float().cpu()

    return {"resident": resident, "pageable": pageable}


def _decode(files: list[Any], size: int, threads: int) -> None:
    transform = Image(size=size)
    with ThreadPoolExecutor(threads) as pool:
        parts = (files[at : at + 64] for at in range(0, len(files), 64))
        for part in pool.map(lambda some: [transform.decode(f.read_bytes()) for f in some], parts):
            assert part


def _seconds(call: Callable[..., Any], *arguments: Any) -> float:
    began = time.perf_counter()
    call(*arguments)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began
