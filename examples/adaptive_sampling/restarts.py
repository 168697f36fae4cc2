"""Where walkers begin: at any frame that was seen (adaptive sampling), or where they ended (plain).

A sample is a frame and a seed of velocities and noise, so that one frame can be asked about often.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from molecules import molecule
from numpy.typing import NDArray

from querist.core.batch import Array, Batch, Sample
from querist.core.prediction import AnsweredSample, Feedback, Proposal
from querist.generators.randomness import Seeded, rng_from, rng_state

SEEDS = 2**31
Frames = NDArray[np.float32]


def questions(frames: Frames, rng: np.random.Generator) -> Batch:
    """Samples of frames (k, n, 3) in Angstrom, each with a seed of its own."""
    return Batch.stack(positions=frames, seed=rng.integers(SEEDS, size=len(frames)))


def built(system: str, count: int) -> Frames:
    """The built structure, ``count`` times."""
    return np.repeat(molecule(system).positions[None].astype(np.float32), count, axis=0)


def frames_of(answers: Sequence[AnsweredSample]) -> Iterator[tuple[int, Frames]]:
    """The walker and the frames of each answer that is there."""
    for answer in answers:
        if answer.outputs is not None:
            yield answer.walker, np.asarray(answer.outputs["frames"], np.float32)


@dataclass(eq=False)
class Restarts(Seeded):
    """Offers frames that were seen, drawn at random; the model says of which little was.

    Attributes:
        system: Name of the molecule; until there is an answer, its built structure is offered.
        offers: How many frames at a time.
        seed: The worker's randomness when None.
    """

    system: str = "alanine"
    offers: int = 1000
    seed: int | None = None
    _seen: list[Frames] = field(default_factory=list, init=False, repr=False)

    def propose(self) -> Proposal:
        """Frames, without repetition where there are enough."""
        if not self._seen:
            return Proposal(questions(built(self.system, 1), self.rng), np.zeros(1, np.int64))
        lengths = [len(part) for part in self._seen]
        total = sum(lengths)
        chosen = np.sort(self.rng.choice(total, min(self.offers, total), replace=False))
        part = np.searchsorted(np.cumsum(lengths), chosen, side="right")
        begins = np.cumsum([0, *lengths])
        frames = np.stack([self._seen[p][c - begins[p]] for p, c in zip(part, chosen, strict=True)])
        return Proposal(questions(frames, self.rng), np.arange(len(frames)))

    def observe(self, feedback: Feedback) -> None:
        """Keep the frames of answers."""
        self._seen += [frames for _, frames in frames_of(feedback.answers)]

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """All frames, and the randomness."""
        return {str(n): part for n, part in enumerate(self._seen)}, {"rng": rng_state(self.rng)}

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Continue where :meth:`state` was taken."""
        self._seen = [np.array(arrays[str(n)], np.float32) for n in range(len(arrays))]
        self._rng = rng_from(data["rng"])

    def restart(self, samples: Sequence[Sample]) -> None:
        """Offer these frames alone, until answers bring others."""
        self._seen = [np.stack([np.asarray(s["positions"], np.float32) for s in samples])]


@dataclass(eq=False)
class Plain(Seeded):
    """Plain dynamics: each walker goes on where its segment ended, and waits until it has.

    Attributes:
        system: Name of the molecule.
        walkers: How many.
        seed: The worker's randomness when None.
    """

    system: str = "alanine"
    walkers: int = 2
    seed: int | None = None
    _ends: Frames = field(init=False, repr=False)
    _ready: NDArray[np.bool_] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._ends = built(self.system, self.walkers)
        self._ready = np.ones(self.walkers, np.bool_)

    def propose(self) -> Proposal:
        """The ends of the walkers that do not wait."""
        rows = np.flatnonzero(self._ready)
        return Proposal(questions(self._ends[rows], self.rng), rows)

    def observe(self, feedback: Feedback) -> None:
        """Walkers wait once they are offered, and go on when they are answered."""
        self._ready[np.asarray(feedback.walkers, np.int64)] = False
        for answer in feedback.answers:
            self._ready[answer.walker] = True
        for walker, frames in frames_of(feedback.answers):
            self._ends[walker] = frames[-1]

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """Where walkers are, and the randomness."""
        return {"ends": self._ends.copy(), "ready": self._ready.copy()}, {
            "rng": rng_state(self.rng)
        }

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Continue where :meth:`state` was taken."""
        self._ends = np.array(arrays["ends"], np.float32)
        self._ready, self._rng = np.array(arrays["ready"], np.bool_), rng_from(data["rng"])
