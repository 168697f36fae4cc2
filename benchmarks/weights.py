"""New weights of 100 MB reach eight explorers: one JSON line.

    python benchmarks/weights.py [--quick]

Eight explorers in processes step with small weights; a step takes 10 ms, in which the model waits
as for a GPU. Then weights of 100 MB are published. ``ours`` is the longest pause between two steps
of any explorer from then on; ``limit`` is one step and the copy: the median step, and the longest
time that the model itself took to copy its arrays, eight at once on the cores that there are.
``arrived`` is when the last explorer has used them, in seconds after they were published.
``--quick``: 25 MB.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from exchange import OUTPUT, Generator, TimedExplorer, factory

from querist.control.gate import BandGate
from querist.core.batch import Batch
from querist.core.events import TaskFailed, TaskFinished, WorkerJoined
from querist.core.prediction import Prediction
from querist.core.roles import Limits, ModelState
from querist.core.tasks import Factory, ModelRef, PoolSpec, Task
from querist.engines.processes import Processes
from querist.store.versions import Versions

EXPLORERS, STEP, ARRAYS = 8, 0.01, 25


class Large:
    """A model whose prediction waits, and whose weights are copied when they are loaded."""

    copying = 0.0

    def predict(self, batch: Batch) -> Prediction:
        """Nothing is computed."""
        time.sleep(STEP)
        said = Batch({OUTPUT: batch.columns["x"]})
        return Prediction(said, said)

    def fit(self, dataset, request):
        """Nothing is learned."""

    def load(self, state: ModelState) -> None:
        """Copy all arrays."""
        begin = time.perf_counter()
        self.arrays = {name: array.copy() for name, array in state.arrays.items()}
        type(self).copying = time.perf_counter() - begin


class Explorer(TimedExplorer):
    """Says how long the last copy took as well."""

    def run(self, task, context):
        """One slice."""
        return {**super().run(task, context), "copying": Large.copying}


def published(folder: Path, version: int, megabytes: float) -> ModelRef:
    """Weights in some arrays."""
    versions, rng = Versions(folder / "weights"), np.random.default_rng(version)
    size = int(megabytes * 2**20 / 8 / ARRAYS)
    arrays = {f"a{i}": rng.random(size) for i in range(ARRAYS)}
    digest = versions.save(version, "part0", arrays, {})
    return ModelRef(version, (versions.path(version, "part0").name,), digest)


class Loop:
    """Keeps all explorers at work, and remembers when each stepped with which weights."""

    def __init__(self, engine: Processes, ref: ModelRef) -> None:
        self.engine, self.ref, self.count = engine, ref, 0
        self.ends: dict[str, list[np.ndarray]] = {}
        self.first: dict[str, float] = {}
        self.copying = 0.0

    def submit(self, pool: str) -> None:
        """The next slice of an explorer."""
        self.count += 1
        payload = {"slot": 0, "model": self.ref, "limits": Limits(1.0), "answers": (), "initial": 0}
        payload |= {"steps": 10**6, "seconds": 0.25}
        self.engine.submit(Task(f"{pool}#{self.count}", "explore", pool, payload))

    def turn(self) -> None:
        """Take what there is."""
        for event in self.engine.events(0.5):
            if isinstance(event, WorkerJoined):
                self.submit(event.pool)
            elif isinstance(event, TaskFailed):
                raise SystemExit(event.failure.traceback)
            elif isinstance(event, TaskFinished):
                self.take(event.task.partition("#")[0], event.result)

    def take(self, pool: str, result) -> None:
        """A slice has ended."""
        ends = result["ends"]
        self.ends.setdefault(pool, []).append(ends)
        if result["version"] > 1 and len(ends):
            self.first.setdefault(pool, float(ends[0]))
            self.copying = max(self.copying, result["copying"])
        self.submit(pool)

    def pauses(self, since: float) -> np.ndarray:
        """Seconds between two steps, of all explorers, from an instant on."""
        gaps = []
        for parts in self.ends.values():
            ends = np.concatenate(parts)
            gaps.append(np.diff(ends)[ends[1:] >= since])
        return np.concatenate(gaps)


def main() -> None:
    """Print the line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="25 MB")
    megabytes = 25 if parser.parse_args().quick else 100
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        small, large = published(folder, 1, 0.1), published(folder, 2, megabytes)
        handler = Factory(
            f"{Path(__file__).stem}:Explorer",
            {
                "generators": [factory(Generator)],
                "model": Factory(f"{Path(__file__).stem}:Large"),
                "gate": BandGate(OUTPUT),
            },
        )
        with Processes(run=folder) as engine:
            loop = Loop(engine, small)
            engine.start([PoolSpec(f"explorer.{i}", handler) for i in range(EXPLORERS)])
            while len(loop.ends) < EXPLORERS or min(map(len, loop.ends.values())) < 4:
                loop.turn()
            before = loop.pauses(0.0)
            loop.ref, since = large, time.perf_counter()
            while len(loop.first) < EXPLORERS:
                loop.turn()
            settled = time.perf_counter() + 1.0
            while time.perf_counter() < settled:
                loop.turn()
    step = float(np.median(before))
    worst = float(loop.pauses(since).max())
    limit = step + loop.copying
    line = {"case": f"weights-{megabytes}mb", "ours": worst, "limit": limit}
    line |= {"ratio": worst / limit, "step": step, "copy": loop.copying}
    line |= {"before": float(before.max()), "arrived": max(loop.first.values()) - since}
    rounded = {k: v if isinstance(v, str) else float(f"{v:.3g}") for k, v in line.items()}
    print(json.dumps({**rounded, "explorers": EXPLORERS, "unit": "s"}), flush=True)


if __name__ == "__main__":
    main()
