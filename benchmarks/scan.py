"""The scan of a pool against plain loops, libraries' loops and its own limits.

    python benchmarks/scan.py --data ARCHIVE [--quick] [--case NAME ...] [--peers FOLDER]

ResNet-18 with trained weights over real CIFAR-10 JPEG files, least confidence, a quarter picked.
One JSON object a line: ``ours`` and ``peer`` in images a second of wall time, ``ours_cpu`` and
``peer_cpu`` in images a CPU second, ``limit`` measured alone in the same run, ``same_picks``
beside.

Args of the command line:
    --data: CIFAR-10 as JPEG files in a tar archive, ``train/CLASS/NNNN.jpg``.
    --cache: A folder outside of the repository for the unpacked files and the weights.
    --peers: A folder into which modAL-python and scikit-activeml were installed with
        ``pip install --target``; without it their loops are left out.
    --quick: A tenth of the items; the numbers then say little.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import scan_peers as peers
from scan_caches import caches
from scan_data import Bench
from scan_servers import served

from querist.models.inference import open_inference
from querist.pool.pool import Pool
from querist.pool.query import QueryResult
from querist.sources.opening import Sources
from querist.sources.transforms.image import Image

WANTED = frozenset({"probabilities"})
COLD = {"cache": False}
Line = dict[str, Any]


def measured(call: Callable[[], Any], items: int, repeats: int = 2) -> tuple[Any, Line]:
    """What a call returns, and its best rates."""
    best: Line = {"wall": 0.0, "cpu": 0.0}
    result = None
    for _ in range(repeats):
        began, cpu = time.perf_counter(), time.process_time()
        result = call()
        spent = time.perf_counter() - began
        if items / spent > best["wall"]:
            best = {"wall": items / spent, "cpu": items / (time.process_time() - cpu)}
    return result, best


def forward(model: Any, images: np.ndarray, count: int, batch: int = 256) -> float:
    """Images a second through the model alone, with all of them in memory."""
    model.infer(images[:batch], WANTED)

    def run() -> None:
        for at in range(0, count, batch):
            model.infer(images[at % len(images) :][: min(batch, count - at)], WANTED)

    return float(measured(run, count, 3)[1]["wall"])


def decoding(files: list[Path], size: int) -> float:
    """Images a second read and decoded, by one thread alone."""
    transform = Image(size=size)
    return float(
        measured(lambda: [transform.decode(f.read_bytes()) for f in files], len(files))[1]["wall"]
    )


def same(result: QueryResult, rows: np.ndarray) -> float:
    """Share of a peer's picks (numbers of files) that are ours too."""
    ours = {int(pick.uri.rpartition("/")[2].partition(".")[0]) for pick in result.picks}
    return len(ours & set(rows.tolist())) / len(ours)


def line(case: str, ours: Line, peer: Line | None = None, **more: Any) -> Line:
    """One line of the output."""
    told: Line = {"case": case, "ours": round(ours["wall"], 1), "ours_cpu": round(ours["cpu"], 1)}
    if peer is not None:
        told |= {"peer": round(peer["wall"], 1), "peer_cpu": round(peer["cpu"], 1)}
        told["ratio"] = round(ours["wall"] / peer["wall"], 2)
    for name, value in more.items():
        told[name] = round(value, 4) if isinstance(value, float) else value
    if isinstance(more.get("limit"), float):
        told["of_limit"] = round(ours["wall"] / more["limit"], 3)
    return told


def local(bench: Bench, precision: str, count: int, size: int) -> Iterator[Line]:
    """Files of this machine; the model is opened before, for all alike."""
    case = "local-224" if size == 224 else f"local-32-{precision}"
    files = sorted(bench.folder(count).iterdir())
    model = open_inference(bench.model(precision, size), threads=bench.threads)
    images = bench.decoded(files[: min(count, 8192 if size == 32 else 512)], size)
    repeats = 3 if size == 32 else 2
    pool = bench.pool(bench.folder(count), size)
    limit = forward(model, images, min(count, 8192))
    scan: Callable[[], QueryResult] = lambda: pool.query(0.25, model=model, scan=COLD)  # noqa: E731
    result, ours = measured(scan, count, repeats)
    limit = max(limit, forward(model, images, min(count, 8192)))
    decode = decoding(files[: len(images)], size)
    about = {"items": count, "limit": limit, "decode": decode}
    about["compile_s"] = float(model.info.compile_seconds)
    about["memory_mb"] = held(pool, model)
    torch_loop = peers.eager(bench.weights, bench.threads)
    for name, loop, number in loops(torch_loop, peers.ours(model), files, size, precision):
        shown = files[:number]
        found, peer = measured(lambda loop=loop, shown=shown: loop(shown), number, repeats)
        picked = same(result, found) if number == count and found is not None else None
        yield line(case, ours, peer, peer_name=name, same_picks=picked, **about)


def held(pool: Pool, model: Any) -> float:
    """MiB that lay between the stages at most."""
    seen: list[Any] = []
    pool.query(0.25, model=model, scan=COLD, progress=seen.append)
    return float(seen[-1].held_mb)


def loops(
    torch_loop: peers.Backend, ours: peers.Backend, files: list[Path], size: int, precision: str
) -> Iterator[tuple[str, Callable[[list[Path]], Any], int]]:
    """The peers of local files: a name, the loop, and on how many files it is run."""
    few = min(len(files), 1000 if size == 32 else 60)
    quarter = round(0.25 * len(files))

    def picked(backend: peers.Backend) -> Callable[[list[Path]], np.ndarray]:
        return lambda shown: peers.least_confident(peers.naive(shown, backend, 64, size), quarter)

    yield "naive-1", lambda shown: peers.naive(shown, torch_loop, 1, size) is None, few
    some = len(files) if size == 32 else min(len(files), 256)
    yield "naive-64", picked(torch_loop), some
    yield f"naive-64, our backend, {precision}", picked(ours), len(files)
    if size == 32 and peers.with_packages(""):
        for name, loop in (("modAL", peers.modal), ("scikit-activeml", peers.scikit_activeml)):
            for what, backend in (("", torch_loop), (f", our backend, {precision}", ours)):
                run = lambda shown, loop=loop, b=backend: loop(shown, b, quarter)  # noqa: E731
                yield name + what, run, len(files)


def slow(bench: Bench, kind: str, count: int, latency: float, rate: float) -> Iterator[Line]:
    """A source behind a slow link; the limit is the slower of network and compute alone."""
    folder = bench.folder(count)
    model = open_inference(bench.model("bf16"), threads=bench.threads)
    images = bench.decoded(sorted(folder.iterdir())[: min(count, 8192)], 32)
    with served(kind, folder, latency, rate) as (url, options):
        pool = bench.pool(url, sources=options)
        uris = [item.uri for rows in pool.rows() for item in pool.fetch(rows)]
        network = max(fetching(uris, options) for _ in range(2))
        result, ours = measured(lambda: pool.query(0.25, model=model, scan=COLD), count, 2)
        few = 60 if kind != "ftp" else 30
        with Sources(options=options) as sources:
            peer = measured(lambda: one_by_one(sources, uris[:few], model), few, 1)[1]
        network = max(network, fetching(uris, options))
    compute = forward(model, images, count)
    assert result.counts["scored"] == count, result.failures[:3]
    about = {"network": network, "compute": compute, "latency_s": latency, "rate_bytes": rate}
    yield line(kind, ours, peer, items=count, peer_name="fetch, decode and infer one by one",
               limit=min(network, compute), **about)  # fmt: skip


def fetching(uris: list[str], options: dict[str, Any]) -> float:
    """Items a second that the source gives to as many threads as it is made for."""
    with (
        Sources(options=options) as sources,
        ThreadPoolExecutor(sources.concurrency(uris[0])) as threads,
    ):
        rates = measured(lambda: list(threads.map(sources.read, uris)), len(uris), 1)[1]
    return float(rates["wall"])


def one_by_one(sources: Sources, uris: list[str], model: Any) -> None:
    """The loop that pays the sum."""
    transform = Image(size=32)
    for uri in uris:
        model.infer(transform.decode(sources.read(uri))[None], WANTED)


def again(bench: Bench, count: int) -> Iterator[Line]:
    """A second round of the same model, and another model over warm caches."""
    pool, first = bench.pool(bench.folder(count)), bench.model("fp32")
    result, before = measured(lambda: pool.query(0.25, model=first), count, 1)
    pool.label(dict.fromkeys(result.ids, "cat"))
    left = count - len(result.ids)
    later, after = measured(lambda: pool.query(0.25, model=first), left, 3)
    assert later.counts["inferred"] == later.counts["read"] == 0
    yield line("second-round", after, before, items=left, peer_name="first round, model opened")
    pool.unlabel(result.ids)
    new = open_inference(bench.model("bf16"), threads=bench.threads)
    limit = forward(new, bench.decoded(bench.files[: min(count, 8192)], 32), min(count, 8192))
    found, ours = measured(lambda: pool.query(0.25, model=new), count, 1)
    assert found.counts["read"] == found.counts["decoded"] == 0
    assert found.counts["inferred"] == count
    yield line("new-model", ours, items=count, limit=limit, read=0, decoded=0)


def million(bench: Bench) -> Iterator[Line]:
    """A million items of an artificial source, in a process of its own for its memory."""
    count = 100_000 if bench.quick else 1_000_000
    command = [sys.executable, __file__, "--million", str(count), "--cache", str(bench.cache)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    yield json.loads(told.splitlines()[-1])


def run_million(count: int, cache: Path) -> Line:
    """Texts that lie in the index itself, and a model that costs next to nothing."""
    import shutil

    folder = cache / "million"
    shutil.rmtree(folder, ignore_errors=True)
    with Pool.create(folder, {"transform": {"modality": "text"}}) as pool:
        adding = measured(lambda: pool.add_items(f"item {n}" for n in range(count)), count, 1)[1]
        asked = {"use": "python", "function": "scan_million:scores"}
        result, ours = measured(lambda: pool.query(10_000, model=asked, scan=COLD), count, 1)
    shutil.rmtree(folder, ignore_errors=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return line("million", ours, items=count, added_per_s=adding["wall"], resident_mb=peak,
                limit_mb=1024, scored=result.counts["scored"])  # fmt: skip


def curve(bench: Bench, count: int, latency: float, rate: float) -> Iterator[Line]:
    """Images a second by size of batch, for three sources (ALaaS, figure 7)."""
    model = open_inference(bench.model("bf16"), threads=bench.threads)
    folder = bench.folder(count)
    for kind in ("local", "s3", "http"):
        if kind == "local":
            yield from sizes(bench.pool(folder), model, kind, count)
            continue
        with served(kind, folder, latency, rate) as (url, options):
            yield from sizes(bench.pool(url, sources=options), model, kind, count)


def sizes(pool: Pool, model: Any, kind: str, count: int) -> Iterator[Line]:
    """One source's line of the figure."""
    for batch in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        scan = {**COLD, "batch": batch}
        ours = measured(lambda scan=scan: pool.query(0.25, model=model, scan=scan), count, 1)[1]
        yield line("batch-size", ours, source=kind, batch=batch, items=count)


def cases(bench: Bench) -> dict[str, Callable[[], Iterator[Line]]]:
    """All cases by name."""
    share = 10 if bench.quick else 1
    latency, rate = 0.05, 1_000_000.0
    return {
        "local-32-fp32": lambda: local(bench, "fp32", 20_000 // share, 32),
        "local-32-bf16": lambda: local(bench, "bf16", 20_000 // share, 32),
        "local-224": lambda: local(bench, "bf16", 600 // share, 224),
        "http": lambda: slow(bench, "http", 10_000 // share, latency, rate),
        "s3": lambda: slow(bench, "s3", 3000 // share, latency, rate),
        "ftp": lambda: slow(bench, "ftp", 3000 // share, latency, rate),
        "again": lambda: again(bench, 50_000 // share),
        "caches": lambda: caches(bench.cache / "caches", 100_000 // share),
        "million": lambda: million(bench),
        "batch-size": lambda: curve(bench, 2000 // share, latency, rate),
    }


def main() -> None:
    """Run the cases that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("cifar10-jpeg.tar.gz"))
    usual = Path.home() / ".cache" / "querist-benchmarks"
    parser.add_argument("--cache", type=Path, default=usual)
    parser.add_argument("--peers", default="")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", action="append")
    parser.add_argument("--million", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.million:
        print(json.dumps(run_million(given.million, given.cache)))
        return
    peers.with_packages(given.peers)
    known = cases(Bench(given.data, given.cache, given.quick))
    for name in given.case or known:
        for told in known[name]():
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
