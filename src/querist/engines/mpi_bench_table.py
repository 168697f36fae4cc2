"""The report of :mod:`querist.engines.mpi_bench` for a person: tables, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

_SLOW_SYNC = 0.01  # seconds; above it answers wait for the disk
_SLOW_NETWORK = 2e9  # bytes a second; above it the network is no plain Ethernet
_SLOW_START = 20.0  # seconds
_OUTLIER, _UNEVEN = 4.0, 20.0  # times the median; median to fastest
_MARGIN = 2.0  # rank 0 should not have to do all that it can

Row = Mapping[str, Any]


def tables(report: Row) -> Group:
    """The report as tables."""
    pairs = [part for pair in report["pairs"] for part in (Text(), _pair(pair))]
    notes = Text("".join(f"\n- {note}" for note in hints(report)))
    head, nodes = Text(_head(report["mpi"]) + "\n"), _nodes(report["nodes"])
    return Group(head, nodes, *pairs, Text(), _rates(report), notes)


def hints(report: Row) -> Iterator[str]:
    """What is to be known or done about it, one sentence or two each."""
    yield from _about_cores(report["nodes"])
    yield from _about_others(report["pairs"])
    yield from _about_mpi(report["mpi"])
    yield from _about_network(report)
    yield from _about_rates(report)


def shortest_task(engine: Row) -> float:
    """Seconds that tasks should take, so that rank 0 is not what workers wait for."""
    return float(_MARGIN * engine["workers"] / engine["tasks_per_second"])


def _about_cores(nodes: Sequence[Row]) -> Iterator[str]:
    for node in nodes:
        if node["ranks"] > node["cores"]:
            yield (
                f"{node['host']}: {node['ranks']} ranks share {node['cores']} cores. So these are "
                "times of the scheduler, not of the network. Querist's ranks sleep while they wait "
                "(raw MPI calls spin), for others need the core."
            )
            return
    for node in nodes:
        spare = node["cores"] - node["ranks"]
        if spare > node["ranks"] and node["threads_per_rank"] > 1:
            yield (
                f"{node['host']}: {node['ranks']} ranks on {node['cores']} cores have "
                f"{node['threads_per_rank']} threads each. More ranks answer more questions."
            )
            return


def _about_others(pairs: Sequence[Row]) -> Iterator[str]:
    uneven = any(
        row["raw"]["seconds"] > _UNEVEN * row["raw"]["fastest"]
        for pair in pairs
        for row in pair["sizes"]
    )
    if uneven:
        yield (
            "The same message takes far longer at some times than at others: other processes use "
            "these cores. Measure where nothing else runs."
        )


def _about_mpi(mpi: Row) -> Iterator[str]:
    if mpi["threads"] != "MPI_THREAD_MULTIPLE":
        yield (
            f"This MPI gives {mpi['threads']}. Without MPI_THREAD_MULTIPLE an explorer or trainer "
            "cannot be interrupted while it computes; its handler must ask should_stop."
        )
    if mpi["fault_tolerant"] == "no":
        yield (
            "The loss of a rank ends the job (and querist resume continues). Where MPI has ULFM, "
            "as Open MPI 5 has, start with: mpiexec --with-ft ulfm."
        )


def _about_network(report: Row) -> Iterator[str]:
    pairs = {pair["where"]: pair["sizes"][-1]["raw"]["bandwidth"] for pair in report["pairs"]}
    if "across nodes" not in pairs:
        yield "All ranks are on one node; the network between nodes was not measured."
    elif pairs["across nodes"] < _SLOW_NETWORK:
        yield (
            f"Between nodes large messages reach {_bandwidth(pairs['across nodes'])}. On a cluster "
            "with a faster network MPI may have fallen back to TCP: ask for the site's own MPI."
        )
    slow = _outliers(report["pings"])
    if slow:
        named = ", ".join(f"{rank} ({_seconds(t)})" for rank, t in slow[:5])
        yield f"Some ranks answer far more slowly than most: {named}. Something else may run there."


def _outliers(pings: Mapping[str, float]) -> list[tuple[str, float]]:
    ordered = sorted(pings.values())
    median = ordered[len(ordered) // 2]
    if len(ordered) < 4:
        return []
    return [(rank, t) for rank, t in pings.items() if t > max(_OUTLIER * median, 1e-4)]


def _about_rates(report: Row) -> Iterator[str]:
    engine, folder, start = report["engine"], report["folder"], report["start"]
    yield (
        f"{engine['workers']} workers are kept busy by tasks of {_seconds(shortest_task(engine))} "
        "or more; shorter ones wait for rank 0 (then let an oracle answer several: batch)."
    )
    if start["slowest"] > _SLOW_START:
        yield (
            f"A rank took {_seconds(start['slowest'])} to start: Python seems to be read from a "
            "slow file system. Put the environment on a local disk, or into a container image."
        )
    if folder["fsync_median"] > _SLOW_SYNC:
        yield (
            f"An fsync in {folder['path']} takes {_seconds(folder['fsync_median'])}. Answers are "
            "written in groups, so the run is no slower; but each counts so much later. A parallel "
            "file system (scratch) is often better than a home folder."
        )


def _head(mpi: Row) -> str:
    tolerance = {"yes": "on", "no": "off", "unknown": "unknown"}[mpi["fault_tolerant"]]
    return (
        f"{mpi['library']} (standard {mpi['standard']}), mpi4py {mpi['mpi4py']}, {mpi['ranks']} "
        f"ranks, {mpi['threads']}, fault tolerance {tolerance}"
    )


def _nodes(nodes: Sequence[Row]) -> Table:
    table = _table("", "node", "ranks", "cores", "threads a rank", "GPUs", "clock ahead")
    for node in nodes:
        gpus = " ".join(node["gpus"]) or "none"
        counts = (str(node[name]) for name in ("ranks", "cores", "threads_per_rank"))
        table.add_row(node["host"], *counts, gpus, _seconds(node["clock_offset"]))
    return table


def _pair(pair: Row) -> Table:
    title = f"rank 0 and rank {pair['rank']} on {pair['host']} ({pair['where']}): one way"
    table = _table(title, "bytes", "raw MPI", "", "Querist", "", "pickled", "")
    for row in pair["sizes"]:
        cells = []
        for mode in ("raw", "ours", "pickled"):
            cells += [_seconds(row[mode]["seconds"]), _bandwidth(row[mode]["bandwidth"])]
        table.add_row(f"{row['bytes']:,}", *cells)
    return table


def _rates(report: Row) -> Table:
    engine, folder, pings = report["engine"], report["folder"], report["pings"]
    ordered = sorted(pings.values())
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("8 bytes to any rank", f"{_seconds(ordered[len(ordered) // 2])} (median)")
    table.add_row(
        "", f"{_seconds(ordered[-1])} (slowest, rank {max(pings, key=pings.__getitem__)})"
    )
    rate = f"{engine['tasks_per_second']:,.0f} a second on {engine['workers']} workers"
    cpu = f"{_seconds(engine['cpu_seconds_per_task'])} of rank 0's CPU each"
    table.add_row("tasks that do nothing", f"{rate}; {cpu}")
    slowest = _seconds(report["start"]["slowest"])
    table.add_row("start of Python", f"{_seconds(report['start']['median'])} (slowest {slowest})")
    median, late = _seconds(folder["fsync_median"]), _seconds(folder["fsync_p95"])
    table.add_row("fsync of 4 KiB", f"{median} (95 %: {late}) in {folder['path']}")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(box=None, title=title or None, title_justify="left", pad_edge=False)
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if not index else "right", no_wrap=True)
    return table


def _seconds(value: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if abs(value) * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.2g} us" if value else "0 s"


def _bandwidth(value: float) -> str:
    for unit, factor in (("GB/s", 1e9), ("MB/s", 1e6)):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value / 1e3:.3g} kB/s"
