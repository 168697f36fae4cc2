"""What searches for the best structure share: relaxations on the model, landings, waiting.

Every walker relaxes its cluster on the model's mean energy, step by step. Where it lands, the gate
has the last word: what is trusted counts with the predicted energy, what is to be asked waits for
the oracle's answer (or for a newer model that trusts it).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Array, Batch, Sample
from querist.core.errors import ConfigError
from querist.core.prediction import AnsweredSample, Feedback, Proposal, Verdict
from querist.generators.cluster_moves import random_cluster
from querist.generators.descent import Descent
from querist.generators.randomness import Seeded, rng_from, rng_state

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
RELAXING, WAITING = 0, 1
_NEAR = 30.0  # times the tolerance: from there on a relaxation lowers the energy by little
_PATIENCE = 3  # times that a landing is put to the oracle before it counts as it is


@dataclass(eq=False)
class Search(Seeded, ABC):
    """Walkers that relax clusters of one composition and then move on, as a subclass says.

    Attributes:
        numbers: Atomic numbers (n,) of the cluster.
        distance: Typical distance of nearest neighbours, in Angstrom.
        walkers: How many.
        tolerance: Largest force on an atom in a minimum, in eV/Angstrom.
        stiffness: Typical, for the first step of a relaxation, in eV/Angstrom^2.
        max_steps: Evaluations after which a relaxation is given up.
        seed: The worker's randomness when None.
    """

    numbers: Any
    distance: float
    walkers: int = 8
    tolerance: float = 0.01
    stiffness: float = 50.0
    max_steps: int = 500
    seed: int | None = None
    landings: int = field(default=0, init=False)
    _descent: Descent = field(init=False, repr=False)
    _status: NDArray[np.int8] = field(init=False, repr=False)
    _refused: IntArray = field(init=False, repr=False)
    _version: int = field(default=0, init=False, repr=False)
    _began: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        self.numbers = np.asarray(self.numbers, np.int64)
        atoms = len(self.numbers)
        if atoms < 2 or not self.distance > 0.0 or self.walkers < 1:
            raise ConfigError(
                "a search wants at least 2 atoms, a positive distance and a walker, but got "
                f"{atoms}, {self.distance} and {self.walkers}."
            )
        longest = 0.15 * self.distance
        self._descent = Descent(self.walkers, atoms, self.tolerance, longest, self.stiffness)
        self._status = np.full(self.walkers, RELAXING, np.int8)
        self._refused = np.zeros(self.walkers, np.int64)

    # ----------------------------------------------------------------------- what is searched

    @abstractmethod
    def _landed(self, walker: int, energy: float, positions: FloatArray) -> None:
        """A walker is in a minimum of this energy (infinite: it came to nothing)."""

    def _ceiling(self, walker: int) -> float:
        """An energy, in eV, above which a minimum would be of no use to this walker."""
        return np.inf

    @abstractmethod
    def _next(self, walker: int) -> FloatArray:
        """Where the walker begins its next relaxation (n, 3)."""

    # ------------------------------------------------------------------------------- contract

    def propose(self) -> Proposal:
        """The next geometry of every walker that does not wait."""
        if not self._began:
            self._began = True
            every = np.arange(self.walkers)
            self._descent.start(every, np.stack([self._next(w) for w in range(self.walkers)]))
        rows = np.flatnonzero(self._status == RELAXING)
        return Proposal(self._samples(self._descent.trial[rows]), rows)

    def _samples(self, positions: FloatArray) -> Batch:
        numbers = np.tile(self.numbers, (len(positions), 1))
        return Batch.stack(numbers=numbers, positions=np.array(positions, np.float64))

    def observe(self, feedback: Feedback) -> None:
        """Relax further, land, or wait; land where an answer arrived."""
        for answer in feedback.answers:
            self._answered(answer)
        version = int(feedback.info.get("version", self._version))
        if version > self._version:  # a newer model: it may trust what walkers wait for
            self._release()
        self._version = version
        rows = np.asarray(feedback.walkers, np.int64)
        if feedback.prediction is None or not len(rows):
            self._status[rows] = WAITING  # nothing is known yet: the samples are asked
            return
        verdict = feedback.verdicts.verdict
        mean = feedback.prediction.mean
        energy = np.where(verdict == Verdict.REJECT, np.inf, np.asarray(mean["energy"], np.float64))
        force = np.asarray(mean["forces"], np.float64)
        current = self._status[rows] == RELAXING
        rows, energy, force, verdict = (a[current] for a in (rows, energy, force, verdict))
        self._relaxed(rows, energy, force, verdict)

    def _relaxed(
        self, rows: IntArray, energy: FloatArray, force: FloatArray, verdict: NDArray[np.int8]
    ) -> None:
        descent = self._descent
        arrived = descent.tell(rows, energy, force)
        lost = ~arrived & (
            (descent.steps[rows] >= self.max_steps)
            | (np.isnan(descent.energy[rows]))
            | (descent.tries[rows] > 8)
        )
        lost |= ~arrived & self._hopeless(rows)
        for walker in rows[lost].tolist():
            self._move_on(walker, np.inf)
        for walker, said in zip(rows[arrived].tolist(), verdict[arrived].tolist(), strict=True):
            if said == Verdict.ASK and self._refused[walker] < _PATIENCE:
                self._status[walker] = WAITING
                descent.trial[walker] = descent.place[walker]
            else:
                refused = said == Verdict.ASK
                self._move_on(walker, np.inf if refused else float(descent.energy[walker]))

    def _hopeless(self, rows: IntArray) -> NDArray[np.bool_]:
        """Walkers that are nearly in a minimum, and far above what would be of use (k,)."""
        descent = self._descent
        near = np.linalg.norm(descent.force[rows], axis=2).max(axis=1) < _NEAR * descent.tolerance
        near &= np.isfinite(descent.energy[rows])
        for place in np.flatnonzero(near).tolist():
            walker = int(rows[place])
            near[place] = descent.energy[walker] > self._ceiling(walker)
        return np.asarray(near)

    def _move_on(self, walker: int, energy: float) -> None:
        self.landings += 1
        self._landed(walker, energy, self._descent.place[walker].copy())
        self._descent.start(np.array([walker]), self._next(walker)[None])
        self._status[walker], self._refused[walker] = RELAXING, 0

    def _release(self) -> None:
        rows = np.flatnonzero(self._status == WAITING)
        self._status[rows] = RELAXING
        self._descent.trial[rows] = self._descent.place[rows]
        self._descent.energy[rows] = np.nan
        rows = np.arange(self.walkers)
        self._descent.forget(rows)

    def _answered(self, answer: AnsweredSample) -> None:
        walker, descent = answer.walker, self._descent
        if not 0 <= walker < self.walkers or self._status[walker] != WAITING:
            return
        if not np.array_equal(answer.sample["positions"], descent.place[walker]):
            return
        self._refused[walker] += 1
        if answer.outputs is None:  # it failed, or the model has become sure: see what it says
            self._resume(walker)
            return
        force = np.asarray(answer.outputs["forces"], np.float64)
        largest = float(np.linalg.norm(force, axis=1).max())
        if largest < 10.0 * descent.tolerance or self._refused[walker] >= _PATIENCE:
            self._move_on(walker, float(np.asarray(answer.outputs["energy"])))
        else:  # no minimum of the oracle's: on, with what was learned
            self._resume(walker)

    def _resume(self, walker: int) -> None:
        refused = self._refused[walker]
        self._descent.start(np.array([walker]), self._descent.place[walker][None].copy())
        self._status[walker], self._refused[walker] = RELAXING, refused

    def initial(self, count: int) -> Batch:
        """Random clusters, some looser and some tighter, so that a first model knows both."""
        sizes = self.rng.uniform(0.95, 1.25, count)
        atoms = len(self.numbers)
        made = [size * random_cluster(self.rng, atoms, self.distance) for size in sizes]
        return self._samples(np.stack(made) if made else np.zeros((0, atoms, 3)))

    def restart(self, samples: Sequence[Sample]) -> None:
        """Let the first walkers relax from these samples."""
        for walker, sample in enumerate(samples[: self.walkers]):
            positions = np.asarray(sample["positions"], np.float64)
            self._descent.start(np.array([walker]), positions[None])
            self._status[walker] = RELAXING
        self._began = self._began or len(samples) >= self.walkers

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """Relaxations under way, what is waited for, and the randomness."""
        arrays = {f"descent/{name}": value for name, value in self._descent.state().items()}
        arrays |= {"status": self._status.copy(), "refused": self._refused.copy()}
        data = {"version": self._version, "began": self._began, "landings": self.landings}
        return arrays, {**data, "rng": rng_state(self.rng)}

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Continue where :meth:`state` was taken."""
        prefix = "descent/"
        held = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
        self._descent.restore(held)
        self._status = np.array(arrays["status"], np.int8)
        self._refused = np.array(arrays["refused"], np.int64)
        self._version, self._began = int(data["version"]), bool(data["began"])
        self.landings, self._rng = int(data["landings"]), rng_from(data["rng"])
