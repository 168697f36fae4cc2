"""What the report of ``querist bench mpi`` says to a person."""

from __future__ import annotations

import copy
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from querist.engines.mpi_bench_table import hints, shortest_task, tables


def cell(seconds: float, size: int, fastest: float = 0.0) -> dict[str, float]:
    return {"seconds": seconds, "fastest": fastest or seconds, "bandwidth": size / seconds}


def row(size: int, seconds: float) -> dict[str, Any]:
    return {"bytes": size, **{m: cell(seconds, size) for m in ("raw", "ours", "pickled")}}


def pair(where: str, rank: int, bandwidth: float) -> dict[str, Any]:
    sizes = [row(8, 2e-6), row(16 << 20, (16 << 20) / bandwidth)]
    return {"where": where, "rank": rank, "host": f"host{rank}", "sizes": sizes}


GOOD: dict[str, Any] = {
    "mpi": {
        "library": "Open MPI v5.0.11",
        "standard": "3.1",
        "mpi4py": "4.1.2",
        "threads": "MPI_THREAD_MULTIPLE",
        "ranks": 8,
        "fault_tolerant": "yes",
    },
    "nodes": [
        {
            "host": f"host{i}",
            "ranks": 4,
            "cores": 4,
            "threads_per_rank": 1,
            "gpus": ["0", "1"],
            "clock_offset": 0.25 * i,
        }
        for i in (0, 1)
    ],
    "pairs": [pair("same node", 1, 1e10), pair("across nodes", 4, 1.2e10)],
    "pings": {str(rank): 2e-6 for rank in range(1, 8)},
    "engine": {"workers": 7, "tasks_per_second": 35000.0, "cpu_seconds_per_task": 2e-5},
    "start": {"median": 1.0, "slowest": 2.0},
    "folder": {"path": "/scratch/me", "fsync_median": 1e-3, "fsync_p95": 2e-3, "writes": 9},
}


def changed(*path: Any, to: Any) -> dict[str, Any]:
    report = copy.deepcopy(GOOD)
    place = report
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return report


def test_a_good_cluster_needs_no_advice() -> None:
    (only,) = hints(GOOD)
    assert only.startswith("7 workers are kept busy by tasks of 400 us or more")
    assert shortest_task(GOOD["engine"]) == pytest.approx(4e-4)


@pytest.mark.parametrize(
    "report, said",
    [
        (changed("nodes", 1, "cores", to=2), "host1: 4 ranks share 2 cores"),
        (
            changed("nodes", 0, to={**GOOD["nodes"][0], "cores": 64, "threads_per_rank": 16}),
            "host0: 4 ranks on 64 cores have 16 threads each",
        ),
        (changed("mpi", "threads", to="MPI_THREAD_FUNNELED"), "MPI gives MPI_THREAD_FUNNELED"),
        (changed("mpi", "fault_tolerant", to="no"), "--with-ft ulfm"),
        (changed("pairs", to=GOOD["pairs"][:1]), "All ranks are on one node"),
        (changed("pairs", 1, to=pair("across nodes", 4, 1.1e8)), "reach 110 MB/s. On a cluster"),
        (changed("pings", "6", to=3e-3), "more slowly than most: 6 (3 ms)"),
        (
            changed("pairs", 0, "sizes", 0, "raw", to=cell(5e-3, 8, 1e-6)),
            "other processes use these cores",
        ),
        (changed("start", "slowest", to=45.0), "A rank took 45 s to start"),
        (changed("folder", "fsync_median", to=0.03), "An fsync in /scratch/me takes 30 ms"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(report: dict[str, Any], said: str) -> None:
    found = list(hints(report))
    assert [hint for hint in found if said in hint]
    assert len(found) == 2


def test_tables_have_what_was_measured() -> None:
    out = StringIO()
    Console(file=out, width=110, color_system=None).print(tables(GOOD))
    text = out.getvalue()
    assert "rank 0 and rank 4 on host4 (across nodes): one way" in text
    for words in ("MPI_THREAD_MULTIPLE", "250 ms", "12 GB/s", "35,000 a second on 7 workers"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 110
