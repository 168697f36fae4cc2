"""Label efficiency: learning curves of every strategy that fits, paired against random and peers.

    python benchmarks/learning_curves.py [--quick] [--cifar TAR] [--peers PYTHON]
        [--problem NAME ...] [--strategy NAME ...] [--seeds N] [--processes 2]
        [--records FILE] [--summary FILE] [--plots FOLDER] [--only-report]

One JSON object a line for each problem and strategy: ``ours`` is the mean area under the curve,
``peer`` that of random (or of the same strategy in a peer), with the mean of the paired differences
by seed, its 95 % interval, Wilcoxon's p, Holm's correction over all comparisons, and a verdict.

Curves are appended to ``--records``; what is there already is not run again. CIFAR-10 comes from a
tar file of JPEG files (``--cifar`` or QUERIST_CIFAR10); without it images are generated, and the
lines say so. ``--peers`` names the interpreter of an environment with scikit-activeml, modAL, baal,
bmdal_reg. ``--quick`` takes two seeds and a few problems, and says nothing
of the strategies.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import learning_curves_tables as tables
from learning_curves_bridge import Bridge
from learning_curves_learner import curve, fits, whole
from learning_curves_peers import PEERS
from learning_curves_problems import Cifar, Problem, problems
from threadpoolctl import threadpool_limits

from querist.strategies import registry

QUICK = ("digits", "breast-cancer", "friedman1", "friedman1-maximum", "cifar-patches")
COMPARED_WITH_PEERS = ("digits", "friedman1")
"""Problems on which peers run, for some are slow; of small batches, see below."""
SMALL_BATCHES = ("breast-cancer", "batchbald")
Key = tuple[str, str, str, int]


@dataclass(frozen=True)
class Setting:
    """What every process is told."""

    cifar: Path | None
    cache: Path | None
    peers: str | None

    def problems(self) -> dict[str, Problem]:
        """All problems."""
        return _problems(self.cifar, self.cache)


@functools.cache
def _problems(cifar: Path | None, cache: Path | None) -> dict[str, Problem]:
    return problems(Cifar(cifar, cache))


def key(record: dict[str, Any]) -> Key:
    """By which a curve is known."""
    return record["problem"], record["strategy"], record["chooser"], record["seed"]


def wanted(problem: Problem, chosen: list[str] | None, peers: str | None) -> list[tuple[str, str]]:
    """Strategies and who chooses: ``ours``, or a peer's name; ``all`` labels everything."""
    names = [one.name for one in registry.strategies() if fits(one, problem) is None]
    names = [*names, *problem.also]
    names = [name for name in names if name == "random" or not chosen or name in chosen]
    found = [(name, "ours") for name in names]
    if peers:
        found += [
            (name, PEERS[name][0])
            for name in names
            if name in PEERS
            and (problem.name in COMPARED_WITH_PEERS or (problem.name, name) == SMALL_BATCHES)
        ]
    return found + ([("all", "ours")] if problem.bound else [])


def seed_of(problem: str, seed: int, what: list[tuple[str, str]], setting: Setting) -> list[Any]:
    """All that is missing of a seed of a problem; a strategy that fails is a record too."""
    found = []
    with threadpool_limits(1):
        for name, chooser in what:
            about = {"problem": problem, "strategy": name, "chooser": chooser, "seed": seed}
            one = setting.problems()[problem]
            try:
                record = _curve(one, name, chooser, seed, setting)
            except Exception as error:  # noqa: BLE001 - one strategy must not end all others
                record = {"failed": f"{type(error).__name__}: {error}"}
            found.append({**record, **about})
    return found


def _curve(problem: Problem, name: str, chooser: str, seed: int, setting: Setting) -> Any:
    if name == "all":
        return whole(problem, seed)
    if chooser == "ours":
        return curve(problem, name, seed)
    assert setting.peers is not None
    return curve(problem, name, seed, _bridge(setting.peers))


@functools.cache
def _bridge(python: str) -> Bridge:
    return Bridge(python)


def read(file: Path) -> list[dict[str, Any]]:
    """Curves that were run before; a last line that was cut off by a stop is taken away."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    whole_lines = text[: text.rfind("\n") + 1]
    if whole_lines != text:
        file.write_text(whole_lines, encoding="utf-8")
    return [json.loads(line) for line in whole_lines.splitlines()]


def missing(
    chosen: argparse.Namespace, setting: Setting, done: set[Key]
) -> Iterator[tuple[str, int, list[tuple[str, str]]]]:
    """Problem, seed, and what is to be run."""
    known = setting.problems()
    for name in chosen.problem or (QUICK if chosen.quick else known):
        what = wanted(known[name], chosen.strategy, setting.peers)
        for seed in range(chosen.seeds or (2 if chosen.quick else known[name].seeds)):
            lacking = [one for one in what if (name, *one, seed) not in done]
            if lacking:
                yield name, seed, lacking


def run(chosen: argparse.Namespace, setting: Setting) -> list[dict[str, Any]]:
    """Run what is missing, one thread a process; all records."""
    records = read(chosen.records)
    work = list(missing(chosen, setting, {key(record) for record in records}))
    for name in {name for name, _, _ in work if name.startswith("cifar")}:
        setting.problems()[name].split(0)  # features are computed once, not in every process
    with (
        chosen.records.open("a", encoding="utf-8") as file,
        ProcessPoolExecutor(chosen.processes) as pool,
    ):
        running = [pool.submit(seed_of, *one, setting) for one in work]
        for future in as_completed(running):
            for record in future.result():
                print(json.dumps(record), file=file, flush=True)
                records.append(record)
    return records


def main() -> None:
    """Run, then print a line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cifar", type=Path, default=os.environ.get("QUERIST_CIFAR10"))
    parser.add_argument("--cache", type=Path, help="where features of images are kept")
    parser.add_argument("--peers", help="interpreter of an environment that has the peers")
    parser.add_argument("--problem", action="append")
    parser.add_argument("--strategy", action="append")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--records", type=Path, help="file of curves, for going on")
    parser.add_argument("--summary", type=Path, help="where to write all comparisons as JSON")
    parser.add_argument("--only-report", action="store_true", help="run nothing")
    parser.add_argument("--plots", type=Path, help="folder for pictures")
    chosen = parser.parse_args()
    setting = Setting(chosen.cifar and Path(chosen.cifar), chosen.cache, chosen.peers)
    with tempfile.TemporaryDirectory() as temporary:
        chosen.records = chosen.records or Path(temporary) / "curves.jsonl"
        records = read(chosen.records) if chosen.only_report else run(chosen, setting)
        _report(chosen, setting, records)


def _report(chosen: argparse.Namespace, setting: Setting, records: list[dict[str, Any]]) -> None:
    source = "CIFAR-10" if setting.cifar else "generated images"
    known = setting.problems()
    if chosen.problem:
        records = [one for one in records if one["problem"] in chosen.problem]
    summary = tables.summary(records, known, source)
    for line in (*summary["against_random"], *summary["against_peers"], *summary["failed"]):
        print(json.dumps(line))
    if chosen.summary:
        chosen.summary.write_text(tables.written(summary), encoding="utf-8")
    if chosen.plots:
        from learning_curves_plots import draw

        draw(summary, chosen.plots)


if __name__ == "__main__":
    main()
