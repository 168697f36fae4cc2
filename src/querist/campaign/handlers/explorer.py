"""Explores with generators and a model side by side: a step costs a prediction and no message."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from querist.campaign.handlers.board import Board
from querist.campaign.handlers.collector import Collector
from querist.campaign.handlers.contracts import predicted
from querist.campaign.handlers.joining import joined
from querist.campaign.handlers.keeping import NOBODY, Keeper
from querist.campaign.handlers.parts import LoadedModel, close_role
from querist.campaign.handlers.split import Split, SplitCrew
from querist.campaign.handlers.spread import SpreadModel
from querist.campaign.handlers.stepping import NO_VERDICTS, LocalCrew
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
from querist.core.roles import Limits, TaskContext, WorkerContext
from querist.core.tasks import Factory, ModelRef, Task

FINITE = Finite()


class Explorer:
    """Runs "explore" tasks: slices of the step loop.

    Args:
        generators: Make the generators of this explorer, where it has them itself. Several take
            turns in threads, so that a slow one does not hold back the others.
        model: Makes the model.
        gate: Decides what to trust, ask and reject.
        states: Names under which the generators' states are kept; by default their numbers.
        max_wait: Longest time in seconds that a generator's proposal waits for others.
        split: The workers that it shares the work with, where they are apart.
    """

    def __init__(
        self,
        generators: Sequence[Factory],
        model: Factory,
        gate: BandGate,
        states: Sequence[str] = (),
        max_wait: float = 0.002,
        split: Split | None = None,
    ) -> None:
        self._factories, self._model_factory, self._gate = tuple(generators), model, gate
        self._states = tuple(states) or tuple(map(str, range(len(self._factories))))
        self._max_wait, self._split = max_wait, split

    def open(self, context: WorkerContext) -> None:
        """Make generators and model; generators continue where they were last saved."""
        self._rng = context.rng
        self._model: LoadedModel | SpreadModel
        self._version: int | None = None
        self._crew: LocalCrew | SplitCrew
        if self._split is None:
            keeper = Keeper(self._factories, self._states, context)
            self._crew = LocalCrew(keeper, self._max_wait)
            self._model = LoadedModel(self._model_factory, context)
        else:
            board = Board(context)
            self._crew = SplitCrew(self._split, board)
            self._model = SpreadModel(LoadedModel(self._model_factory, context), self._split, board)

    def close(self) -> None:
        """Save the generators' states and end their threads, then close them and the model."""
        self._crew.close()
        close_role(self._model.model)

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """One slice: until enough steps or seconds, or until all walkers wait."""
        payload = task.payload
        ref: ModelRef = payload["model"]
        if ref.version == 0:
            # No step was taken yet, so all generators are at rest.
            for index, feedback in self._news(payload["answers"], 0):
                self._crew.observe(index, feedback)
            return self._begin(payload["initial"])
        # Where the order of everything is to be the same in each run, weights are waited for.
        ref = ref if payload["seconds"] is None else self._model.approach(ref)
        for index, feedback in self._news(payload["answers"], ref.version):
            self._crew.tell(index, feedback)
        collector = Collector(self._rng, payload["limits"].reject)
        answer = Answering(self._model.use(ref), self._gate, payload["limits"])
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
        if waiting and ref.version != payload["model"].version:
            waiting = not self._model.settle()  # what they wait for may be the new weights
        return {
            **collector.result(),
            "version": ref.version,
            "predict": answer.seconds,
            "waiting": waiting,
            "exhausted": self._crew.exhausted,
            "ended": getattr(self._crew, "ended", ""),  # ranks of their own do not say
            "apart": self._crew.busy(),
        }

    # ------------------------------------------------------------------------------- answers

    def _news(
        self, answers: Sequence[AnsweredSample], version: int
    ) -> Iterator[tuple[int, Feedback]]:
        """For each generator, the answers to its walkers' questions, and that the model is new."""
        count = self._crew.count
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
        count = self._crew.count
        found: list[Proposal] = []
        filtered = 0
        for index, proposal in enumerate(self._crew.initial(math.ceil(wanted / count))):
            keep = np.flatnonzero(self._gate.sensible(proposal.batch))
            filtered += len(proposal.batch) - len(keep)
            walkers = proposal.walkers[keep]
            known = np.where(walkers >= 0, walkers * count + index, -1)
            found.append(Proposal(proposal.batch.take(keep), known))
        batch = joined(p.batch for p in found).with_ids()
        collected = Collector(self._rng).result()
        return {
            **collected,
            "candidates": batch,
            "scores": np.full(len(batch), np.nan),
            "walkers": np.concatenate([p.walkers for p in found if len(p.batch)] or [NOBODY]),
            "steps": 1 if len(batch) else 0,
            "proposed": len(batch) + filtered,
            "asked": len(batch),
            "filtered": filtered,
            "version": 0,
            "predict": 0.0,
            "waiting": False,
            "exhausted": self._crew.exhausted,
            "ended": getattr(self._crew, "ended", ""),  # ranks of their own do not say
        }


class Answering:
    """Predicts and judges a batch, and counts the seconds that this takes.

    Args:
        model: With its weights.
        gate: Decides.
        limits: In force.
    """

    __slots__ = ("_gate", "_limits", "_model", "seconds")

    def __init__(self, model: Any, gate: BandGate, limits: Limits) -> None:
        self._model, self._gate, self._limits = model, gate, limits
        self.seconds = 0.0

    def __call__(self, batch: Batch) -> tuple[Prediction, Verdicts]:
        """Prediction and verdicts of ``k`` samples."""
        begin = time.perf_counter()
        said = judged(self._model, self._gate, batch, self._limits)
        self.seconds += time.perf_counter() - begin
        return said


def judged(model: Any, gate: BandGate, batch: Batch, limits: Limits) -> tuple[Prediction, Verdicts]:
    """Predict and decide; a sample that is not finite is rejected instead of stopping the others.

    Models may refuse such a sample, and one walker that exploded must not end the slice of all.
    """
    finite = FINITE(batch)
    if finite.all():
        prediction = predicted(model, batch)
        return prediction, gate.decide(batch, prediction, limits)
    columns = {
        name: Column(np.nan_to_num(c.data, posinf=0.0, neginf=0.0), c.offsets, c.shapes)
        if c.data.dtype.kind == "f"
        else c
        for name, c in batch.columns.items()
    }
    stand_in = Batch(columns)
    prediction = predicted(model, stand_in)
    verdicts = gate.decide(stand_in, prediction, limits)
    verdict, score = verdicts.verdict.copy(), verdicts.score.copy()
    verdict[~finite], score[~finite] = Verdict.REJECT, np.nan
    return prediction, Verdicts(verdict, score)
