"""What one slice of exploring found: candidates, a random probe, and a small summary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.control.sketch import QuantileSketch
from querist.core.batch import Batch
from querist.core.prediction import Proposal, Verdict, Verdicts


class Collector:
    """Counts verdicts, keeps each walker's most uncertain candidate and a uniform random probe.

    Consecutive steps of a walker are much alike, so of all that it would ask within a slice only
    the most uncertain one leaves the explorer.

    Args:
        rng: For the probe.
        reject: Upper limit in force, to tell rejected scores from filtered samples.
    """

    def __init__(self, rng: np.random.Generator, reject: float = math.inf) -> None:
        self._rng, self._reject = rng, reject
        self.steps = self.proposed = 0
        self._counts = np.zeros(3, np.int64)
        self._filtered = 0
        self._scores: list[NDArray[np.float64]] = []
        self._best: dict[int, tuple[float, Batch]] = {}
        self._probe: tuple[float, Batch] | None = None
        self._sensible = 0

    def add(self, proposal: Proposal, verdicts: Verdicts) -> None:
        """Take in one prediction of ``k`` samples."""
        verdict, score = verdicts.verdict, verdicts.score
        self.steps += 1
        self.proposed += len(verdict)
        self._counts += np.bincount(verdict, minlength=3)
        rejected = verdict == Verdict.REJECT
        self._filtered += int((rejected & ~(score > self._reject)).sum())
        self._scores.append(score[~rejected])
        for row in np.flatnonzero(verdict == Verdict.ASK):
            self._ask(proposal, int(row), float(score[row]))
        self._sample(proposal, score, np.flatnonzero(~rejected))

    def _ask(self, proposal: Proposal, row: int, score: float) -> None:
        walker = int(proposal.walkers[row])
        held = self._best.get(walker)
        if held is None or score > held[0]:
            self._best[walker] = (score, proposal.batch.take([row]))

    def _sample(self, proposal: Proposal, score: NDArray[np.float64], rows: Any) -> None:
        """Reservoir sampling of one (Vitter 1985), a whole batch at a time."""
        if not len(rows):
            return
        self._sensible += len(rows)
        if self._rng.random() < len(rows) / self._sensible:
            row = int(self._rng.choice(rows))
            self._probe = (float(score[row]), proposal.batch.take([row]))

    def result(self) -> dict[str, Any]:
        """What the controller is sent."""
        walkers = sorted(self._best)
        probe = [] if self._probe is None else [self._probe]
        scores = np.concatenate(self._scores) if self._scores else np.zeros(0)
        return {
            "candidates": Batch.concatenate([self._best[w][1] for w in walkers]).with_ids(),
            "scores": np.array([self._best[w][0] for w in walkers], np.float64),
            "walkers": np.array(walkers, np.int64),
            "probes": Batch.concatenate([batch for _, batch in probe]).with_ids(),
            "probe_scores": np.array([score for score, _ in probe], np.float64),
            "sketch": QuantileSketch.of(scores),
            "steps": self.steps,
            "proposed": self.proposed,
            "trusted": int(self._counts[Verdict.TRUST]),
            "asked": int(self._counts[Verdict.ASK]),
            "rejected": int(self._counts[Verdict.REJECT]) - self._filtered,
            "filtered": self._filtered,
        }
