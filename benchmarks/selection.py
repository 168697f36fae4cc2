"""Cost of a selection: CPU seconds and extra memory against peers on the same arrays, one thread.

    python benchmarks/selection.py [--quick] [--case NAME ...] [--peers PYTHON]

One JSON object a line: ``ours`` and ``peer`` in CPU seconds, ``extra_mb`` and ``peer_extra_mb``
beside the data, ``ratio`` of ours to the ``limit``. ``--peers`` names the interpreter of an
environment with faiss-cpu, scikit-activeml, modAL-python, baal, batchbald_redux, bmdal_reg; methods
written in plain NumPy run without it, and BoTorch's beside Querist. Every case runs in a process of
its own. ``--quick`` takes a tenth of the rows and of the budget, and says nothing of the limits.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import selection_measure
from selection_data import arrays, maps, mean_distance, plain_k_center

import querist
from querist.strategies import registry

HERE = Path(__file__).parent
Picks = list[int]


@dataclass(frozen=True)
class Case:
    """One line of the table.

    ``limit`` is in CPU seconds, or a function of the peer's seconds; ``plain`` says whether
    what it is compared with needs nothing but NumPy, ``beside`` whether it is in Querist's own
    environment; ``options`` are the strategy's.
    """

    strategy: str
    budget: int
    limit: float | Callable[[float], float] | None
    limit_mb: float | Callable[[float], float] | None = None
    plain: bool = False
    repeats: int = 1
    beside: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


CASES: dict[str, list[Case]] = {
    "kcenter-50k": [Case("k-center", 1000, 0.7, 30.0, repeats=3)],
    "kcenter-200k": [Case("k-center", 1000, 3.5, None, plain=True)],
    "kcenter-uniform": [Case("k-center", 1000, lambda peer: peer, None, plain=True, repeats=3)],
    "badge-50k": [Case("badge", 1000, 1.1, 30.0, plain=True, repeats=3)],
    "badge-1000-classes": [Case("badge", 1000, None, None, plain=True)],
    "entropy-1m": [Case("entropy", 1000, 0.05, repeats=5)],
    "margin-1m": [Case("margin", 1000, 0.05, repeats=5)],
    "bald-10k": [Case("bald", 50, 0.01, repeats=5)],
    "batchbald-10k": [
        Case("batchbald", budget, lambda peer: peer / 4, lambda peer: peer / 10)
        for budget in (5, 10)
    ],
    "lcmd-20k": [Case("lcmd", 256, 1.0, repeats=3)],
    "kmeans-50k": [Case("k-means", 1000, lambda peer: peer)],
    "clue-20k": [Case("clue", 200, None)],
    "typiclust-6k": [Case("typiclust", 200, None)],
    "probcover-6k": [Case("probcover", 200, None, options={"delta": 2.5})],
    "maxherding-6k": [Case("maxherding", 200, None)],
    "mcpal-6k": [Case("mcpal", 1, None, options={"gamma": 0.05}, repeats=3)],
    "quire-1k": [Case("quire", 1, None, options={"gamma": 0.05}, repeats=3)],
    "qlogei-2k": [Case("qlogei", 8, None, beside=True)],
    "mmap-10m": [Case("margin", 1000, None, 1000.0), Case("k-center", 100, None, 1000.0)],
}


def budget_of(case: Case, quick: bool) -> int:
    """A tenth when quick, at least five."""
    return max(5, case.budget // 10) if quick else case.budget


def ours(name: str, case: Case, quick: bool) -> dict[str, Any]:
    """Run one case here."""
    data = arrays(name, quick)
    budget = budget_of(case, quick)
    strategy = registry.get(case.strategy)
    rng = 0 if strategy.random or case.strategy == "batchbald" else None
    warm = {key: value[:200] for key, value in data.items()}
    strategy(5, rng=rng, **warm, **case.options)
    picked, found = selection_measure.measure(
        lambda: querist.select(case.strategy, budget, rng=rng, **data, **case.options), case.repeats
    )
    checked = _checked(name, data, picked.indices.tolist(), quick)
    return {**found, "picks": picked.indices.tolist(), **checked}


def _checked(name: str, data: dict[str, Any], picks: Picks, quick: bool) -> dict[str, Any]:
    """The scientific result: whether picks are those of the plain method in float64."""
    if name in ("kcenter-50k", "kcenter-uniform") or (quick and name == "kcenter-200k"):
        rows = data["embeddings"].astype(np.float64)
        rows -= rows.mean(axis=0)
        return {"identical_to_plain": plain_k_center(rows, len(picks), picks[0]) == picks}
    if name == "kmeans-50k":
        return {"unique": len(set(picks)), "cover": mean_distance(data["embeddings"], picks)}
    return {"unique": len(set(picks))}


def mapped(case: Case, folder: Path, quick: bool) -> dict[str, Any]:
    """Run one case on memory maps; ``resident_mb`` is all the process holds at its peak."""
    paths = maps(folder, quick)
    kind = "probabilities" if case.strategy == "margin" else "embeddings"
    data = {kind: np.load(paths[kind], mmap_mode="r")}
    picked, found = selection_measure.measure(
        lambda: querist.select(case.strategy, budget_of(case, quick), **data)
    )
    peak = selection_measure.resident_peak()
    return {**found, "resident_mb": peak, "picks": picked.indices.tolist()}


def alone(*arguments: str, python: str = sys.executable) -> dict[str, Any]:
    """Run a program with one thread in a process of its own; the object it prints last."""
    done = subprocess.run(
        [python, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=selection_measure.alone(),
    )
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def peer(name: str, case: Case, first: int, chosen: argparse.Namespace) -> dict[str, Any] | None:
    """What the peer of a case needs; None where nobody can run it here."""
    if name == "mmap-10m" or not (case.plain or case.beside or chosen.peers):
        return None
    flags = ["--quick"] if chosen.quick else []
    budget = str(budget_of(case, chosen.quick))
    program = str(HERE / "selection_peers.py")
    python = sys.executable if case.beside else (chosen.peers or sys.executable)
    return alone(program, name, budget, "--first", str(first), *flags, python=python)


def _value(limit: float | Callable[[float], float] | None, found: float | None) -> float | None:
    if callable(limit):
        return None if found is None else round(limit(found), 4)
    return limit


def line(name: str, case: Case, mine: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """One line of the result."""
    limit = _value(case.limit, other.get("seconds"))
    picks, theirs = mine.pop("picks"), other.get("picks")
    rest = {key: value for key, value in mine.items() if key not in ("seconds", "extra_mb")}
    return {
        "case": name,
        "strategy": case.strategy,
        "budget": len(picks),
        "ours": mine["seconds"],
        "peer": other.get("seconds"),
        "limit": limit,
        "ratio": round(mine["seconds"] / limit, 3) if limit else None,
        "extra_mb": mine["extra_mb"],
        "peer_extra_mb": other.get("extra_mb"),
        "limit_mb": _value(case.limit_mb, other.get("extra_mb")),
        "peer_name": other.get("peer_name"),
        "same_picks_as_peer": None if theirs is None else _shared(picks, theirs),
        **rest,
        **{f"peer_{key}": other[key] for key in ("unique", "cover", "failed") if key in other},
    }


def _shared(picks: Picks, theirs: Picks) -> float:
    """Share of the peer's picks that are ours."""
    return round(len(set(picks) & set(theirs)) / max(1, len(picks)), 4)


def main() -> None:
    """Run the chosen cases, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--peers", help="interpreter of an environment that has the peers")
    parser.add_argument("--folder", type=Path, help="where to put (and keep) the maps of mmap-10m")
    parser.add_argument("--part", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part is not None:
        name = chosen.case[0]
        case = CASES[name][chosen.part]
        run = mapped(case, chosen.folder, chosen.quick) if chosen.folder else None
        print(json.dumps(run or ours(name, case, chosen.quick)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        for name in chosen.case or CASES:
            for part, case in enumerate(CASES[name]):
                print(json.dumps(_one(name, part, case, chosen, Path(temporary))), flush=True)


def _one(
    name: str, part: int, case: Case, chosen: argparse.Namespace, temporary: Path
) -> dict[str, Any]:
    flags = ["--quick"] if chosen.quick else []
    if name == "mmap-10m":
        flags += ["--folder", str(chosen.folder or temporary)]
    mine = alone(__file__, "--case", name, "--part", str(part), *flags)
    if "failed" in mine:
        return {"case": name, "strategy": case.strategy, **mine}
    return line(name, case, mine, peer(name, case, mine["picks"][0], chosen) or {})


if __name__ == "__main__":
    main()
