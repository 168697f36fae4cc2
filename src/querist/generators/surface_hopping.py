"""Excited-state dynamics on the model's surfaces: trajectories that hop between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as held
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querist.core.batch import Array, Batch, Sample
from querist.core.errors import ConfigError, ShapeError
from querist.core.prediction import AnsweredSample, Feedback, Proposal, Verdict
from querist.core.roles import WorkerContext
from querist.generators.electronic import (
    ACCELERATION,
    Complexes,
    Floats,
    Integers,
    decohere,
    jump,
    kinetic_energy,
    propagate,
    targets,
)
from querist.generators.randomness import Seeded, rng_from, rng_state
from querist.generators.starts import load_batch

ON_ASK = ("continue", "wait", "end")
NEW, READY, PENDING, DONE, SCOUT = range(5)
WAITING = 8  # is added to what a walker was when it began to wait
_PROPOSED = (NEW, PENDING, SCOUT)
_WHOLE = ("active", "start", "status", "hops")
_PLAIN = ("time", "down")  # of each walker; "down" is when it last came to its surface


class Ended(NamedTuple):
    """A trajectory that is over.

    Attributes:
        start: Which of the starts it began from.
        state: The surface that it was on.
        time: In fs.
        hops: How many there were.
        positions, velocities: ``(n,)`` at the end, in Angstrom and A/fs.
        reason: "time", "outside", "settled", or "lost" where the model was not to be trusted.
    """

    start: int
    state: int
    time: float
    hops: int
    positions: Floats
    velocities: Floats
    reason: str


class _Surfaces(NamedTuple):
    """Of ``w`` walkers: ``(w, s)``, ``(w, s, n)``, and ``(w, s, s, n)`` of ``<k| grad H |j>``."""

    energies: Floats
    gradients: Floats
    couplings: Floats

    def take(self, chosen: Any) -> _Surfaces:
        return _Surfaces(*(part[chosen] for part in self))

    @property
    def finite(self) -> NDArray[np.bool_]:
        """``(w,)`` whether all is."""
        flat = [part.reshape(len(part), -1) for part in self]
        return np.asarray(np.isfinite(np.concatenate(flat, axis=1)).all(axis=1))

    def rates(self, velocities: Floats) -> Floats:
        """``(w, s, s)`` time derivatives ``T_kj``, in 1/fs."""
        gap = self.energies[:, None, :] - self.energies[:, :, None]
        safe = np.where(abs(gap) < 1e-6, np.copysign(1e-6, gap), gap)
        rates: Floats = np.einsum("wkjn,wn->wkj", self.couplings, velocities) / safe
        diagonal = np.arange(rates.shape[1])
        rates[:, diagonal, diagonal] = 0.0
        return rates


@dataclass(eq=False)
class SurfaceHopping(Seeded):
    """Trajectories by fewest switches (Tully 1990), all advanced together, one prediction a step.

    The nuclei follow one surface by velocity Verlet; the amplitudes of all states follow the
    nuclei; hops are drawn, paid for from the velocity along the coupling, and refused where there
    is no energy for them. The prediction's means are ``energies`` (s,), ascending, in eV;
    ``gradients`` (s, ...) in eV/A; and ``couplings`` (s (s - 1) / 2, ...), the interstate vectors
    ``<k| grad H |j>`` for k < j in eV/A, which are the derivative coupling times ``E_j - E_k`` and
    stay finite where surfaces meet. Their signs may be arbitrary from sample to sample: each is
    taken as it fits the step before.

    A trajectory ends after ``duration``, when it has settled, when it is outside (a coordinate left
    ``low`` to ``high``, or ``inside`` says so), or when its step is rejected; its walker then
    begins another one, or is done.

    Attributes:
        starts: What :func:`~querist.generators.starts.load_batch` takes, with the field, a field
            "velocities" of the same shape in A/fs, and, unless the lowest, "state", the surface.
        masses: In unified mass units, one for each coordinate or for each atom.
        walkers: How many trajectories at once.
        time_step: In fs.
        duration: Longest time of a trajectory, in fs.
        settled: In fs: a trajectory that was on the lowest surface for so long without a hop ends;
            never when None. A molecule that came down has all the light's energy in its vibrations,
            and soon goes where a model of the excited state was never to go.
        low, high: Bounds of the coordinates, in Angstrom; none when both are None.
        inside: A function of ``(w, ...)`` positions that says of each whether it is still worth
            following, for example whether a molecule is still whole; all are when None.
        decoherence: Whether the other states' amplitudes decay
            (:func:`~querist.generators.electronic.decohere`).
        reverse: Whether a refused hop turns the velocity along the coupling round.
        on_ask: What a walker does when its step is uncertain: "continue", "wait" for the answer
            (the step is made with it) or a newer model, or "end" the trajectory.
        again: Whether walkers begin again; otherwise there are as many trajectories as walkers.
        scouts: Samples that are proposed while there is no model; the starts when None.
        field: Name of the positions.
        keep: Most ended trajectories that are kept.
        seed: The worker's randomness when None.
    """

    starts: Any
    masses: ArrayLike
    walkers: int = 16
    time_step: float = 0.5
    duration: float = 100.0
    settled: float | None = None
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    inside: Callable[[Floats], ArrayLike] | None = None
    decoherence: bool = True
    reverse: bool = False
    on_ask: str = "continue"
    again: bool = True
    scouts: Any = None
    field: str = "positions"
    keep: int = 10_000
    seed: int | None = None
    ended: list[Ended] = held(default_factory=list, init=False, repr=False)
    _state: dict[str, Any] | None = held(default=None, init=False, repr=False)
    _version: int = held(default=0, init=False, repr=False)
    _begun: int = held(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.on_ask not in ON_ASK:
            raise ConfigError(f"on_ask is one of {list(ON_ASK)}, not {self.on_ask!r}.")
        if self.settled is not None and self.settled < 0:
            raise ConfigError(f"settled is a time in fs, 0 or more, or None; got {self.settled}.")
        if self.walkers < 1 or self.time_step <= 0 or self.duration <= 0:
            raise ConfigError(
                "trajectories need walkers >= 1, time_step > 0 fs and duration > 0 fs; got "
                f"{self.walkers}, {self.time_step} and {self.duration}."
            )
        self._starts = load_batch(self.starts, self.field)
        wanted = {self.field, "velocities"}
        if not len(self._starts) or not wanted <= set(self._starts.columns):
            raise ShapeError(
                f"surface hopping needs starts with {sorted(wanted)}; got "
                f"{len(self._starts)} with {sorted(self._starts.columns)}."
            )
        self._scouts = self._starts if self.scouts is None else load_batch(self.scouts, self.field)
        self._shape = self._starts[self.field].shape[1:]
        masses = np.asarray(self.masses, np.float64)
        if masses.ndim == 1 and self._shape and len(masses) == self._shape[0]:
            masses = masses.reshape(-1, *([1] * (len(self._shape) - 1)))
        self._masses = np.broadcast_to(masses, self._shape).reshape(-1).astype(np.float64)

    def open(self, context: WorkerContext) -> None:
        """Take the worker's randomness; explorers begin with different starts."""
        Seeded.open(self, context)
        self._begun = context.index * self.walkers

    # ---- the loop

    def propose(self) -> Proposal:
        """The new positions of all trajectories that do not wait."""
        w = self._walkers()
        ready = np.flatnonzero(w["status"] == READY)
        pushed = 0.5 * self.time_step**2 * self._acceleration(ready)
        w["positions"][ready] += self.time_step * w["velocities"][ready] + pushed
        w["status"][ready] = PENDING
        chosen = np.flatnonzero(np.isin(w["status"], _PROPOSED))
        return Proposal(self._batch(chosen), chosen)

    def observe(self, feedback: Feedback) -> None:
        """Finish the proposed steps, hop, and begin again where trajectories are over."""
        for answer in feedback.answers:
            self._answered(answer)
        self._renew(int(feedback.info.get("version", self._version)))
        status = self._walkers()["status"]
        known = np.isin(status[feedback.walkers], _PROPOSED)
        if feedback.prediction is None:
            self._scout(feedback.walkers[known])
            return
        scouts = status[feedback.walkers] == SCOUT
        self._each(feedback.walkers[scouts], self._begin)
        current = np.flatnonzero(known & ~scouts)
        if not len(current):
            return
        surfaces = self._surfaces(feedback.prediction.mean).take(current)
        verdict = feedback.verdicts.verdict[current].copy()
        verdict[~surfaces.finite] = Verdict.REJECT
        self._decide(feedback.walkers[current], verdict, surfaces)

    def _decide(self, walkers: Integers, verdict: NDArray[np.int8], surfaces: _Surfaces) -> None:
        asked = verdict == Verdict.ASK
        lost = (verdict == Verdict.REJECT) | (asked & (self.on_ask == "end"))
        if self.on_ask == "wait":
            self._walkers()["status"][walkers[asked]] += WAITING
        goes_on = (verdict == Verdict.TRUST) | (asked & (self.on_ask == "continue"))
        self._step(walkers[goes_on], surfaces.take(goes_on))
        self._end(walkers[lost], "lost")

    def _renew(self, version: int) -> None:
        # A newer model may trust what walkers wait for: they propose it again.
        if version > self._version:
            status = self._walkers()["status"]
            status[status >= WAITING] -= WAITING
        self._version = version

    def _answered(self, answer: AnsweredSample) -> None:
        w = self._walkers()
        walker = answer.walker
        if walker < 0 or w["status"][walker] < WAITING:
            return
        here = w["positions"][walker].reshape(self._shape)
        if not np.array_equal(answer.sample[self.field], here):
            return
        chosen = np.array([walker])
        if answer.outputs is None:
            self._end(chosen, "lost")
            return
        w["status"][walker] -= WAITING
        told = {name: np.asarray(value)[None] for name, value in answer.outputs.items()}
        self._step(chosen, self._surfaces(told))

    # ---- a step

    def _step(self, walkers: Integers, surfaces: _Surfaces) -> None:
        w = self._grown(surfaces.energies.shape[1])
        new = w["status"][walkers] == NEW
        self._put(walkers[new], surfaces.take(new))
        moving, now = walkers[~new], surfaces.take(~new)
        if len(moving):
            self._move(moving, now)
        w["status"][walkers] = READY
        self._finish(moving)

    def _move(self, moving: Integers, now: _Surfaces) -> None:
        w, before = self._walkers(), self._held(moving)
        now = _aligned(now, before, w["slopes"][moving])
        w["slopes"][moving] = now.couplings - before.couplings
        rates = before.rates(w["velocities"][moving])
        first = self._acceleration(moving)
        self._put(moving, now)
        w["velocities"][moving] += 0.5 * self.time_step * (first + self._acceleration(moving))
        w["time"][moving] += self.time_step
        active = w["active"][moving]
        passed = propagate(
            _complex(w["amplitudes"][moving]),
            (before.energies, now.energies),
            (rates, now.rates(w["velocities"][moving])),
            active,
            self.time_step,
        )
        hopped = self._hop(moving, now, targets(passed.chances, active, self._draw(len(moving))))
        amplitudes = passed.amplitudes
        if self.decoherence:
            kinetic = kinetic_energy(w["velocities"][moving], self._masses)
            amplitudes = decohere(amplitudes, now.energies, hopped, kinetic, self.time_step)
        w["amplitudes"][moving] = np.stack([amplitudes.real, amplitudes.imag], axis=-1)

    def _draw(self, count: int) -> Floats:
        return self.rng.random(count)

    def _hop(self, moving: Integers, now: _Surfaces, target: Integers) -> Integers:
        """The active states after the hops; velocities pay for them."""
        w, rows = self._walkers(), np.arange(len(moving))
        active = w["active"][moving]
        chosen = np.flatnonzero(target != active)
        if len(chosen):
            who, to, of = moving[chosen], target[chosen], active[chosen]
            rise = now.energies[chosen, to] - now.energies[chosen, of]
            along = now.couplings[rows[chosen], of, to]
            done = jump(w["velocities"][who], along, rise, self._masses, self.reverse)
            w["velocities"][who] = done.velocities
            w["active"][who] = np.where(done.allowed, to, of)
            w["hops"][who] += done.allowed
            w["down"][who[done.allowed]] = w["time"][who[done.allowed]]
        now_active: Integers = w["active"][moving].copy()
        return now_active

    def _acceleration(self, walkers: Integers) -> Floats:
        w = self._walkers()
        gradient: Floats = w["gradients"][walkers, w["active"][walkers]]
        return -gradient * ACCELERATION / self._masses

    def _finish(self, moving: Integers) -> None:
        w = self._walkers()
        over = w["time"][moving] >= self.duration - 1e-9
        outside = self._outside(w["positions"][moving].reshape(-1, *self._shape))
        settled = np.zeros(len(moving), bool)
        if self.settled is not None:
            since = w["time"][moving] - w["down"][moving]
            settled = (w["active"][moving] == 0) & (since >= self.settled - 1e-9)
        self._end(moving[outside], "outside")
        self._end(moving[over & ~outside], "time")
        self._end(moving[settled & ~over & ~outside], "settled")

    def _outside(self, places: Floats) -> NDArray[np.bool_]:
        outside = np.zeros(len(places), bool)
        if self.low is not None and self.high is not None:
            beyond = (places < np.asarray(self.low)) | (places > np.asarray(self.high))
            outside |= beyond.any(axis=tuple(range(1, beyond.ndim)))
        if self.inside is not None and len(places):
            outside |= ~np.asarray(self.inside(places), bool)
        return outside

    def _end(self, walkers: Integers, reason: str) -> None:
        w = self._walkers()
        for walker in walkers:
            place, speed = w["positions"][walker].copy(), w["velocities"][walker].copy()
            start, state, hops = (int(w[name][walker]) for name in ("start", "active", "hops"))
            time = float(w["time"][walker])
            self.ended.append(Ended(start, state, time, hops, place, speed, reason))
        self._each(walkers, self._begin if self.again else self._rest)
        del self.ended[: -self.keep]

    def _rest(self, walker: int) -> None:
        self._walkers()["status"][walker] = DONE

    def _each(self, walkers: Integers, do: Callable[[int], None]) -> None:
        for walker in walkers.tolist():
            do(walker)

    # ---- walkers

    def _walkers(self) -> dict[str, Any]:
        if self._state is None:
            count, wide = self.walkers, len(self._masses)
            shapes = {"positions": (wide,), "velocities": (wide,), **dict.fromkeys(_PLAIN, ())}
            self._state = {name: np.zeros((count, *more)) for name, more in shapes.items()}
            self._state |= {name: np.zeros(count, np.int64) for name in _WHOLE}
            self._grown(1)
            self._each(np.arange(count), self._begin)
        return self._state

    def _grown(self, states: int) -> dict[str, Any]:
        """Room for so many states; how many there are, the first prediction tells."""
        assert self._state is not None
        w, count, wide = self._state, self.walkers, len(self._masses)
        states = max(states, int(w["active"].max(initial=0)) + 1)
        if w.get("energies", np.zeros((0, 0))).shape[1] < states:
            w["energies"] = np.zeros((count, states))
            w["gradients"] = np.zeros((count, states, wide))
            w["couplings"] = np.zeros((count, states, states, wide))
            w["slopes"] = np.zeros_like(w["couplings"])
            w["amplitudes"] = np.zeros((count, states, 2))
            w["amplitudes"][np.arange(count), w["active"], 0] = 1.0
        return w

    def _begin(self, walker: int) -> None:
        w = self._walkers()
        start = self._begun % len(self._starts)
        self._begun += 1
        w["positions"][walker] = np.reshape(self._starts[self.field][start], -1)
        w["velocities"][walker] = np.reshape(self._starts["velocities"][start], -1)
        chosen = self._starts["state"][start] if "state" in self._starts else 0
        w["active"][walker] = int(np.asarray(chosen).reshape(-1)[0])
        w["start"][walker], w["hops"][walker] = start, 0
        w["time"][walker] = w["down"][walker] = 0.0
        self._grown(1)
        w["slopes"][walker] = 0.0
        w["amplitudes"][walker] = 0.0
        w["amplitudes"][walker, w["active"][walker], 0] = 1.0
        w["status"][walker] = NEW

    def _scout(self, walkers: Integers) -> None:
        """Without a model, nobody moves: scouting samples are proposed in turns."""
        w, chosen = self._walkers(), self.rng.integers(len(self._scouts), size=len(walkers))
        scouts = self._scouts[self.field].reshape(len(self._scouts), -1)
        w["positions"][walkers] = scouts[chosen]
        w["status"][walkers] = SCOUT

    def _batch(self, walkers: Integers) -> Batch:
        places = self._walkers()["positions"][walkers].reshape(-1, *self._shape)
        same = {
            name: self._starts[name][self._walkers()["start"][walkers]]
            for name in self._starts.columns
            if name not in (self.field, "velocities", "state")
        }
        return Batch.stack(**same, **{self.field: places.copy()})

    def _surfaces(self, told: Batch | Mapping[str, Array]) -> _Surfaces:
        """What a prediction or an answer says, with flat coordinates.

        Raises:
            ShapeError: If numbers of states or coordinates do not fit together.
        """
        energies = np.asarray(told["energies"], np.float64)
        count, states = energies.shape
        wide, upper = len(self._masses), np.triu_indices(states, 1)
        try:
            gradients = np.asarray(told["gradients"], np.float64).reshape(count, states, wide)
            pairs = np.asarray(told["couplings"], np.float64)
            pairs = pairs.reshape(count, len(upper[0]), wide)
        except ValueError as error:
            raise ShapeError(
                f"{states} states of {wide} coordinates need gradients {(states, wide)} and "
                f"couplings {(len(upper[0]), wide)} a sample: {error}."
            ) from None
        couplings = np.zeros((count, states, states, wide))
        couplings[:, upper[0], upper[1]] = pairs
        couplings[:, upper[1], upper[0]] = pairs
        return _Surfaces(energies, gradients, couplings)

    def _held(self, walkers: Integers) -> _Surfaces:
        w = self._walkers()
        return _Surfaces(*(w[name][walkers] for name in ("energies", "gradients", "couplings")))

    def _put(self, walkers: Integers, surfaces: _Surfaces) -> None:
        w = self._walkers()
        for name, values in surfaces._asdict().items():
            w[name][walkers] = values

    # ---- a generator's other offers

    def initial(self, count: int) -> Batch:
        """Scouting samples, in turns."""
        chosen = np.arange(count) % len(self._scouts)
        columns = [name for name in self._scouts.columns if name not in ("velocities", "state")]
        return Batch.stack(**{name: self._scouts[name][chosen] for name in columns})

    def restart(self, samples: Sequence[Sample]) -> None:
        """Put the first walkers on these samples, at rest on the highest state known."""
        w = self._walkers()
        for walker, sample in enumerate(samples[: self.walkers]):
            self._begin(walker)
            w["positions"][walker] = np.reshape(sample[self.field], -1)
            w["velocities"][walker] = 0.0

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """Where all trajectories are, those that are over, and the randomness."""
        arrays: dict[str, Array] = {f"w/{name}": v.copy() for name, v in self._walkers().items()}
        wide = len(self._masses)
        for name in ("positions", "velocities"):
            rows = [getattr(one, name) for one in self.ended]
            arrays[f"ended/{name}"] = np.array(rows, np.float64).reshape(len(rows), wide)
        plain = [[o.start, o.state, o.time, o.hops, o.reason] for o in self.ended]
        data = {"rng": rng_state(self.rng), "version": self._version, "begun": self._begun}
        return arrays, {**data, "ended": plain}

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Continue where the trajectories were."""
        self._state = {n[2:]: np.array(v) for n, v in arrays.items() if n.startswith("w/")}
        self._state.setdefault("down", np.zeros(self.walkers))  # older runs did not keep it
        self._rng, self._version = rng_from(data["rng"]), int(data["version"])
        self._begun = int(data["begun"])
        places = np.array(arrays["ended/positions"]), np.array(arrays["ended/velocities"])
        self.ended = [
            Ended(start, state, time, hops, place, speed, reason)
            for (start, state, time, hops, reason), place, speed in zip(
                data["ended"], *places, strict=True
            )
        ]


def _complex(pairs: Floats) -> Complexes:
    values: Complexes = pairs[..., 0] + 1j * pairs[..., 1]
    return values


def _aligned(now: _Surfaces, before: _Surfaces, slopes: Floats) -> _Surfaces:
    """Couplings with the signs that go on smoothly; they may pass through zero."""
    expected = before.couplings + slopes
    along = (now.couplings * expected).sum(axis=-1)
    signs = np.where(along < 0, -1.0, 1.0)
    return now._replace(couplings=now.couplings * signs[..., None])
