"""The scan of a pool against plain loops, libraries' loops and its own limits.

    python benchmarks/scan.py --data ARCHIVE [--quick] [--case NAME ...] [--peers FOLDER]

ResNet-18 with trained weights over real CIFAR-10 JPEG files, least confidence, a quarter picked.
One JSON object a line: ``ours`` and ``peer`` in images a second of wall time, ``ours_cpu`` and
``peer_cpu`` in images a CPU second, ``limit`` measured alone in the same run, ``same_picks``
beside. All of a case are measured in turns, several rounds long: rates are the best of the rounds,
``ratio`` and ``of_limit`` the median of the ratios within a round.

Args of the command line:
    --data: CIFAR-10 as JPEG files in a tar archive, ``train/CLASS/NNNN.jpg``.
    --cache: A folder outside of the repository for the unpacked files and the weights.
    --peers: A folder into which modAL-python and scikit-activeml were installed with
        ``pip install --target``; without it their loops are left out.
    --quick: A tenth of the items; the numbers then say little.
    --divide: So many times fewer items, where the machine is busy.
    --lean: Without the loops over eager PyTorch, whose threads wait for each other most of the
        time where the machine is busy.
    --device: "cuda" for a GPU. PyTorch then runs the network in place of OpenVINO, for ours and
        for the peers, there are other numbers of items, and two cases more: ``gpu``, what the
        parts of the way to the GPU take alone, and ``feeds``, several processes that feed it.
    --rounds: How often all of a case are measured, in turns; three unless ``--quick``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
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
from scan_feeds import feeds
from scan_gpu import apart, gpu_parts
from scan_turns import Call, Rates, in_turns, line

from querist.pool.pool import Pool
from querist.pool.query import QueryResult
from querist.sources.opening import Sources
from querist.sources.transforms.image import Image
from querist.testing.servers.separate import separate

WANTED = frozenset({"probabilities"})
COLD = {"cache": False}
LEAST = "least-confidence"
LATENCY, RATE = 0.05, 1_000_000.0
Line = dict[str, Any]


def forward(model: Any, images: np.ndarray, count: int) -> Call:
    """So many images through the model alone; they lie in memory."""
    # As the scan takes them where the model is on a GPU, and small images are cheap there.
    batch = 1024 if model.info.device != "cpu" and images.shape[1] < 64 else 256
    model.infer(images[:batch], WANTED)

    def run() -> None:
        left = count
        while left:
            for at in range(0, min(left, len(images)), batch):
                model.infer(images[at : min(at + batch, left, len(images))], WANTED)
            left -= min(left, len(images))

    return Call(run, count)


def decoding(files: list[Path], size: int) -> Call:
    """Files read and decoded alone, by one thread."""
    transform = Image(size=size)

    def run() -> None:
        for file in files:
            transform.decode(file.read_bytes())

    return Call(run, len(files))


def same(result: QueryResult, rows: Any) -> float | None:
    """Share of a peer's picks (numbers of files) that are ours too."""
    if not isinstance(rows, np.ndarray):
        return None
    ours = {int(pick.uri.rpartition("/")[2].partition(".")[0]) for pick in result.picks}
    return len(ours & set(rows.tolist())) / len(ours)


def local(bench: Bench, precision: str, count: int, size: int, rounds: int) -> Iterator[Line]:
    """Files of this machine; the model is opened before, for all alike."""
    case = "local-224" if size == 224 else f"local-32-{precision}"
    folder = bench.folder(count)
    files = sorted(folder.iterdir())
    model = bench.opened(precision, size)
    images = bench.decoded(files[: min(count, 8192 if size == 32 else 512)], size)
    pool = bench.pool(folder, size)
    eager = peers.eager(bench.weights, bench.threads, bench.device)
    backends = {f", our backend, {precision}": peers.ours(model)}
    if precision != "fp32":
        exact = bench.opened("fp32", size)
        backends[", our backend, fp32"] = peers.ours(exact)
    loops = dict(peer_loops(eager, backends, files, size, bench))
    scan = Call(lambda: pool.query(0.25, strategy=LEAST, model=model, scan=COLD), count)
    decode_alone = apart(pool, files, bench.threads) if bench.on_gpu else decoding(files, size)
    alone = {"forward": forward(model, images, count), "decode": decode_alone}
    found = in_turns({**alone, "scan": scan, **loops}, rounds)
    ours, limit, decode = (found[name] for name in ("scan", "forward", "decode"))
    slower = min(("forward", "decode"), key=lambda name: max(found[name].wall))
    about = {
        "items": count,
        "limit": limit,
        "decode": max(decode.wall),
        "of_slower": ours.of(found[slower]),
        "slower": slower,
        # What both take of the processors together, however well they overlap.
        "of_shared_cpu": max(ours.cpu) * (1 / max(limit.cpu) + 1 / max(decode.cpu)),
        "compile_s": float(model.info.compile_seconds),
        "held_mb": held(pool, model),
        "load": os.getloadavg()[0],
    }
    for name in loops:
        picked = same(ours.made, found[name].made)
        yield line(case, ours, found[name], peer_name=name, same_picks=picked, **about)


def held(pool: Pool, model: Any) -> float:
    """MiB that lay between the stages at most."""
    seen: list[Any] = []
    pool.query(0.25, strategy=LEAST, model=model, scan=COLD, progress=seen.append)
    return float(seen[-1].held_mb)


def peer_loops(
    eager: peers.Backend,
    ours: dict[str, peers.Backend],
    files: list[Path],
    size: int,
    bench: Bench,
) -> Iterator[tuple[str, Call]]:
    """The loops of others over local files; those that are slow get fewer files."""
    few = min(len(files), 1000 if size == 32 else 60)
    most = (10_000, 1000) if bench.on_gpu else (len(files), 128)
    some = min(len(files), most[size != 32])
    quarter = round(0.25 * len(files))

    def naive(backend: peers.Backend, batch: int, count: int) -> Call:
        def run() -> np.ndarray | None:
            scores = peers.naive(files[:count], backend, batch, size)
            picked = peers.least_confident(scores, quarter)
            return picked if count == len(files) else None

        return Call(run, count)

    def picked(loop: Callable[..., np.ndarray], backend: peers.Backend) -> np.ndarray | None:
        found = loop(files[:some], backend, some // 4)
        return found if some == len(files) else None

    if not bench.lean:
        yield "naive-1", naive(eager, 1, few)
        yield "naive-64", naive(eager, 64, some)
    for own, backend in ours.items():
        yield f"naive-64{own}", naive(backend, 64, len(files))
    if size == 32 and peers.with_packages(""):
        for name, loop in (("modAL", peers.modal), ("scikit-activeml", peers.scikit_activeml)):
            own, backend = next(iter(ours.items()))
            for what, used in (({} if bench.lean else {"": eager}) | {own: backend}).items():
                run = lambda loop=loop, b=used: picked(loop, b)  # noqa: E731
                yield name + what, Call(run, some)


def slow(bench: Bench, kind: Any, count: int, rounds: int) -> Iterator[Line]:
    """A source behind a slow link; the limit is the slower of network and compute alone."""
    folder = bench.folder(count)
    model = bench.opened("bf16")
    images = bench.decoded(sorted(folder.iterdir())[: min(count, 8192)], 32)
    with separate(kind, folder, LATENCY, RATE) as server:
        pool = bench.pool(server.url, sources=kept(server.options))
        uris = [item.uri for rows in pool.rows() for item in pool.fetch(rows)]
        few = 60 if kind != "ftp" else 30
        with Sources(options=server.options) as sources:
            calls = {
                "network": fetching(uris, server.options),
                "compute": forward(model, images, count),
                "scan": Call(
                    lambda: pool.query(0.25, strategy=LEAST, model=model, scan=COLD), count
                ),
                "peer": Call(lambda: one_by_one(sources, uris[:few], model), few),
            }
            found = in_turns(calls, rounds)
    ours, network, compute = found["scan"], found["network"], found["compute"]
    assert ours.made.counts["scored"] == count, ours.made.failures[:3]
    limit = network if max(network.wall) < max(compute.wall) else compute
    yield line(kind, ours, found["peer"], items=count, limit=limit, compute=max(compute.wall),
               peer_name="fetch, decode and infer one by one", latency_s=LATENCY, rate_bytes=RATE,
               load=os.getloadavg()[0])  # fmt: skip


def kept(options: dict[str, Any]) -> dict[str, Any]:
    """Options as a pool keeps them: a secret by the name of a variable."""
    if "s3" not in options:
        return options
    os.environ["S3_SECRET"] = options["s3"]["secret"]
    return {"s3": {**options["s3"], "secret": "$S3_SECRET"}}


def fetching(uris: list[str], options: dict[str, Any]) -> Call:
    """All items by as many threads as their source is made for, on new connections."""

    def run() -> None:
        with (
            Sources(options=options) as sources,
            ThreadPoolExecutor(sources.concurrency(uris[0])) as threads,
        ):
            for _ in threads.map(sources.read, uris):
                pass

    return Call(run, len(uris))


def one_by_one(sources: Sources, uris: list[str], model: Any) -> None:
    """The loop that pays the sum."""
    transform = Image(size=32)
    for uri in uris:
        model.infer(transform.decode(sources.read(uri))[None], WANTED)


def again(bench: Bench, count: int, rounds: int) -> Iterator[Line]:
    """A second round of the same model, and another model over warm caches."""
    pool, asked = bench.pool(bench.folder(count)), bench.model("fp32")
    where = {"device": bench.device}
    first, second = Rates(), Rates()
    first.take(Call(lambda: pool.query(0.25, strategy=LEAST, model=asked, engine=where), count))
    began = time.perf_counter()
    bench.opened("fp32").close()
    opening = time.perf_counter() - began
    picked = first.made.ids
    pool.label(dict.fromkeys(picked, "cat"))
    left = count - len(picked)
    for _ in range(rounds):
        second.take(Call(lambda: pool.query(0.25, strategy=LEAST, model=asked, engine=where), left))
        assert second.made.counts["inferred"] == second.made.counts["read"] == 0
    opened = count / (count / first.wall[0] - opening)
    first.wall, first.cpu = first.wall * rounds, first.cpu * rounds
    yield line("second-round", second, first, items=left, peer_name="first round, model opened",
               ratio_beside_opening=max(second.wall) / opened, opening_s=opening,
               load=os.getloadavg()[0])  # fmt: skip
    pool.unlabel(picked)
    yield new_model(bench, pool, count, rounds)


def new_model(bench: Bench, pool: Pool, count: int, rounds: int) -> Line:
    """Another model over a pool whose items were all read and decoded before."""
    model = bench.opened("bf16")
    images = bench.decoded(bench.files[: min(count, 8192)], 32)

    def run() -> QueryResult:
        shutil.rmtree(pool.folder / "cache" / "outputs")
        return pool.query(0.25, strategy=LEAST, model=model)

    found = in_turns({"forward": forward(model, images, count), "scan": Call(run, count)}, rounds)
    counts = found["scan"].made.counts
    assert (counts["inferred"], counts["read"], counts["decoded"]) == (count, 0, 0)
    return line("new-model", found["scan"], items=count, limit=found["forward"], read=0, decoded=0,
                load=os.getloadavg()[0])  # fmt: skip


def million(bench: Bench) -> Iterator[Line]:
    """A million items of an artificial source, in a process of its own for its memory."""
    count = 100_000 if bench.quick else 1_000_000
    command = [sys.executable, __file__, "--million", str(count), "--cache", str(bench.cache)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    yield json.loads(told.splitlines()[-1])


def run_million(count: int, cache: Path) -> Line:
    """Texts that lie in the index itself, and a model that costs next to nothing."""
    folder = cache / "million"
    shutil.rmtree(folder, ignore_errors=True)
    adding, ours = Rates(), Rates()
    with Pool.create(folder, {"transform": {"modality": "text"}}) as pool:
        adding.take(Call(lambda: pool.add_items(f"item {n}" for n in range(count)), count))
        asked = {"use": "python", "function": "scan_million:scores"}
        ours.take(Call(lambda: pool.query(10_000, strategy=LEAST, model=asked, scan=COLD), count))
    shutil.rmtree(folder, ignore_errors=True)
    scored = ours.made.counts["scored"]
    return line("million", ours, items=count, added_per_s=max(adding.wall), resident_mb=peak_mb(),
                limit_mb=1024, scored=scored, load=os.getloadavg()[0])  # fmt: skip


def peak_mb() -> float:
    """Largest resident memory of this process so far; getrusage tells a parent's, too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(one.split()[1]) / 1024 for one in lines if one.startswith("VmHWM"))


def curve(bench: Bench, count: int, rounds: int) -> Iterator[Line]:
    """Images a second by size of batch, for three sources (ALaaS, figure 7)."""
    model = bench.opened("bf16")
    folder = bench.folder(count)
    yield from sizes(bench.pool(folder), model, "local", count, rounds)
    count = min(count, 1000 if bench.on_gpu else 4000)
    folder = bench.folder(count)
    for kind in ("s3", "http"):
        with separate(kind, folder, LATENCY, RATE) as server:
            pool = bench.pool(server.url, sources=kept(server.options))
            yield from sizes(pool, model, kind, count, rounds)


def sizes(pool: Pool, model: Any, source: str, count: int, rounds: int) -> Iterator[Line]:
    """One source's line of the figure."""

    def scan(batch: int) -> Call:
        return Call(
            lambda: pool.query(0.25, strategy=LEAST, model=model, scan={**COLD, "batch": batch}),
            count,
        )

    tried = (1, 2, 4, 8, 16, 32, 64, 128, 256, *((512, 1024) if model.info.device != "cpu" else ()))
    found = in_turns({str(batch): scan(batch) for batch in tried}, rounds)
    for batch, rates in found.items():
        yield line("batch-size", rates, source=source, batch=int(batch), items=count,
                   load=os.getloadavg()[0])  # fmt: skip


def cases(bench: Bench, rounds: int, share: int) -> dict[str, Callable[[], Iterator[Line]]]:
    """All cases by name; all but ``million`` with a share of their items."""
    small, large, points = (100_000, 20_000, 16_000) if bench.on_gpu else (20_000, 600, 4000)
    parts = {"gpu": lambda: gpu_parts(bench, small // share), "feeds": lambda: feeds(bench, share)}
    return {
        **(parts if bench.on_gpu else {}),
        "local-32-fp32": lambda: local(bench, "fp32", small // share, 32, rounds),
        "local-32-bf16": lambda: local(bench, "bf16", small // share, 32, rounds),
        "local-224": lambda: local(bench, "bf16", large // share, 224, rounds),
        "http": lambda: slow(bench, "http", 10_000 // share, rounds),
        "s3": lambda: slow(bench, "s3", 5000 // share, rounds),
        "ftp": lambda: slow(bench, "ftp", 3000 // share, rounds),
        "again": lambda: again(bench, 50_000 // share, rounds),
        "caches": lambda: caches(bench.cache / "caches", 100_000 // share),
        "million": lambda: million(bench),
        "batch-size": lambda: curve(bench, points // share, min(rounds, 2)),
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
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--divide", type=int, default=0)
    parser.add_argument("--lean", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--million", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.million:
        print(json.dumps(run_million(given.million, given.cache)))
        return
    peers.with_packages(given.peers)
    rounds = given.rounds or (1 if given.quick else 3)
    share = given.divide or (10 if given.quick else 1)
    known = cases(
        Bench(given.data, given.cache, given.quick, given.lean, given.device), rounds, share
    )
    for name in given.case or known:
        for told in known[name]():
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
