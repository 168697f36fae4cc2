"""Explores with generators and a model side by side: a step costs a prediction and no message."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from querist.campaign.handlers.collector import Collector
from querist.campaign.handlers.parts import LoadedModel, close_role, open_role, run_folder
from querist.campaign.handlers.stepping import Crew
from querist.control.filters import Finite
from querist.control.gate import BandGate
from querist.core.batch import Batch, Column
from querist.core.prediction import (
    AnsweredSample,
    Feedback,
    Prediction,
    Proposal,
    Verdict,
    Verdicts,
)
from querist.core.roles import (
    Limits,
    SupportsInitial,
    SupportsState,
    TaskContext,
    WorkerContext,
)
from querist.core.tasks import Factory, Task
from querist.store.arrays import load_arrays, save_arrays

FINITE = Finite()
NOBODY = np.zeros(0, np.int64)
NO_VERDICTS = Verdicts(np.zeros(0, np.int8), np.zeros(0))


class Explorer:
    """Runs "explore" tasks: slices of the step loop.

    Args:
        generators: Make the generators of this explorer. Several take turns in threads, so that a
            slow one does not hold back the others.
        model: Makes the model.
        gate: Decides what to trust, ask and reject.
        states: Names under which the generators' states are kept; by default their numbers.
        checkpoint_seconds: How often a generator's state is saved; less often where saving takes
            more than a fiftieth of the time.
        max_wait: Longest time in seconds that a generator's proposal waits for others.
    """

    def __init__(
        self,
        generators: Sequence[Factory],
        model: Factory,
        gate: BandGate,
        states: Sequence[str] = (),
        checkpoint_seconds: float = 1.0,
        max_wait: float = 0.002,
    ) -> None:
        self._factories, self._model_factory, self._gate = tuple(generators), model, gate
        self._states = tuple(states) or tuple(map(str, range(len(self._factories))))
        self._every, self._max_wait = checkpoint_seconds, max_wait

    def open(self, context: WorkerContext) -> None:
        """Make generators and model; generators continue where they were last saved."""
        run = run_folder(context)
        self._model = LoadedModel(self._model_factory, context)
        self._rng = context.rng
        self._generators = [open_role(factory, context) for factory in self._factories]
        self._files = [run / "generators" / f"{name}.safetensors" for name in self._states]
        for generator, file in zip(self._generators, self._files, strict=True):
            restore(generator, file)
        self._due = [-math.inf] * len(self._generators)  # even a short life leaves a state
        self._version: int | None = None
        self._crew = Crew(self._generators, self._max_wait, self._checkpoint)

    def close(self) -> None:
        """Save the generators' states and end their threads, then close them and the model."""
        for index in self._crew.close():
            self._save(index)
            close_role(self._generators[index])
        close_role(self._model.model)

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """One slice: until enough steps or seconds, or until all walkers wait."""
        payload = task.payload
        ref = payload["model"]
        if ref.version == 0:
            # No step was taken yet, so the crew's threads are idle.
            for index, feedback in self._news(payload["answers"], 0):
                self._generators[index].observe(feedback)
            return self._begin(payload["initial"])
        for index, feedback in self._news(payload["answers"], ref.version):
            self._crew.tell(index, feedback)
        collector = Collector(self._rng, payload["limits"].reject)
        model, limits, predicting = self._model.use(ref), payload["limits"], 0.0

        def answer(proposal: Batch) -> tuple[Prediction, Verdicts]:
            nonlocal predicting
            begin = time.perf_counter()
            said = judged(model, self._gate, proposal, limits)
            predicting += time.perf_counter() - begin
            return said

        until = math.inf if payload["seconds"] is None else time.monotonic() + payload["seconds"]
        waiting = self._crew.step(
            answer,
            collector.add,
            lambda: (
                collector.steps >= payload["steps"]
                or time.monotonic() >= until
                or context.should_stop()
            ),
            {"version": ref.version},
        )
        return {
            **collector.result(),
            "version": ref.version,
            "predict": predicting,
            "waiting": waiting,
            "exhausted": self._is_exhausted(),
        }

    def _is_exhausted(self) -> bool:
        return all(getattr(generator, "exhausted", False) for generator in self._generators)

    # ------------------------------------------------------------------------------- answers

    def _news(
        self, answers: Sequence[AnsweredSample], version: int
    ) -> Iterator[tuple[int, Feedback]]:
        """For each generator, the answers to its walkers' questions, and that the model is new."""
        count = len(self._generators)
        versions: tuple[int, ...] = (version,) if version != self._version else ()
        if self._version is None:
            # What walkers of an earlier process wait for may have been answered and told before
            # their state was saved again: with -1 first, any model is a newer one to them.
            versions = (-1, version)
        for index in range(count):
            for new in versions:
                yield index, Feedback(NOBODY, None, NO_VERDICTS, (), {"version": new})
            own = tuple(
                AnsweredSample(a.walker // count, a.sample, a.outputs)
                for a in answers
                if a.walker >= 0 and a.walker % count == index
            )
            if own:
                info = {"version": version}
                yield index, Feedback(NOBODY, None, NO_VERDICTS, own, info)
        self._version = version

    # ------------------------------------------------------------------------------- initial

    def _begin(self, wanted: int) -> Mapping[str, Any]:
        """Samples to ask before there is any model."""
        count = len(self._generators)
        share = math.ceil(wanted / count)
        found: list[Proposal] = []
        for index, generator in enumerate(self._generators):
            proposal = initial(generator, share)
            keep = np.flatnonzero(self._gate.sensible(proposal.batch))
            walkers = proposal.walkers[keep]
            known = np.where(walkers >= 0, walkers * count + index, -1)
            found.append(Proposal(proposal.batch.take(keep), known))
        batch = Batch.concatenate([p.batch for p in found]).with_ids()
        collected = Collector(self._rng).result()
        return {
            **collected,
            "candidates": batch,
            "scores": np.full(len(batch), np.nan),
            "walkers": np.concatenate([p.walkers for p in found if len(p.batch)] or [NOBODY]),
            "steps": 1 if len(batch) else 0,
            "proposed": len(batch),
            "asked": len(batch),
            "version": 0,
            "predict": 0.0,
            "waiting": False,
            "exhausted": self._is_exhausted(),
        }

    # ---------------------------------------------------------------------------- checkpoint

    def _checkpoint(self, index: int) -> None:
        """Called between two steps of a generator."""
        begun = time.monotonic()
        if begun >= self._due[index]:
            self._save(index)
            ended = time.monotonic()
            self._due[index] = ended + max(self._every, 50 * (ended - begun))

    def _save(self, index: int) -> None:
        generator = self._generators[index]
        if isinstance(generator, SupportsState):
            arrays, data = generator.state()
            self._files[index].parent.mkdir(exist_ok=True)
            save_arrays(self._files[index], arrays, dict(data))


def judged(model: Any, gate: BandGate, batch: Batch, limits: Limits) -> tuple[Prediction, Verdicts]:
    """Predict and decide; a sample that is not finite is rejected instead of stopping the others.

    Models may refuse such a sample, and one walker that exploded must not end the slice of all.
    """
    finite = FINITE(batch)
    if finite.all():
        prediction = model.predict(batch)
        return prediction, gate.decide(batch, prediction, limits)
    columns = {
        name: Column(np.nan_to_num(c.data, posinf=0.0, neginf=0.0), c.offsets, c.shapes)
        if c.data.dtype.kind == "f"
        else c
        for name, c in batch.columns.items()
    }
    stand_in = Batch(columns)
    prediction = model.predict(stand_in)
    verdicts = gate.decide(stand_in, prediction, limits)
    verdict, score = verdicts.verdict.copy(), verdicts.score.copy()
    verdict[~finite], score[~finite] = Verdict.REJECT, np.nan
    return prediction, Verdicts(verdict, score)


def restore(generator: Any, file: Path) -> None:
    """Continue a generator from its saved state, if there is one."""
    if isinstance(generator, SupportsState) and file.exists():
        saved = load_arrays(file)
        generator.restore(saved.arrays, saved.metadata)


def initial(generator: Any, count: int) -> Proposal:
    """Samples of a generator for the time before there is any model.

    A generator without :class:`~querist.core.roles.SupportsInitial` is stepped with the verdict
    "ask" and no prediction.
    """
    if isinstance(generator, SupportsInitial):
        batch = generator.initial(count)
        return Proposal(batch, np.full(len(batch), -1, np.int64))
    found: list[Proposal] = []
    total = 0
    while total < count:
        proposal = generator.propose()
        if not len(proposal.batch):
            break
        verdict = np.full(len(proposal.batch), Verdict.ASK, np.int8)
        unknown = np.full(len(proposal.batch), np.nan)
        generator.observe(Feedback(proposal.walkers, None, Verdicts(verdict, unknown)))
        found.append(proposal)
        total += len(proposal.batch)
    batch = Batch.concatenate([p.batch for p in found])
    walkers = np.concatenate([p.walkers for p in found]) if found else NOBODY
    return Proposal(batch, walkers)
