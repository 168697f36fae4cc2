"""Random walkers in plain arrays, by Metropolis' rule where an output says where to go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as held
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querist.core.batch import Array, Batch, Sample
from querist.core.errors import ConfigError
from querist.core.prediction import AnsweredSample, Feedback, Proposal, Verdict
from querist.generators.randomness import Seeded, rng_from, rng_state
from querist.generators.starts import load_batch
from querist.generators.uniform import Floats, box

ON_ASK = ("continue", "back_up", "wait")
READY, PENDING, WAITING = 0, 1, 2


def check_on_ask(value: str) -> None:
    """Refuse what a walker cannot do when its step is uncertain.

    Raises:
        ConfigError: If it is none of "continue", "back_up" and "wait".
    """
    if value not in ON_ASK:
        raise ConfigError(f"on_ask is one of {list(ON_ASK)}, not {value!r}.")


@dataclass(eq=False)
class RandomWalk(Seeded):
    """Walkers with Gaussian steps, reflected at the bounds of a box.

    With an ``output`` a trusted step from value ``a`` to ``b`` is taken with the probability
    ``min(1, exp((a - b) / temperature))`` (Metropolis et al., J. Chem. Phys. 21, 1087, 1953);
    without one every trusted step is. A rejected step is never taken.

    Attributes:
        starts: Where walkers start, in turns: what ``load_batch`` takes.
        step: Standard deviation of a step, a number or an array of the sample's shape.
        walkers: How many.
        low, high: Bounds of the box, none when both are None.
        output: A scalar output that the walkers descend; None walks freely.
        temperature: In units of that output.
        on_ask: What a walker does when its step is uncertain: "continue" as if it was trusted,
            "back_up" to where it was, or "wait" for the answer or a newer model.
        field: Name of the sample's array.
        seed: The worker's randomness when None.
    """

    starts: Any
    step: ArrayLike
    walkers: int = 16
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    output: str | None = None
    temperature: float = 1.0
    on_ask: str = "continue"
    field: str = "x"
    seed: int | None = None
    _here: Floats = held(init=False, repr=False)
    _value: Floats = held(init=False, repr=False)
    _next: Floats = held(init=False, repr=False)
    _status: NDArray[np.int8] = held(init=False, repr=False)
    _box: tuple[Floats, Floats] | None = held(default=None, init=False, repr=False)
    _version: int = held(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        check_on_ask(self.on_ask)
        starts = np.asarray(load_batch(self.starts, self.field)[self.field], np.float64)
        self._here = starts[np.arange(self.walkers) % len(starts)]
        self._next = self._here.copy()
        self._value = np.full(self.walkers, np.nan)  # unknown until the start is predicted
        self._status = np.full(self.walkers, PENDING, np.int8)
        if self.low is not None and self.high is not None:
            self._box = box(self.low, self.high)

    def propose(self) -> Proposal:
        """The next step of every walker that does not wait; first of all the starts themselves."""
        ready = np.flatnonzero(self._status == READY)
        if len(ready):
            self._next[ready] = self._stepped(self._here[ready])
            self._status[ready] = PENDING
        pending = np.flatnonzero(self._status == PENDING)
        return Proposal(Batch.stack(**{self.field: self._next[pending]}), pending)

    def _stepped(self, here: Floats) -> Floats:
        there = here + np.asarray(self.step, np.float64) * self.rng.normal(size=here.shape)
        return there if self._box is None else reflected(there, *self._box)

    def observe(self, feedback: Feedback) -> None:
        """Take, refuse or hold the proposed steps; take those whose answers arrived."""
        for answer in feedback.answers:
            self._answered(answer)
        self._renew(int(feedback.info.get("version", self._version)))
        current = self._status[feedback.walkers] == PENDING
        walkers = feedback.walkers[current]
        if not len(walkers):
            return
        if feedback.prediction is None:
            self._take(walkers, np.full(len(walkers), np.nan))
            return
        values = self._values(feedback)[current]
        verdict = feedback.verdicts.verdict[current]
        asked = verdict == Verdict.ASK
        goes_on = (verdict == Verdict.TRUST) | (asked & (self.on_ask == "continue"))
        self._status[walkers] = READY
        if self.on_ask == "wait":
            self._status[walkers[asked]] = WAITING
        self._metropolis(walkers[goes_on], values[goes_on])

    def _renew(self, version: int) -> None:
        # A newer model may trust what walkers wait for: they propose it again.
        if version > self._version:
            self._status[self._status == WAITING] = PENDING
        self._version = version

    def _values(self, feedback: Feedback) -> Floats:
        if self.output is None or feedback.prediction is None:
            return np.zeros(len(feedback.walkers))
        return np.asarray(feedback.prediction.mean[self.output], np.float64).reshape(-1)

    def _metropolis(self, walkers: NDArray[np.int64], values: Floats) -> None:
        rise = (values - self._value[walkers]) / self.temperature
        # A value that is unknown is no obstacle.
        chance = np.exp(-np.maximum(np.nan_to_num(rise, nan=0.0), 0.0))
        taken = self.rng.random(len(walkers)) < chance
        self._take(walkers[taken], values[taken])

    def _take(self, walkers: NDArray[np.int64], values: Floats) -> None:
        self._here[walkers] = self._next[walkers]
        self._value[walkers] = values
        self._status[walkers] = READY

    def _answered(self, answer: AnsweredSample) -> None:
        walker = answer.walker
        if walker < 0 or self._status[walker] != WAITING:
            return
        if not np.array_equal(answer.sample[self.field], self._next[walker]):
            return
        self._status[walker] = READY
        if answer.outputs is not None:
            value = float(np.asarray(answer.outputs[self.output])) if self.output else 0.0
            self._metropolis(np.array([walker]), np.array([value]))

    def initial(self, count: int) -> Batch:
        """Steps from the walkers' places, in turns."""
        here = self._here[np.arange(count) % self.walkers]
        return Batch.stack(**{self.field: self._stepped(here)})

    def restart(self, samples: Sequence[Sample]) -> None:
        """Put the first walkers on these samples."""
        for walker, sample in enumerate(samples[: self.walkers]):
            self._here[walker] = self._next[walker] = np.asarray(sample[self.field], np.float64)
            self._value[walker], self._status[walker] = np.nan, PENDING

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """Where the walkers are and what they wait for, and the randomness."""
        arrays = {"here": self._here, "next": self._next, "value": self._value}
        copies: dict[str, Array] = {name: value.copy() for name, value in arrays.items()}
        return {**copies, "status": self._status.copy()}, {
            "rng": rng_state(self.rng),
            "version": self._version,
        }

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Continue where the walkers were."""
        self._here = np.array(arrays["here"], np.float64)
        self._next = np.array(arrays["next"], np.float64)
        self._value = np.array(arrays["value"], np.float64)
        self._status = np.array(arrays["status"], np.int8)
        self._rng, self._version = rng_from(data["rng"]), int(data["version"])


def reflected(points: Floats, low: Floats, high: Floats) -> Floats:
    """Points folded back into the box, however far outside they are."""
    width = high - low
    folded = np.mod(points - low, 2 * width)
    return low + np.where(folded > width, 2 * width - folded, folded)
