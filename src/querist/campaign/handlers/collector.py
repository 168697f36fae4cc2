"""What one slice of exploring found: candidates, a random probe, and a small summary."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.campaign.handlers.joining import joined
from querist.control.sketch import QuantileSketch
from querist.core.batch import Batch
from querist.core.prediction import Verdict, Verdicts

Walkers = Callable[[], NDArray[np.int64]]


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
        self._seen: list[Verdicts] = []
        self._best: dict[int, tuple[float, Batch]] = {}
        self._probe: tuple[float, Batch] | None = None
        self._sensible = 0

    def add(self, batch: Batch, walkers: Walkers, verdicts: Verdicts) -> None:
        """Take in one prediction.

        Args:
            batch: ``k`` samples.
            walkers: Gives the ``(k,)`` walkers that propose them; asked where they matter only.
            verdicts: Of the samples.
        """
        verdict, score = verdicts.verdict, verdicts.score
        self.steps += 1
        self.proposed += len(verdict)
        self._seen.append(verdicts)
        if not verdict.any():  # all trusted: most steps, so this is the path to be quick on
            self._sample(batch, score, None)
            return
        asked = np.flatnonzero(verdict == Verdict.ASK)
        if len(asked):
            who = walkers()
            for row in asked.tolist():
                self._ask(int(who[row]), batch, row, float(score[row]))
        self._sample(batch, score, np.flatnonzero(verdict != Verdict.REJECT))

    def _ask(self, walker: int, batch: Batch, row: int, score: float) -> None:
        held = self._best.get(walker)
        if held is None or score > held[0]:
            self._best[walker] = (score, batch.take([row]))

    def _sample(
        self, batch: Batch, score: NDArray[np.float64], rows: NDArray[np.int64] | None
    ) -> None:
        """Reservoir sampling of one (Vitter 1985), a whole batch at a time; None for all rows."""
        count = len(score) if rows is None else len(rows)
        self._sensible += count
        if count and self._rng.random() * self._sensible < count:
            place = int(self._rng.integers(count))
            row = place if rows is None else int(rows[place])
            self._probe = (float(score[row]), batch.take([row]))

    def result(self) -> dict[str, Any]:
        """What the controller is sent."""
        walkers = sorted(self._best)
        probe = [] if self._probe is None else [self._probe]
        verdict = np.concatenate([v.verdict for v in self._seen] or [np.zeros(0, np.int8)])
        score = np.concatenate([v.score for v in self._seen] or [np.zeros(0)])
        rejected = verdict == Verdict.REJECT
        filtered = int((rejected & ~(score > self._reject)).sum())
        counts = np.bincount(verdict, minlength=3)
        return {
            "candidates": joined([self._best[w][1] for w in walkers]).with_ids(),
            "scores": np.array([self._best[w][0] for w in walkers], np.float64),
            "walkers": np.array(walkers, np.int64),
            "probes": joined([batch for _, batch in probe]).with_ids(),
            "probe_scores": np.array([score for score, _ in probe], np.float64),
            "sketch": QuantileSketch.of(score[~rejected]),
            "steps": self.steps,
            "proposed": self.proposed,
            "trusted": int(counts[Verdict.TRUST]),
            "asked": int(counts[Verdict.ASK]),
            "rejected": int(counts[Verdict.REJECT]) - filtered,
            "filtered": filtered,
            "undefined": int((rejected & np.isnan(score)).sum()),
        }
