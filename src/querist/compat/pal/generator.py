"""PAL's ``UserGene`` as a generator: one PAL rank is one walker."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from querist.compat.pal.kernels import INPUT, Vector, prepare, stop_run, user, vector
from querist.core.batch import Batch, Column
from querist.core.errors import ContractError
from querist.core.prediction import Feedback, Proposal
from querist.core.roles import WorkerContext

TOLD = "to_generator"
"""Field of a prediction that holds what ``prediction_check`` tells each generator."""

KEPT = 100
"""Inputs that ``prediction_check`` chooses of each generator that leave the explorer in a slice.

A slice keeps the most uncertain candidate of each walker. PAL keeps all, so that one PAL generator
counts as this many walkers in turn.
"""


class PalGenerator:
    """The PAL generators of one explorer, which step together.

    Args:
        settings: What :meth:`~querist.compat.pal.settings.PalSettings.plain` gave.
        walkers: Which of PAL's generators, from 0.
    """

    def __init__(self, settings: Mapping[str, Any], walkers: Sequence[int]) -> None:
        self._plain, self._walkers = settings, tuple(walkers)
        self._told: list[Vector | None] = [None] * len(self._walkers)
        self._rows: list[Vector | None] = [None] * len(self._walkers)
        self._stopped = False
        self._steps = 0

    def open(self, context: WorkerContext) -> None:
        """Make the user's generators."""
        self._context = context
        settings = prepare(self._plain, context)
        made = user(settings, "generator", "UserGene")
        self._ranks = [settings.rank("gene", walker) for walker in self._walkers]
        self._genes = [made(rank, settings.result_dir) for rank in self._ranks]
        self._every = settings.progress_save_interval
        self._due = time.monotonic() + self._every

    def close(self) -> None:
        """Tell the user's generators that the run ends."""
        for gene in self._genes:
            gene.stop_run()

    def propose(self) -> Proposal:
        """One row for each walker; none once a generator has stopped the run."""
        for place in range(len(self._genes)):
            if self._rows[place] is None and not self._stopped:
                self._step(place)
        rows = [] if self._stopped else [row for row in self._rows if row is not None]
        if not rows:
            return Proposal(Batch({}), np.zeros(0, np.int64))
        batch = Batch({INPUT: Column.of(rows, INPUT)})
        first = len(rows) * (self._steps % KEPT)
        return Proposal(batch, np.arange(first, first + len(rows), dtype=np.int64))

    def observe(self, feedback: Feedback) -> None:
        """Take what ``prediction_check`` says to each walker."""
        if not len(feedback.walkers):
            return
        told = None if feedback.prediction is None else feedback.prediction.mean.columns[TOLD]
        for place in range(len(feedback.walkers)):
            self._told[place] = None if told is None else np.array(told.item(place), np.float64)
            self._rows[place] = None
        self._steps += 1
        if time.monotonic() >= self._due:
            self._save()

    def _step(self, place: int) -> None:
        answer = self._genes[place].generate_new_data(self._told[place])
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise ContractError(
                "UserGene.generate_new_data should return (stop_run, data_to_pred), but returned "
                f"{type(answer).__name__}."
            )
        stop, row = answer
        if stop:
            self._stopped = True
            stop_run(self._context, f"the generator of rank {self._ranks[place]}")
        else:
            self._rows[place] = vector(row, "data_to_pred of UserGene.generate_new_data")

    def _save(self) -> None:
        for gene in self._genes:
            gene.save_progress(False)
        self._due = time.monotonic() + self._every
