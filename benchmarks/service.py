"""How fast the service answers: many clients at once, and while a large query runs.

python benchmarks/service.py [--quick]

Prints one JSON object a line. Server, clients and the jobs' processes share this machine, so a
second of the server is one of the others too: processor seconds are given beside, and the load.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx

MODEL = """
import numpy as np

class Words:
    # Scores texts by 4096 hashed words and fixed weights: a real forward pass, and a cheap one.
    digest, provides, classes = "words-1", frozenset({"probabilities"}), ("a", "b", "c")

    def __init__(self):
        self.weights = np.random.default_rng(0).normal(size=(4096, 3))

    def infer(self, batch, wanted):
        rows = np.zeros((len(batch), 4096), np.float32)
        for place, text in enumerate(batch):
            for word in text.split():
                rows[place, hash_of(word)] += 1
        scores = np.exp(rows @ self.weights)
        return {"probabilities": scores / scores.sum(axis=1, keepdims=True)}

    def close(self):
        pass

def hash_of(word):
    found = 0
    for letter in word.encode():
        found = (found * 31 + letter) % 4096
    return found
"""

SERVE = """
import sys
from querist.service.serving import serve
from querist.service.settings import load_settings
serve(load_settings(sys.argv[1]))
"""


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int]]:
    """A server in a process of its own; its URL and number."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = {
        "data": "data",
        "listen": {"port": port},
        "log": {"file": "log"},
        "quota": {"requests_per_minute": 1_000_000, "jobs": 100_000},
        "tenants": {"default": {"roots": ["."]}},
        "models": {"use": ["python"], "python": ["words_model:Words"]},
        "jobs": {"slots": 1},
    }
    (folder / "words_model.py").write_text(MODEL)
    (folder / "service.yaml").write_text(json.dumps(config))
    url = f"http://127.0.0.1:{port}"
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder / "service.yaml")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    try:
        while True:
            try:
                if httpx.get(f"{url}/health/ready").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(60)


def wait(client: httpx.Client, job: str) -> dict:
    """The job when it is finished."""
    while (found := client.get(f"/v1/jobs/{job}").json())["state"] not in ("done", "failed"):
        time.sleep(0.1)
    if found["state"] == "failed":
        raise SystemExit(found["error"])
    return found


def pool_of(client: httpx.Client, name: str, items: int) -> str:
    """A pool of short texts."""
    lines = "".join(json.dumps({"id": f"{n}", "text": f"text {n}"}) + "\n" for n in range(items))
    body = {"name": name, "transform": {"modality": "text"}}
    pool = client.post("/v1/pools", json=body).json()["id"]
    sent = client.post(
        f"/v1/pools/{pool}/manifests",
        params={"format": "jsonl"},
        content=lines.encode(),
        headers={"Content-Type": "application/octet-stream"},
    ).json()
    wait(client, sent["id"])
    return pool


def timed(call: Callable[[], httpx.Response]) -> float:
    """Milliseconds of a request that must succeed."""
    began = time.perf_counter()
    call().raise_for_status()
    return 1000 * (time.perf_counter() - began)


def processor_seconds(pid: int) -> float:
    """What a process has used, its children not counted; 0 where this is not told."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def tell(case: str, milliseconds: list[float], **more: object) -> None:
    """One line."""
    cut = statistics.quantiles(milliseconds, n=100)
    ours = {"p50_ms": round(cut[49], 2), "p99_ms": round(cut[98], 2)}
    print(
        json.dumps(
            {
                "case": case,
                "ours": ours,
                "requests": len(milliseconds),
                "load": round(os.getloadavg()[0], 1),
                **more,
            }
        ),
        flush=True,
    )


def clients(url: str, pid: int, pool: str, number: int, rounds: int) -> None:
    """Many clients that each submit small queries and look at them."""

    def one(_: int) -> tuple[list[float], list[float]]:
        submit, status = [], []
        with httpx.Client(base_url=url, timeout=120) as client:
            for _ in range(rounds):
                body = {"strategy": "random", "budget": 1}
                path = f"/v1/pools/{pool}/queries"
                began = time.perf_counter()
                made = client.post(path, json=body).raise_for_status().json()["id"]
                submit.append(1000 * (time.perf_counter() - began))
                look = partial(client.get, f"/v1/queries/{made}")
                status += [timed(look) for _ in range(4)]
        return submit, status

    began, used = time.perf_counter(), processor_seconds(pid)
    with ThreadPoolExecutor(number) as threads:
        found = list(threads.map(one, range(number)))
    seconds, used = time.perf_counter() - began, processor_seconds(pid) - used
    each = round(1000 * used / (5 * number * rounds), 2)
    for name, place in (("submit", 0), ("status", 1)):
        values = [value for pair in found for value in pair[place]]
        tell(
            f"{number}-clients-{name}",
            values,
            requests_per_second=round(len(values) / seconds),
            server_cpu_ms_of_a_request=each,
        )


def responsive(url: str, items: int) -> None:
    """Status, lists and small submits while a query scans every item of a large pool."""
    with httpx.Client(base_url=url, timeout=120) as client:
        pool = pool_of(client, "large", items)
        settings = {"use": "python", "object": "words_model:Words"}
        made = client.post("/v1/models", json={"name": "words", "settings": settings}).json()
        body = {"model": made["id"], "strategy": "margin", "budget": 100}
        small = {"strategy": "random", "budget": 1}
        began = time.perf_counter()
        job = client.post(f"/v1/pools/{pool}/queries", json=body).json()["id"]
        names = ("status", "list", "items", "submit")
        times: dict[str, list[float]] = {name: [] for name in names}
        while True:
            found = client.get(f"/v1/jobs/{job}").json()
            times["status"].append(timed(lambda: client.get(f"/v1/jobs/{job}")))
            times["list"].append(timed(lambda: client.get("/v1/jobs")))
            times["items"].append(timed(lambda: client.get(f"/v1/pools/{pool}/items")))
            times["submit"].append(
                timed(lambda: client.post(f"/v1/pools/{pool}/queries", json=small))
            )
            if found["state"] in ("done", "failed"):
                break
            time.sleep(0.1)
        seconds = time.perf_counter() - began
        scanned = found["counts"]["scanned"]
        for name, values in times.items():
            tell(
                f"query-of-{items}-{name}",
                values,
                state=found["state"],
                scanned=scanned,
                seconds=round(seconds, 1),
            )
        for one in client.get("/v1/jobs", params={"state": "queued", "limit": 1000}).json()[
            "items"
        ]:
            client.post(f"/v1/jobs/{one['id']}/cancel")


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (url, pid):
        with httpx.Client(base_url=url, timeout=120) as client:
            small = pool_of(client, "small", 50)
        # The large query first: the small ones' jobs would stand in its queue.
        responsive(url, 5_000 if quick else 100_000)
        clients(url, pid, small, 10 if quick else 50, 2 if quick else 5)


if __name__ == "__main__":
    main()
