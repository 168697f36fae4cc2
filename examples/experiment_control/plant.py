"""The plant as it ages, what is measured of it, and the simulation that is kept like it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from reactor import CLEAN, INLET, INTERVAL, Ageing, Floats, advanced, rate

SHORT_OF = 0.2  # of the walls' coefficient, lost by fouling; and of the catalyst's activity
FOULS, DECAYS = (0.1, 0.4), (0.5, 0.6)  # when, in shares of a run
AIMS, HELD = (345.0, 351.0), 40  # K; turns between two set-points
WANDERS, LASTS = 0.8, 0.95  # K, of the feed's temperature; correlation from turn to turn
NOISE = 0.002, 0.05  # mol/l and K, of what is measured
FOLLOWS = 0.03  # of an error, by which the simulation's parameters are moved


@dataclass(frozen=True)
class Course:
    """What ``n`` plants meet, ``(turns, n)`` each: set-points, feeds, walls, activities, noise."""

    aim: Floats
    inlet: Floats
    wall: Floats
    activity: Floats
    noise: tuple[Floats, Floats]

    @classmethod
    def of(cls, seeds: Sequence[int], turns: int) -> Course:
        """By seeds; each plant is the same, whoever else is there."""
        parts = [_course(np.random.default_rng([8, seed]), turns) for seed in seeds]
        aim, inlet, c, t = (np.stack(columns, axis=1) for columns in zip(*parts, strict=True))
        share = np.arange(turns)[:, None] / turns + np.zeros(len(seeds))
        wall = CLEAN * (1 - SHORT_OF * _ramp(share, FOULS))
        return cls(aim, inlet, wall, 1 - SHORT_OF * _ramp(share, DECAYS), (c, t))

    def now(self, turn: int) -> Ageing:
        """What the plants are in a turn."""
        return Ageing(self.wall[turn], self.activity[turn], self.inlet[turn])


def _course(rng: np.random.Generator, turns: int) -> tuple[Floats, ...]:
    aim = np.repeat(rng.uniform(*AIMS, turns // HELD + 1), HELD)[:turns]
    kicks = rng.normal(0.0, WANDERS * np.sqrt(1 - LASTS**2), turns)
    inlet = np.empty(turns)
    away = 0.0
    for turn, kick in enumerate(kicks):
        away = LASTS * away + kick
        inlet[turn] = INLET + away
    return aim, inlet, rng.normal(0.0, NOISE[0], turns), rng.normal(0.0, NOISE[1], turns)


def _ramp(share: Floats, between: tuple[float, float]) -> Floats:
    begin, end = between
    return np.clip((share - begin) / (end - begin), 0.0, 1.0)


@dataclass
class Twin:
    """The simulation's parameters, moved after each turn so that it foretells what is measured.

    Normalised least mean squares (B. Widrow & M. E. Hoff 1960): concentrations tell the activity,
    temperatures the walls; the feed's temperature is not measured and taken as constant.
    """

    wall: Floats
    activity: Floats

    @classmethod
    def fresh(cls, count: int) -> Twin:
        """Of ``count`` new plants."""
        return cls(np.full(count, CLEAN), np.ones(count))

    @property
    def now(self) -> Ageing:
        """As the simulation takes it."""
        return Ageing(self.wall, self.activity)

    def learn(self, before: tuple[Floats, Floats], u: Floats, after: tuple[Floats, Floats]) -> None:
        """From what was measured before and after a turn with input ``u``."""
        c, t = advanced(*before, u, self.now)
        by_activity = -INTERVAL * rate(before[1], 1.0) * before[0]
        by_wall = INTERVAL * (u - before[1])
        self.activity = self.activity + FOLLOWS * (after[0] - c) / by_activity
        self.wall = self.wall + FOLLOWS * (after[1] - t) * by_wall / (by_wall**2 + 1.0)
        self.activity = np.clip(self.activity, 0.5, 1.2)
        self.wall = np.clip(self.wall, 0.5 * CLEAN, 1.2 * CLEAN)


@dataclass
class Log:
    """What happened, ``(turns, n)`` each: true states, inputs, what was measured and estimated."""

    c: Floats
    t: Floats
    u: Floats
    seen_c: Floats
    seen_t: Floats
    wall: Floats
    activity: Floats


Control = Callable[[int, tuple[Floats, Floats], Twin], Floats]


def run(course: Course, control: Control) -> Log:
    """Keep ``n`` plants by a control, which gives inputs from the turn, what is measured, and twin.

    An input acts for one interval.
    """
    turns, count = course.aim.shape
    c, t = np.full(count, 0.5), np.full(count, INLET)
    twin, rows = Twin.fresh(count), []
    before: tuple[Floats, Floats] | None = None
    u = np.full(count, 300.0)
    for turn in range(turns):
        seen = c + course.noise[0][turn], t + course.noise[1][turn]
        if before is not None:
            twin.learn(before, u, seen)
        u = control(turn, seen, twin)
        rows.append((c, t, u, *seen, twin.wall, twin.activity))
        c, t = advanced(c, t, u, course.now(turn))
        before = seen
    return Log(*(np.array(column) for column in zip(*rows, strict=True)))
