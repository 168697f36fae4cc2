"""How busy oracles are kept, with no tuning: one JSON line a case.

    python benchmarks/oracle_utilisation.py [--quick]

A whole campaign with 4 oracle workers whose answers take 0.2 s (fixed) or 0.2 to 0.6 s (uneven),
and a model whose training takes 0 or 2 s and looks at nothing meanwhile. ``ours`` is the share of
time in which oracles worked, from the first question's start to the last answer; ``ratio`` is that
stretch over the ideal (the sum of the answers' seconds over 4). ``labels`` and ``models`` say what
came of it. ``mpi-*`` needs mpiexec.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from runs_alone import run_alone

WORKERS = 4
CASES = {"fixed": (0.2, 0.2, 0.0), "uneven": (0.2, 0.6, 0.0), "training": (0.2, 0.2, 2.0)}


class Answers:
    """An oracle that takes its time; how long follows from the sample."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __call__(self, x: np.ndarray) -> float:
        """One answer."""
        time.sleep(self.low + (self.high - self.low) * float(x[0]))
        return float(np.sin(6 * x[0]) * x[1])


def slow_model(seconds: float):
    """Random features whose fit takes ``seconds`` more, without looking at anything."""
    from querist.models.random_features import RandomFeatures

    class Slow(RandomFeatures):
        def fit(self, dataset, request):
            time.sleep(seconds)
            return super().fit(dataset, request)

    return Slow(members=4, features=64)


def run(case: str, engine: str, labels: int, folder: Path) -> None:
    """One campaign."""
    from querist import Campaign

    low, high, training = CASES[case]
    from querist.oracles.function import FunctionOracle

    campaign = Campaign(
        generator={"use": "uniform", "options": {"low": [0, 0], "high": [1, 1]}},
        model=slow_model(training),
        oracle={"live": FunctionOracle(Answers(low, high), outputs="y"), "workers": WORKERS},
        gate={"output": "y", "quantile": 0.8},
        budget={"labels": labels},
        retrain={"every_labels": 20},
        engine=engine,
    )
    campaign.run(folder, progress=False)


def measure(folder: Path) -> dict:
    """Busy share and the stretch over the ideal, from the journal alone."""
    from querist.store.run_folder import RunFolder

    spans, models = [], 0
    for record in RunFolder(folder).journal_reader().read_new():
        models += record.kind == "model.published"
        if record.kind == "answer.label":
            spans.append((record.data["spans"]["started"], record.data["spans"]["finished"]))
    start, end = min(s for s, _ in spans), max(e for _, e in spans)
    work = sum(e - s for s, e in spans)
    stretch = end - start
    return {
        "ours": round(work / (WORKERS * stretch), 4),
        "ratio": round(stretch / (work / WORKERS), 4),
        "labels": len(spans),
        "models": models,
    }


def launch(case: str, engine: str, labels: int, folder: Path) -> None:
    """Run a case in a process of its own."""
    run_alone(__file__, case, engine, labels, folder, ranks=WORKERS + 3 if engine == "mpi" else 0)


def main() -> None:
    """All cases on all engines that are there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer labels")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        case, engine, labels, folder = options.one
        run(case, engine, int(labels), Path(folder))
        return
    beside = Path(sys.executable).with_name("mpiexec")
    os.environ["PATH"] = f"{beside.parent}{os.pathsep}{os.environ['PATH']}"
    engines = ["processes", *(["mpi"] if shutil.which("mpiexec") else [])]
    for engine in engines:
        for case in CASES:
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch) / "run"
                launch(case, engine, 120 if options.quick else 400, folder)
                print(json.dumps({"case": f"{engine}-{case}", **measure(folder)}), flush=True)


if __name__ == "__main__":
    main()
