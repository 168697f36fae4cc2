"""What an exchange step costs: one JSON line a case.

    python benchmarks/exchange.py [--quick]

``control-G+P`` (seconds a step): what the lead of a split explorer does for G generators and P
predictors in one step, without MPI and with user code that does nothing. Messages are taken apart
and put together as they would be sent. ``statistics`` (the committee's mean and deviation) is
excluded and printed apart, and so is ``judging`` (the gate, the checks for what is not finite, and
the summary of the slice), which PAL leaves to the user's code.

``mpi-split-4+2`` (median seconds a step): ``ours`` is a step of 4 generator ranks, a lead and a
further predictor that has half of the members, statistics, gate and summary included; ``replica``
is the same with two leads, each with all members and two of the generators; ``limit`` is PAL's
pattern of collectives (gather, broadcast, gather, scatter) in bare mpi4py, with 100 floats a sample
and no other work, in the same job, idle ranks included. Needs mpiexec.

``colocated`` (seconds a walker step): what stepping 12 walkers costs beyond prediction and
generator; ``single`` is the same with one walker.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from querist.campaign.handlers.board import Board, Kind
from querist.campaign.handlers.collector import Collector
from querist.campaign.handlers.explorer import Explorer, judged
from querist.campaign.handlers.records import dump_proposal
from querist.campaign.handlers.split import Split, SplitCrew
from querist.campaign.handlers.spread import SpreadModel, batches
from querist.campaign.handlers.stepping import Crew
from querist.control.gate import BandGate
from querist.core.batch import Batch
from querist.core.prediction import Prediction, Proposal
from querist.core.roles import FitResult, Limits, ModelState
from querist.core.tasks import Factory, ModelRef, PoolSpec, Task

FLOATS = 100
RANKS = 11
OUTPUT = "y"


class Generator:
    """Proposes the same samples for ever."""

    def __init__(self, walkers: int = 1) -> None:
        self.proposal = Proposal(Batch.stack(x=np.zeros((walkers, FLOATS))), np.arange(walkers))

    def propose(self) -> Proposal:
        """The samples."""
        return self.proposal

    def observe(self, feedback) -> None:
        """Nothing."""


class Committee:
    """Members whose outputs are their inputs."""

    def __init__(self, members: int = 2) -> None:
        self.loaded_members = members

    def predict_members(self, batch: Batch, members) -> tuple[Batch, ...]:
        """The inputs."""
        return tuple(Batch({OUTPUT: batch.columns["x"]}) for _ in members)

    def combine(self, batch: Batch, outputs) -> Prediction:
        """Mean and standard deviation over the members."""
        values = np.stack([each[OUTPUT] for each in outputs])
        mean, std = values.mean(axis=0), values.std(axis=0, ddof=1)
        return Prediction(Batch.stack(**{OUTPUT: mean}), Batch.stack(**{OUTPUT: std}))

    def predict(self, batch: Batch) -> Prediction:
        """All members."""
        return self.combine(batch, self.predict_members(batch, range(self.loaded_members)))

    def fit(self, dataset, request) -> FitResult:
        """Nothing is learned."""
        return FitResult(ModelState({}))

    def load(self, state: ModelState) -> None:
        """Nothing is loaded."""


class Instant(Committee):
    """A committee that has all its answers ready."""

    def __init__(self, members: int, batch: Batch) -> None:
        super().__init__(members)
        self._said = Batch({OUTPUT: batch.columns["x"]})
        self._whole = Committee.predict(Committee(members), batch)

    def predict_members(self, batch: Batch, members) -> tuple[Batch, ...]:
        """The same outputs for each."""
        return (self._said,) * len(members)

    def combine(self, batch: Batch, outputs) -> Prediction:
        """The same prediction."""
        return self._whole

    def predict(self, batch: Batch) -> Prediction:
        """The same prediction."""
        return self._whole


# ------------------------------------------------------------------------------------- control


class PretendedLink:
    """Messages as they would come: of generators after their replies, of predictors likewise."""

    def __init__(self, split: Split) -> None:
        self.peers = dict.fromkeys((*split.generator_ranks, *split.predictor_ranks), 0)
        proposal = dump_proposal(Kind.PROPOSAL, 0, Generator().proposal, False)
        self._proposals = [(rank, bytearray(proposal)) for rank in split.generator_ranks]
        said = Batch.stack(**{OUTPUT: np.zeros((len(self._proposals), FLOATS))})
        self._answer = bytearray(batches(Kind.PREDICTED, 0, [said]))
        self._ranks = split.predictor_ranks
        self._number, self._asked = 0, False

    def send(self, to: str, data) -> None:
        """Bytes leave; a request is going to be answered."""
        if to in self._ranks and data[0] == Kind.PREDICT:
            self._asked, self._number = True, int.from_bytes(data[8:16], "little")

    def receive(self, seconds: float):
        """The next messages."""
        if self._asked:
            self._asked = False
            self._answer[8:16] = self._number.to_bytes(8, "little")
            return [(rank, self._answer) for rank in self._ranks]
        return self._proposals


def nothing(*given) -> None:
    """What user code does here."""


def cpu_of(call, times: int, rounds: int = 7) -> float:
    """Least CPU seconds of a call."""
    found = []
    for _ in range(rounds):
        begin = time.process_time()
        call(times)
        found.append((time.process_time() - begin) / times)
    return min(found)


def control(generators: int, predictors: int, steps: int) -> dict:
    """One case without MPI."""
    split = Split(0, (1,) * generators, predictors - 1, max_batch=10**6)
    board = Board(SimpleNamespace(link=PretendedLink(split), name=split.lead))
    crew = SplitCrew(split, board)
    board.poll()
    for seat in crew._seats:
        seat.life, seat.is_working = 0, True
    crew._working = generators
    batch = Batch.stack(x=np.zeros((generators, FLOATS)))
    instant = Instant(predictors, batch)
    loaded = SimpleNamespace(model=instant, use=lambda _: instant)
    model = SpreadModel(loaded, split, board).use(ModelRef(1))
    gate, limits = BandGate(OUTPUT), Limits(1.0)
    verdicts = judged(instant, gate, batch, limits)[1]

    def step(times: int) -> None:
        left = iter(range(times))
        crew.step(
            lambda batch: (model.predict(batch), verdicts),
            nothing,
            lambda: next(left, None) is None,
            {"version": 1},
        )

    def judge(times: int) -> None:
        collector = Collector(np.random.default_rng(0))
        for _ in range(times):
            collector.add(batch, lambda: None, judged(instant, gate, batch, limits)[1])

    def count(times: int) -> None:
        committee = Committee(predictors)
        outputs = committee.predict_members(batch, range(predictors))
        for _ in range(times):
            committee.combine(batch, outputs)

    # In a turn of the loop messages are taken, or a batch is predicted.
    ours = 2 * cpu_of(step, 2 * steps)
    parts = {"statistics": cpu_of(count, steps), "judging": cpu_of(judge, steps)}
    goal = {4: 10e-6, 90: 0.1e-3, 1000: 1e-3}[generators]
    values = {"ours": ours, "goal": goal, **parts}
    return {
        "case": f"control-{generators}+{predictors}",
        **{name: float(f"{value:.3g}") for name, value in values.items()},
        "unit": "s",
    }


# ----------------------------------------------------------------------------------- over MPI


class TimedExplorer(Explorer):
    """An explorer whose slices say when each step ended."""

    def run(self, task, context):
        """One slice."""
        crew, ends = self._crew, []
        step = crew.step

        def timed(answer, collect, *rest):
            def collected(*given):
                ends.append(time.perf_counter())
                collect(*given)

            return step(answer, collected, *rest)

        crew.step = timed
        try:
            return {**super().run(task, context), "ends": np.array(ends)}
        finally:
            crew.step = step


def factory(thing, **options) -> Factory:
    """Of something in this file, or in the library."""
    target = thing if isinstance(thing, str) else f"{Path(__file__).stem}:{thing.__name__}"
    return Factory(target, options)


def explorer(slot: int, generators: int, predictors: int) -> list[PoolSpec]:
    """The pools of one split explorer."""
    split = Split(slot, (1,) * generators, predictors - 1, max_wait=0.002)
    model, handlers, party = factory(Committee), "querist.campaign.handlers", f"explorer.{slot}"
    lead = factory(TimedExplorer, generators=(), model=model, gate=BandGate(OUTPUT), split=split)
    generate = factory(
        f"{handlers}.generating:Generating",
        generators=[[factory(Generator)]] * generators,
        states=[[f"{slot}.{i}"] for i in range(generators)],
        split=split,
    )
    pools = [PoolSpec(party, lead, party=party)]
    pools.append(PoolSpec(f"generator.{slot}", generate, generators, party=party))
    if predictors > 1:
        predict = factory(f"{handlers}.spread:Predicting", model=model)
        pools.append(PoolSpec(f"predictor.{slot}", predict, predictors - 1, party=party))
    return pools


def ours_over_mpi(world, steps: int, leads: int) -> float:
    """Median seconds of a step of split explorers; on rank 0."""
    from querist.core.events import TaskFailed, TaskFinished, WorkerJoined
    from querist.engines.mpi import Mpi

    pools = [p for slot in range(leads) for p in explorer(slot, 4 // leads, 2 // leads)]
    idle = Factory("querist.testing.fakes:SleepHandler")
    pools.append(PoolSpec("idle", idle, world.size - 1 - 6))
    payload = {"slot": 0, "limits": Limits(1.0), "answers": (), "initial": 0}
    payload |= {"steps": steps, "seconds": 60.0}
    found: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        payload["model"] = published(Path(folder))
        with Mpi(run=Path(folder)) as engine:
            engine.start(pools)
            joined = 0
            while joined < world.size - 1:
                joined += sum(isinstance(event, WorkerJoined) for event in engine.events(None))
            for slot in range(leads):
                engine.submit(Task(f"slice{slot}", "explore", f"explorer.{slot}", payload))
            while len(found) < leads:
                for event in engine.events(None):
                    if isinstance(event, TaskFailed):
                        raise SystemExit(event.failure.traceback)
                    if isinstance(event, TaskFinished):
                        found.append(float(np.median(np.diff(event.result["ends"]))))
    return statistics.median(found)


def published(folder: Path) -> ModelRef:
    """Weights of nothing."""
    from querist.store.versions import Versions

    versions = Versions(folder / "weights")
    digest = versions.save(1, "part0", {"none": np.zeros(1)}, {})
    return ModelRef(1, (versions.path(1, "part0").name,), digest)


def bare(comm, steps: int) -> float:
    """PAL's collectives: gather, broadcast, gather, scatter; median seconds on rank 0."""
    from mpi4py import MPI

    rank = comm.rank
    predictors = comm.Split(0 if rank <= 2 else MPI.UNDEFINED, rank)
    generators = comm.Split(0 if rank == 0 or 3 <= rank <= 6 else MPI.UNDEFINED, rank)
    ends = []
    own, batch = np.zeros(FLOATS), np.zeros((4, FLOATS))
    if rank == 0:
        inputs, outputs = np.zeros((5, FLOATS)), np.zeros((3, 4, FLOATS))
        for _ in range(steps):
            generators.Gather(own, inputs)
            predictors.Bcast(inputs[1:])
            predictors.Gather(batch, outputs)
            generators.Scatter(inputs, own)
            ends.append(time.perf_counter())
    elif rank <= 2:
        for _ in range(steps):
            predictors.Bcast(batch)
            predictors.Gather(batch, None)
    elif rank <= 6:
        for _ in range(steps):
            generators.Gather(own, None)
            generators.Scatter(None, own)
    comm.Barrier()
    return statistics.median(np.diff(ends).tolist()) if rank == 0 else 0.0


def ranks(steps: int, rounds: int) -> None:
    """What each rank of the MPI case does."""
    from mpi4py import MPI

    from querist.engines.mpi_world import world

    limits = [bare(MPI.COMM_WORLD, steps) for _ in range(rounds)]
    joined = world()
    from querist.engines.mpi import attend

    attend()
    ours = min(ours_over_mpi(joined, steps, 1) for _ in range(rounds))
    replica = min(ours_over_mpi(joined, steps, 2) for _ in range(rounds))
    limit = min(limits)
    values = {"ours": ours, "limit": limit, "ratio": ours / limit, "replica": replica}
    rounded = {name: float(f"{value:.3g}") for name, value in values.items()}
    line = {"case": "mpi-split-4+2", **rounded, "unit": "s", "ranks": joined.size}
    print(json.dumps(line), flush=True)


def over_mpi(quick: bool) -> None:
    """The cases that need mpiexec."""
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        return
    command = [mpiexec, "--allow-run-as-root", "--oversubscribe", "-n", str(RANKS)]
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    command += [sys.executable, __file__, "--ranks", *(["--quick"] if quick else [])]
    subprocess.run(command, check=True, env=environment, stdin=subprocess.DEVNULL)


# --------------------------------------------------------------------------------- colocated


def colocated(walkers: int, steps: int) -> float:
    """CPU seconds of a walker step beyond prediction and generator."""
    generator = Generator(walkers)
    crew = Crew([generator], 0.0, nothing)
    batch = generator.proposal.batch
    instant = Instant(2, batch)
    gate, limits = BandGate(OUTPUT), Limits(1.0)

    def step(times: int) -> None:
        collector = Collector(np.random.default_rng(0))
        crew.step(
            lambda batch: judged(instant, gate, batch, limits),
            collector.add,
            lambda: collector.steps >= times,
            {"version": 1},
        )

    return cpu_of(step, steps) / walkers


def main() -> None:
    """Print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    parser.add_argument("--ranks", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ranks:
        ranks(*((1_000, 3) if given.quick else (3_000, 5)))
        return
    fewer = 4 if given.quick else 1
    for generators, predictors, steps in ((4, 2, 4000), (90, 4, 400), (1000, 4, 80)):
        print(json.dumps(control(generators, predictors, steps // fewer)), flush=True)
    over_mpi(given.quick)
    ours, single = (float(f"{colocated(n, 8000 // fewer):.3g}") for n in (12, 1))
    said = {"case": "colocated", "ours": ours, "goal": 5e-6, "walkers": 12, "single": single}
    print(json.dumps({**said, "unit": "s"}), flush=True)


if __name__ == "__main__":
    main()
