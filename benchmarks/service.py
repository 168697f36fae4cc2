"""How fast the service answers: many clients at once, and while a large query runs.

python benchmarks/service.py [--quick]

Prints one JSON object a line. Server and clients share this machine, so a second of the server is
one of the clients too: the numbers are lower bounds.
"""

from __future__ import annotations

import argparse
import json
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

SERVE = """
import sys
from querist.service.serving import serve
from querist.service.settings import load_settings
serve(load_settings(sys.argv[1]))
"""


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A server in a process of its own; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = {
        "data": "data",
        "listen": {"port": port},
        "log": {"file": "log"},
        "quota": {"requests_per_minute": 1_000_000, "jobs": 100_000},
        "tenants": {"default": {"roots": ["."]}},
        "jobs": {"slots": 1},
    }
    (folder / "service.yaml").write_text(json.dumps(config))
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(folder / "service.yaml")])
    try:
        while True:
            try:
                if httpx.get(f"{url}/health/ready").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield url
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


def tell(case: str, milliseconds: list[float], **more: object) -> None:
    """One line."""
    cut = statistics.quantiles(milliseconds, n=100)
    ours = {"p50_ms": round(cut[49], 2), "p99_ms": round(cut[98], 2)}
    print(
        json.dumps({"case": case, "ours": ours, "requests": len(milliseconds), **more}), flush=True
    )


def clients(url: str, pool: str, number: int, rounds: int) -> None:
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

    began = time.perf_counter()
    with ThreadPoolExecutor(number) as threads:
        found = list(threads.map(one, range(number)))
    seconds = time.perf_counter() - began
    for name, place in (("submit", 0), ("status", 1)):
        values = [value for pair in found for value in pair[place]]
        tell(f"{number}-clients-{name}", values, requests_per_second=round(len(values) / seconds))


def responsive(url: str, items: int) -> None:
    """Status and lists while a large query runs."""
    with httpx.Client(base_url=url, timeout=120) as client:
        pool = pool_of(client, "large", items)
        body = {"strategy": "random", "budget": 100}
        job = client.post(f"/v1/pools/{pool}/queries", json=body).json()["id"]
        times: dict[str, list[float]] = {"status": [], "list": [], "items": []}
        while True:
            found = client.get(f"/v1/jobs/{job}").json()
            times["status"].append(timed(lambda: client.get(f"/v1/jobs/{job}")))
            times["list"].append(timed(lambda: client.get("/v1/jobs")))
            times["items"].append(timed(lambda: client.get(f"/v1/pools/{pool}/items")))
            if found["state"] in ("done", "failed"):
                break
            time.sleep(0.02)
        for name, values in times.items():
            tell(f"query-of-{items}-{name}", values, state=found["state"])


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as url:
        with httpx.Client(base_url=url, timeout=120) as client:
            small = pool_of(client, "small", 50)
        # The large query first: the small ones' jobs would stand in its queue.
        responsive(url, 5_000 if quick else 100_000)
        clients(url, small, 10 if quick else 50, 2 if quick else 5)


if __name__ == "__main__":
    main()
