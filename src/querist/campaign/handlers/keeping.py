"""Generators in their worker: made, continued from their saved states, saved now and then."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from querist.campaign.handlers.contracts import proposed, stated
from querist.campaign.handlers.joining import joined
from querist.campaign.handlers.parts import close_role, open_role, run_folder
from querist.core.prediction import Feedback, Proposal, Verdict, Verdicts
from querist.core.roles import SupportsInitial, SupportsState, WorkerContext
from querist.core.tasks import Factory
from querist.store.arrays import load_arrays, save_arrays

NOBODY = np.zeros(0, np.int64)


class Keeper:
    """Makes generators and keeps their states.

    Args:
        factories: Of the generators.
        names: Under which their states are kept.
        context: Of the worker.
        every: How often, in seconds, a state is saved; less often where saving takes more than a
            fiftieth of the time.
    """

    def __init__(
        self,
        factories: Sequence[Factory],
        names: Sequence[str],
        context: WorkerContext,
        every: float = 1.0,
    ) -> None:
        self.generators = [open_role(factory, context) for factory in factories]
        folder = run_folder(context) / "generators"
        self._files = [folder / f"{name}.safetensors" for name in names]
        self._every = every
        for generator, file in zip(self.generators, self._files, strict=True):
            restore(generator, file)
        self._due = [-math.inf] * len(self._files)  # even a short life leaves a state

    @property
    def exhausted(self) -> bool:
        """Whether no generator will ever propose anything more."""
        return all(getattr(generator, "exhausted", False) for generator in self.generators)

    @property
    def ended(self) -> str:
        """Why nothing more will be proposed, by those that say so (``ended``); "" otherwise."""
        told = [str(getattr(generator, "ended", "")) for generator in self.generators]
        return "; ".join(dict.fromkeys(filter(None, told))) if self.exhausted else ""

    def checkpoint(self, index: int) -> None:
        """Called between two steps of a generator: save it where that is due."""
        begun = time.monotonic()
        if begun >= self._due[index]:
            self._save(index)
            ended = time.monotonic()
            self._due[index] = ended + max(self._every, 50 * (ended - begun))

    def close(self, at_rest: Iterable[int]) -> None:
        """Save and close the generators that are at rest."""
        with ExitStack() as closing:  # all are, though one may raise
            for index in at_rest:
                closing.callback(close_role, self.generators[index])
                closing.callback(self._save, index)

    def _save(self, index: int) -> None:
        generator = self.generators[index]
        if isinstance(generator, SupportsState):
            arrays, data = stated(generator)
            self._files[index].parent.mkdir(exist_ok=True)
            save_arrays(self._files[index], arrays, dict(data))


def restore(generator: Any, file: Path) -> None:
    """Continue a generator from its saved state, if there is one.

    One that proposes everything once has ``propose_again()``, and does so: what it had found and
    was not asked may have been lost with the process that held it.
    """
    if isinstance(generator, SupportsState) and file.exists():
        saved = load_arrays(file)
        generator.restore(saved.arrays, saved.metadata)
        if hasattr(generator, "propose_again"):
            generator.propose_again()


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
        proposal = proposed(generator)
        if not len(proposal.batch):
            break
        verdict = np.full(len(proposal.batch), Verdict.ASK, np.int8)
        unknown = np.full(len(proposal.batch), np.nan)
        generator.observe(Feedback(proposal.walkers, None, Verdicts(verdict, unknown)))
        found.append(proposal)
        total += len(proposal.batch)
    batch = joined(p.batch for p in found)
    walkers = np.concatenate([p.walkers for p in found]) if found else NOBODY
    return Proposal(batch, walkers)
