"""Molecular dynamics on the model's forces: Langevin walkers that stay where it is trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Array, Batch, Sample
from querist.core.errors import ConfigError, ShapeError
from querist.core.prediction import AnsweredSample, Feedback, Proposal, Verdict
from querist.core.roles import WorkerContext
from querist.core.tasks import resolve
from querist.generators.elements import MASSES
from querist.generators.random_walk import check_on_ask
from querist.generators.randomness import Seeded, rng_from, rng_state
from querist.generators.starts import load_batch
from querist.generators.thermal import BOLTZMANN, Floats, ThermalCloud

Integers = NDArray[np.int64]
Bias = Callable[[Floats, Integers], Floats]

ACCELERATION = 9.648533212e-3
"""One eV/A over one unified mass unit, in A/fs^2."""

AMPLITUDES = (0.3, 1.5)
"""Range of the factors by which initial displacements are scaled, so that small and large occur."""

NEW, READY, PENDING, WAITING = range(4)
_ARRAYS = ("positions", "velocities", "forces", "trusted", "numbers", "status", "moved", "rejects")


@dataclass(eq=False)
class LangevinWalkers(Seeded):
    """Walkers of one size, all advanced together, one prediction a step.

    The integrator is BAOAB (Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34): half a
    kick, half a drift, friction and noise, half a drift, the forces of the new positions (they are
    proposed; the prediction's mean "forces" are taken), half a kick. Without friction it is
    velocity Verlet.

    A trusted step goes on. A rejected one is undone: the walker is put back to its last trusted
    positions with fresh velocities, and after more than ``max_rejects`` in a row to its start. A
    geometry that exploded (two atoms nearer than ``closest``, or one that moved by more than
    ``farthest`` in a step) is never proposed: its walker goes back to its start. While there is no
    model, walkers propose thermally displaced starts
    (:class:`~querist.generators.thermal.ThermalCloud`).

    Attributes:
        starts: Geometries of the atoms schema with equal numbers of atoms, taken in turns: what
            :func:`~querist.generators.starts.load_batch` takes, such as the path of an XYZ file.
        walkers: How many.
        temperature: In Kelvin; a list is given to the walkers in turns.
        time_step: In fs.
        friction: In 1/fs; 0 conserves the energy.
        on_ask: What a walker does when its step is uncertain: "continue", "back_up" as if it was
            rejected, or "wait" for the answer (it goes on with the oracle's forces) or for a newer
            model.
        max_rejects: Steps in a row that may be undone before a walker begins again.
        closest: Shortest distance of two atoms, in Angstrom.
        farthest: Longest way of an atom in one step, in Angstrom.
        bias: Forces beside the model's or the oracle's, such as a restraint's or an umbrella's: a
            function of positions ``(k, atoms, 3)`` in Angstrom and of the walkers' numbers ``(k,)``
            that returns ``(k, atoms, 3)`` in eV/Angstrom; or its import path. It changes where
            walkers go, never what is asked or learned there.
        seed: The worker's randomness when None.
    """

    starts: Any
    walkers: int = 4
    temperature: float | Sequence[float] = 300.0
    time_step: float = 0.5
    friction: float = 0.01
    on_ask: str = "continue"
    max_rejects: int = 5
    closest: float = 0.4
    farthest: float = 0.5
    bias: Bias | str | None = None
    seed: int | None = None
    _starts: Batch = field(init=False, repr=False)
    _clouds: dict[int, ThermalCloud] = field(default_factory=dict, init=False, repr=False)
    _state: dict[str, Any] | None = field(default=None, init=False, repr=False)
    _extra: dict[str, Array] = field(default_factory=dict, init=False, repr=False)
    _version: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        check_on_ask(self.on_ask)
        if self.walkers < 1 or self.time_step <= 0 or self.friction < 0:
            raise ConfigError(
                "walkers need walkers >= 1, time_step > 0 fs and friction >= 0 1/fs; got "
                f"{self.walkers}, {self.time_step} and {self.friction}."
            )
        if isinstance(self.bias, str):
            self.bias = resolve(self.bias)
        self._starts = load_batch(self.starts)
        if not len(self._starts) or not {"numbers", "positions"} <= set(self._starts.columns):
            raise ShapeError(
                "Langevin walkers need starts with numbers and positions; got "
                f"{len(self._starts)} with {sorted(self._starts.columns)}."
            )
        if not self._starts.columns["positions"].is_uniform:
            raise ShapeError(
                "Langevin walkers need starts with equal numbers of atoms; give molecules of "
                "different sizes to generators of their own."
            )
        kelvin = np.atleast_1d(np.asarray(self.temperature, np.float64))
        self._kelvin = kelvin[np.arange(self.walkers) % len(kelvin)]
        self._offset = 0
        self._pairs = np.triu_indices(self._starts["numbers"].shape[1], 1)

    def open(self, context: WorkerContext) -> None:
        """Take the worker's randomness; explorers begin with different starts."""
        Seeded.open(self, context)
        self._offset = context.index * self.walkers

    # ---- the loop

    def propose(self) -> Proposal:
        """The new positions of all walkers that do not wait."""
        w = self._walkers()
        ready = np.flatnonzero(w["status"] == READY)
        before = w["positions"][ready]
        with np.errstate(over="ignore", invalid="ignore"):  # exploded walkers are dealt with below
            self._advance(ready)
        w["moved"][ready] = True
        w["status"][w["status"] <= READY] = PENDING
        self._begin_again(self._exploded(ready, before))
        pending = np.flatnonzero(w["status"] == PENDING)
        return Proposal(self._batch(pending), pending)

    def observe(self, feedback: Feedback) -> None:
        """Let every walker go on, back up or wait."""
        w = self._walkers()
        for answer in feedback.answers:
            self._answered(answer)
        self._renew(int(feedback.info.get("version", self._version)))
        current = w["status"][feedback.walkers] == PENDING
        walkers = feedback.walkers[current]
        if not len(walkers):
            return
        if feedback.prediction is None:
            self._scatter(walkers)
            return
        forces = np.asarray(feedback.prediction.mean["forces"], np.float64)[current]
        verdict = feedback.verdicts.verdict[current].copy()
        verdict[~np.isfinite(forces).all(axis=(1, 2))] = Verdict.REJECT
        trusted, asked = verdict == Verdict.TRUST, verdict == Verdict.ASK
        self._go_on(walkers[trusted], forces[trusted], trusted=True)
        self._back_up(walkers[verdict == Verdict.REJECT])
        if self.on_ask == "continue":
            self._go_on(walkers[asked], forces[asked], trusted=False)
        elif self.on_ask == "back_up":
            self._back_up(walkers[asked])
        else:
            w["status"][walkers[asked]] = WAITING

    def initial(self, count: int) -> Batch:
        """Thermally displaced starts, in turns, at the walkers' temperatures.

        The variance of each is scaled by the square of a factor drawn from ``AMPLITUDES``.
        """
        index = np.arange(count) % len(self._starts)
        factors = self.rng.uniform(*AMPLITUDES, count)
        kelvin = self._kelvin[np.arange(count) % self.walkers] * factors**2
        positions = [
            self._cloud(int(i)).draw(t, self.rng) for i, t in zip(index, kelvin, strict=True)
        ]
        chosen = self._starts.take(index)
        columns = {**chosen.columns, "positions": Batch.stack(p=np.stack(positions)).columns["p"]}
        return Batch(columns)

    def restart(self, samples: Sequence[Sample]) -> None:
        """Put the first walkers on these samples, with fresh velocities.

        Raises:
            ShapeError: If a sample has another number of atoms or other fields.
        """
        w = self._walkers()
        for walker, sample in enumerate(samples[: self.walkers]):
            fields = {"numbers", "positions", *self._extra}
            if set(sample.arrays) != fields or sample["positions"].shape != w["positions"][0].shape:
                raise ShapeError(
                    f"a walker of {len(w['numbers'][0])} atoms with {sorted(fields)} cannot "
                    f"restart from {len(sample['positions'])} atoms with {sorted(sample.arrays)}."
                )
            w["positions"][walker] = w["trusted"][walker] = sample["positions"]
            w["numbers"][walker] = sample["numbers"]
            for name, held in self._extra.items():
                held[walker] = sample[name]
        self._fresh(np.arange(min(len(samples), self.walkers)))

    # ---- continuing after a crash

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """Positions, velocities, forces and what each walker does, and the randomness."""
        w = self._walkers()
        arrays = {name: w[name].copy() for name in _ARRAYS}
        extra = {f"extra/{name}": value.copy() for name, value in self._extra.items()}
        data = {"rng": rng_state(self.rng), "version": self._version, "offset": self._offset}
        return {**arrays, **extra}, data

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Continue the same trajectories.

        Raises:
            ShapeError: If the state is of another number of walkers.
        """
        if len(arrays["positions"]) != self.walkers:
            raise ShapeError(
                f"the state holds {len(arrays['positions'])} walkers, but there are {self.walkers}."
            )
        self._state = {name: np.array(arrays[name]) for name in _ARRAYS}
        names = [name for name in arrays if name.startswith("extra/")]
        self._extra = {name.removeprefix("extra/"): np.array(arrays[name]) for name in names}
        self._rng, self._version = rng_from(data["rng"]), int(data["version"])
        self._offset = int(data["offset"])

    # ---- the walkers

    def _walkers(self) -> dict[str, Any]:
        if self._state is None:
            home = self._home(np.arange(self.walkers))
            positions = np.array(self._starts["positions"], np.float64)[home]
            self._state = {
                "positions": positions,
                "velocities": np.zeros_like(positions),
                "forces": np.zeros_like(positions),
                "trusted": positions.copy(),
                "numbers": np.array(self._starts["numbers"], np.int64)[home],
                "status": np.full(self.walkers, NEW, np.int8),
                "moved": np.zeros(self.walkers, np.bool_),
                "rejects": np.zeros(self.walkers, np.int64),
            }
            own = set(self._starts.columns) - {"numbers", "positions"}
            self._extra = {name: self._starts[name][home] for name in sorted(own)}
            self._fresh(np.arange(self.walkers))
        return self._state

    def _home(self, walkers: Integers) -> Integers:
        return (walkers + self._offset) % len(self._starts)

    def _cloud(self, start: int) -> ThermalCloud:
        if start not in self._clouds:
            one = self._starts.arrays(start)
            cell = np.asarray(one["cell"], np.float64) if "cell" in one else None
            positions = np.asarray(one["positions"], np.float64)
            numbers = np.asarray(one["numbers"], np.int64)
            self._clouds[start] = ThermalCloud(numbers, positions, cell)
        return self._clouds[start]

    def _batch(self, walkers: Integers) -> Batch:
        w = self._walkers()
        extra = {name: value[walkers] for name, value in self._extra.items()}
        return Batch.stack(
            numbers=w["numbers"][walkers], positions=w["positions"][walkers], **extra
        )

    def _masses(self, walkers: Integers) -> Floats:
        """``(k, atoms, 1)``."""
        return np.asarray(MASSES[self._walkers()["numbers"][walkers]][..., None])

    def _kick(self, walkers: Integers) -> None:
        w = self._walkers()
        scale = 0.5 * self.time_step * ACCELERATION / self._masses(walkers)
        w["velocities"][walkers] += scale * w["forces"][walkers]

    def _drift(self, walkers: Integers) -> None:
        w = self._walkers()
        w["positions"][walkers] += 0.5 * self.time_step * w["velocities"][walkers]

    def _advance(self, walkers: Integers) -> None:
        """B, A, O, A: all of a step but the last half kick, which needs the new forces."""
        if not len(walkers):
            return
        w = self._walkers()
        self._kick(walkers)
        self._drift(walkers)
        if self.friction:
            kept = np.exp(-self.friction * self.time_step)
            noise = np.sqrt(1.0 - kept**2) * self._thermal(walkers)
            w["velocities"][walkers] = kept * w["velocities"][walkers] + noise
        self._drift(walkers)

    def _thermal(self, walkers: Integers) -> Floats:
        """Velocities ``(k, atoms, 3)`` of the Maxwell-Boltzmann distribution, A/fs."""
        masses = self._masses(walkers)
        energy = BOLTZMANN * self._kelvin[walkers][:, None, None] * ACCELERATION
        shape = (*masses.shape[:2], 3)
        return np.asarray(np.sqrt(energy / masses) * self.rng.normal(size=shape))

    def _fresh(self, walkers: Integers) -> None:
        """New velocities; the forces where the walker stands must be predicted first."""
        w = self._walkers()
        w["velocities"][walkers] = self._thermal(walkers)
        w["status"][walkers], w["moved"][walkers] = NEW, False

    def _go_on(self, walkers: Integers, forces: Floats, *, trusted: bool) -> None:
        w = self._walkers()
        if callable(self.bias) and len(walkers):
            beside = np.asarray(self.bias(w["positions"][walkers], walkers), np.float64)
            if beside.shape != forces.shape:
                raise ShapeError(
                    f"a bias should give forces of the shape {forces.shape}, got {beside.shape}."
                )
            forces = forces + beside
        w["forces"][walkers] = forces
        self._kick(walkers[w["moved"][walkers]])
        w["status"][walkers] = READY
        if trusted:
            w["trusted"][walkers] = w["positions"][walkers]
            w["rejects"][walkers] = 0

    def _back_up(self, walkers: Integers) -> None:
        w = self._walkers()
        w["rejects"][walkers] += 1
        lost = w["rejects"][walkers] > self.max_rejects
        back = walkers[~lost]
        w["positions"][back] = w["trusted"][back]
        self._fresh(back)
        self._begin_again(walkers[lost])

    def _begin_again(self, walkers: Integers) -> None:
        """Back to the start; to be proposed at once where the walker was about to be."""
        if not len(walkers):
            return
        w, home = self._walkers(), self._home(walkers)
        pending = w["status"][walkers] == PENDING
        w["positions"][walkers] = w["trusted"][walkers] = self._starts["positions"][home]
        w["numbers"][walkers] = self._starts["numbers"][home]
        for name, held in self._extra.items():
            held[walkers] = self._starts[name][home]
        w["rejects"][walkers] = 0
        self._fresh(walkers)
        w["status"][walkers[pending]] = PENDING

    def _exploded(self, walkers: Integers, before: Floats) -> Integers:
        after = self._walkers()["positions"][walkers]
        # Written so that what is not a number is no near step either.
        near = (np.abs(after - before) <= self.farthest).all(axis=(1, 2))
        first, second = self._pairs
        held = np.where(near[:, None, None], after, before)
        squared = ((held[:, first] - held[:, second]) ** 2).sum(-1)
        apart = squared.min(axis=1, initial=np.inf) >= self.closest**2
        return np.asarray(walkers[~(near & apart)])

    def _scatter(self, walkers: Integers) -> None:
        """No model yet: somewhere near the start."""
        w = self._walkers()
        for walker in walkers:
            cloud = self._cloud(int(self._home(walker)))
            w["positions"][walker] = cloud.draw(float(self._kelvin[walker]), self.rng)
        self._fresh(walkers)

    def _renew(self, version: int) -> None:
        # A newer model may trust what walkers wait for: they propose it again.
        w = self._walkers()
        if version > self._version:
            w["status"][w["status"] == WAITING] = PENDING
        self._version = version

    def _answered(self, answer: AnsweredSample) -> None:
        w, one = self._walkers(), np.array([answer.walker])
        if answer.walker < 0 or w["status"][answer.walker] != WAITING:
            return
        if not np.array_equal(answer.sample["positions"], w["positions"][answer.walker]):
            return
        if answer.outputs is None or "forces" not in answer.outputs:
            self._back_up(one)
        else:
            self._go_on(one, np.asarray(answer.outputs["forces"], np.float64)[None], trusted=True)
