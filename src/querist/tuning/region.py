"""The polytope of numbers that keep all bounds on sums of settings within their ranges.

Real settings are counted from 0 to 1 over their ranges, whole ones in steps from their lowest
value: ``(k,)`` coordinates in which all bounds stay linear, log scales included, since sums are of
the settings' own units. What must be equal is solved for some of the settings; the others are free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.tuning.space import Setting
from querist.tuning.sums import Sum

Floats = NDArray[np.float64]
Rows = tuple[Floats, Floats]
CLOSE = 1e-9  # of what a sum varies by: so exactly is it kept
ROOM = 1e-6  # likewise: a region that is thinner is a line or a point
MARGIN = 1e-9  # that is left to bounds where a point is moved to them, so that rounding breaks none


class Region:
    """Where all sums are kept.

    Args:
        settings: Of the space; those in no sum are left out.
        sums: They.

    Attributes:
        names: The ``k`` settings that are in a sum.
        free: ``(f,)`` columns that may be chosen; the others follow from what must be equal.

    Raises:
        ConfigError: If no point keeps them all, or hardly any.
    """

    def __init__(self, settings: Mapping[str, Setting], sums: Sequence[Sum]) -> None:
        self.names = tuple(n for n in settings if any(n in one.factors for one in sums))
        told = [settings[name] for name in self.names]
        self._low, self._high = np.array([[s.low, s.high] for s in told]).T
        self._whole = np.array([s.kind == "integer" for s in told], bool)
        self._log = np.array([s.log for s in told], bool)
        self._unit = np.where(self._whole, 1.0, self._high - self._low)
        self._top = (self._high - self._low) / self._unit
        half = 0.5 * self._whole  # whole numbers have cells of a scale, as Setting.value has them
        cells = np.maximum(self._low - half, 0.5)
        self._from = np.where(self._log & self._whole, cells, self._low - half)
        self._to = self._high + half
        self._bound(sums)
        kinds = np.where(self._whole, 2, self._log)
        pivots, self._solve, self._level = eliminated(self._E, self._e, kinds)
        self._held = np.array(pivots, int)
        self.free = np.array([n for n in range(len(told)) if n not in pivots], int)
        self.centre = self._centred(sums)

    def _bound(self, sums: Sequence[Sum]) -> None:
        """Rows of bounds, each in units of what its sum varies by."""
        rows = np.array([[one.factors.get(n, 0.0) for n in self.names] for one in sums])
        spread = np.abs(rows) @ (self._top * self._unit)
        self.slack = (ROOM * spread).tolist()
        shift = rows @ self._low
        low = (np.array([one.low for one in sums]) - shift) / spread
        high = (np.array([one.high for one in sums]) - shift) / spread
        rows = rows * self._unit / spread[:, None]
        equal = low == high
        above, below = ~equal & np.isfinite(high), ~equal & np.isfinite(low)
        self._G = np.concatenate([rows[above], -rows[below]])
        self._h = np.concatenate([high[above], -low[below]])
        self._E, self._e = rows[equal], low[equal]
        self._mixed = (self._G[:, ~self._whole] != 0).any(axis=1)  # rows with a real setting

    @property
    def equal(self) -> bool:
        """Whether a sum must be equal to a number."""
        return len(self._E) > 0

    # ------------------------------------------------------------------------------- coordinates

    def at(self, places: Floats, columns: Any = slice(None)) -> Floats:
        """``(n, c)`` coordinates at places in [0, 1] of these columns, on scales of the space."""
        low, high, log = self._from[columns], self._to[columns], self._log[columns]
        ratio = np.where(log, high / np.where(log, low, 1.0), 1.0)
        x = np.where(log, low * ratio**places, low + places * (high - low))
        whole = self._whole[columns]
        found = np.where(whole, np.round(x), x) - self._low[columns]
        return np.asarray(np.clip(found / self._unit[columns], 0.0, self._top[columns]))

    def places(self, z: Floats) -> Floats:
        """``(n, k)`` places in [0, 1] of coordinates, as Setting.place has them."""
        x = self._low + z * self._unit
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(x / self._from) / np.log(self._to / self._from)
        return np.asarray(np.where(self._log, logs, (x - self._from) / (self._to - self._from)))

    def numbers(self, z: Floats) -> list[float | int]:
        """Values of the settings, in order."""
        x = np.clip(z * self._unit + self._low, self._low, self._high)
        pairs = zip(x.tolist(), self._whole, strict=True)
        return [round(value) if whole else value for value, whole in pairs]

    def coordinates(self, values: Mapping[str, Any]) -> Floats:
        """``(k,)`` coordinates of a point."""
        x = np.array([float(values[name]) for name in self.names])
        return np.asarray((x - self._low) / self._unit)

    def completed(self, z: Floats) -> Floats:
        """``(n, k)`` coordinates whose held columns follow from the free ones."""
        found = z.copy()
        if len(self._held):
            found[:, self._held] = self._level - z[:, self.free] @ self._solve[:, self.free].T
            near = np.round(found)
            whole = self._whole & (np.abs(found - near) < CLOSE)
            found = np.where(whole, near, found)
        return found

    def inside(self, z: Floats, close: float = CLOSE) -> NDArray[np.bool_]:
        """``(n,)`` whether coordinates keep ranges and sums, and whole ones are whole."""
        kept = ((z >= -close) & (z <= self._top + close)).all(axis=1)
        kept &= (z @ self._G.T <= self._h + close).all(axis=1)
        kept &= (np.abs(z @ self._E.T - self._e) <= close).all(axis=1)
        return np.asarray(kept & ~(self._whole & (np.abs(z - np.round(z)) > close)).any(axis=1))

    @cached_property
    def straight(self) -> Rows | None:
        """``(r, f)`` rows and ``(r,)`` bounds of free places; None where scales bend them."""
        if (self._log | self._whole).any():
            return None
        held = -self._solve  # how the held columns change with the free ones
        rows = self._G[:, self.free] + self._G[:, self._held] @ held[:, self.free]
        bounds = self._h - self._G[:, self._held] @ self._level
        rows = np.concatenate([rows, held[:, self.free], -held[:, self.free]])
        return rows, np.concatenate([bounds, 1.0 - self._level, self._level])

    # ------------------------------------------------------------------------------- programs

    def _centred(self, sums: Sequence[Sum]) -> Floats:
        """``(k,)`` a point with most room around its real settings, by a mixed-integer program."""
        width, real = len(self.names), ~self._whole
        rows = np.column_stack([self._G, np.abs(self._G[:, real]).sum(axis=1)])
        near = np.column_stack([np.eye(width), -real.astype(float)])
        far = np.column_stack([np.eye(width), real.astype(float)])
        blocks = [(rows, -np.inf, self._h), (near, 0.0, np.inf), (far, -np.inf, self._top)]
        goal = np.append(np.zeros(width), -float(real.any()))
        found = self._programmed(goal, blocks)
        texts = ", ".join(repr(text) for text in dict.fromkeys(one.text for one in sums))
        if found is None:
            raise ConfigError(
                f"where: within the ranges of the settings no point keeps all of {texts}."
            )
        if real.any() and found[-1] < ROOM:
            raise ConfigError(
                f"where: {texts} leave a single point or an edge of the ranges, and no room to "
                "search; widen them, narrow the ranges to where they hold, or say what must be "
                "equal with =, as in 'a + b = 1'."
            )
        return np.asarray(self.completed(found[None, :-1])[0])

    def _programmed(self, goal: Floats, blocks: Sequence[Any] = ()) -> Floats | None:
        """The least of a linear goal of coordinates, and of more numbers from 0 on."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        more = len(goal) - len(self.names)
        wide = np.column_stack([self._E, np.zeros((len(self._E), more))])
        every = [(wide, self._e, self._e), *(blocks or [(self._G, -np.inf, self._h)])]
        limits = [LinearConstraint(*block) for block in every if len(block[0])]
        whole = np.append(self._whole, np.zeros(more)).astype(int)
        bounds = Bounds(0.0, np.append(self._top, np.full(more, np.inf)))
        ended = milp(goal, integrality=whole, bounds=bounds, constraints=limits)
        return None if ended.x is None else np.asarray(ended.x, float)

    @cached_property
    def corners(self) -> Floats:
        """``(2 f, k)`` points where each free coordinate is least, and where it is greatest."""
        found = [
            self._programmed(s * np.eye(len(self.names))[n]) for n in self.free for s in (1, -1)
        ]
        kept = [self.centre if one is None else one for one in found]
        return self.completed(np.array(kept).reshape(len(kept), len(self.names)))

    def corner(self, towards: Floats) -> Floats:
        """``(k,)`` the point farthest in a direction."""
        found = self._programmed(-towards)
        return self.centre if found is None else np.asarray(self.completed(found[None])[0])

    @cached_property
    def box(self) -> tuple[Floats, Floats]:
        """``(f,)`` least and greatest places of free settings; of whole ones, of their cells."""
        ends = self.corners[:, self.free].reshape(len(self.free), 2, len(self.free))
        rows = np.arange(len(self.free))
        low, high = (ends[rows, side, rows] for side in (0, 1))
        half = 0.5 * self._whole[self.free]
        places = []
        for z, first in ((low - half, self._from), (high + half, self._from)):
            x = np.maximum(self._low[self.free] + z * self._unit[self.free], first[self.free])
            log, start, end = self._log[self.free], first[self.free], self._to[self.free]
            with np.errstate(divide="ignore", invalid="ignore"):
                logs = np.log(x / start) / np.log(end / start)
            places.append(np.where(log, logs, (x - start) / (end - start)))
        return np.clip(places[0], 0.0, 1.0), np.clip(places[1], 0.0, 1.0)

    # ------------------------------------------------------------------------------- projection

    def nearest(self, z: Floats) -> Floats:
        """``(k,)`` the point nearest to coordinates, distances of real settings as of their scales.

        Whole settings are rounded; where that leaves nothing, some near ones are taken.
        """
        for whole in self._whole_near(z):
            found = self._moved(np.where(self._whole, np.clip(whole, 0.0, self._top), z))
            if found is not None:
                return found
        return self.centre

    def _whole_near(self, z: Floats) -> Iterator[Floats]:
        """Coordinates whose whole ones may leave room for the others; the last do."""
        yield np.round(z)
        if not self._whole.any():
            return
        relaxed = self._slid(z, np.ones(len(z), bool))
        if relaxed is not None:
            yield np.round(relaxed)
            yield np.where(relaxed < self.centre, np.ceil(relaxed), np.floor(relaxed))
        width = len(self.names)
        sides = [np.column_stack([sign * np.eye(width), -np.eye(width)]) for sign in (1, -1)]
        rows = np.column_stack([self._G, np.zeros((len(self._G), width))])
        blocks = [(rows, -np.inf, self._h), (sides[0], -np.inf, z), (sides[1], -np.inf, -z)]
        near = self._programmed(np.concatenate([np.zeros(width), 1.0 / self._top]), blocks)
        if near is not None:
            yield np.round(near[:width])

    def _moved(self, y: Floats) -> Floats | None:
        """The nearest point with these whole coordinates; None where there is none."""
        found = self._slid(y, ~self._whole)
        if found is None:
            return None
        found = self.completed(found[None])
        return np.asarray(np.clip(found, 0.0, self._top)[0]) if self.inside(found)[0] else None

    def _slid(self, y: Floats, moving: NDArray[np.bool_]) -> Floats | None:
        """Coordinates of which some moved as little as possible to keep all bounds, if they can."""
        found, count = y.copy(), int(moving.sum())
        if not count:
            return found
        A = np.concatenate([-self._G[:, moving], np.eye(count), -np.eye(count)])
        short = self._G[:, ~moving] @ y[~moving] - self._h + MARGIN * self._mixed
        b = np.concatenate([short, np.zeros(count), -self._top[moving]])
        equal = self._E[:, moving], self._e - self._E[:, ~moving] @ y[~moving]
        moved = projected(y[moving], self._steepness(y)[moving], (A, b), equal)
        if moved is None:
            return None
        found[moving] = np.clip(moved, 0.0, self._top[moving])
        return found

    def _steepness(self, z: Floats) -> Floats:
        """``(k,)`` by how much places change with coordinates; whole ones as on a linear scale."""
        x = np.maximum(self._low + np.clip(z, 0.0, self._top) * self._unit, self._low)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = self._unit / (x * np.log(self._to / self._from))
        return np.asarray(np.where(self._log & ~self._whole, logs, 1.0 / self._top))

    def limits(self, values: Mapping[str, Any], moving: Sequence[str]) -> list[dict[str, Any]]:
        """What SciPy's SLSQP is told of places of some real settings, the others as they are.

        Args:
            values: The point.
            moving: Names in the order of what is optimised; those in no sum are looked over.
        """
        own = [(n, self.names.index(name)) for n, name in enumerate(moving) if name in self.names]
        if not own:
            return []
        there, here = (np.array(part) for part in zip(*own, strict=True))
        start = self.coordinates(values)

        def moved(places: Floats) -> Floats:
            z = start.copy()
            z[here] = self.at(np.clip(places[there], 0.0, 1.0), here)
            return z

        def slope(rows: Floats, places: Floats) -> Floats:
            found = np.zeros((len(rows), len(places)))
            found[:, there] = rows[:, here] / self._steepness(moved(places))[here]
            return found

        told: list[dict[str, Any]] = []
        for kind, rows, level in (("ineq", self._G, self._h - MARGIN), ("eq", self._E, self._e)):
            touched = (rows[:, here] != 0).any(axis=1)
            some, to = rows[touched], level[touched]
            if len(some):
                told.append(
                    {
                        "type": kind,
                        "fun": lambda p, some=some, to=to: to - some @ moved(p),
                        "jac": lambda p, some=some: -slope(some, p),
                    }
                )
        return told


def eliminated(E: Floats, e: Floats, kinds: Any) -> tuple[list[int], Floats, Floats]:
    """Columns that equations are solved for, and the equations: 1 in one of these columns each.

    By Gauss and Jordan; columns of a lower kind first, of those the largest.

    Args:
        E: ``(m, k)`` rows.
        e: ``(m,)`` what they are equal to.
        kinds: ``(k,)`` numbers.
    """
    E, e, pivots = E.copy(), e.copy(), list[int]()
    for row in range(len(E)):
        left = [
            (-int(kinds[j]), abs(E[i, j]), i, j)
            for i in range(row, len(E))
            for j in range(E.shape[1])
            if j not in pivots and abs(E[i, j]) > CLOSE
        ]
        if not left:
            return pivots, E[:row], e[:row]
        _, _, i, j = max(left)
        E[[row, i]], e[[row, i]] = E[[i, row]], e[[i, row]]
        E[row], e[row] = E[row] / E[row, j], e[row] / E[row, j]
        for other in range(len(E)):
            if other != row:
                e[other] -= E[other, j] * e[row]
                E[other] = E[other] - E[other, j] * E[row]
        pivots.append(j)
    return pivots, E, e


def projected(y: Floats, weights: Floats, above: Rows, equal: Rows) -> Floats | None:
    """The x nearest to y with A x >= b and E x = e; None where there is none.

    A least-distance program by non-negative least squares (Lawson & Hanson 1974, chapter 23.4).

    Args:
        y: ``(k,)``.
        weights: ``(k,)`` that distances are measured with.
        above: Rows A and b.
        equal: Rows E and e.
    """
    from scipy.linalg import lstsq, null_space
    from scipy.optimize import nnls

    A, b = above[0] / weights, above[1] - above[0] @ y
    E, e = equal[0] / weights, equal[1] - equal[0] @ y
    moved, ways = np.zeros(len(y)), np.eye(len(y))
    if len(E):
        moved, ways = np.asarray(lstsq(E, e)[0]), null_space(E)
        if np.abs(E @ moved - e).max() > CLOSE:
            return None
    short = b - A @ moved
    if ways.shape[1] and (short > 0.0).any():
        stacked = np.vstack([(A @ ways).T, short])
        dual = nnls(stacked, np.append(np.zeros(ways.shape[1]), 1.0))[0]
        rest = stacked @ dual - np.append(np.zeros(ways.shape[1]), 1.0)
        if rest[-1] > -1e-12:
            return None
        moved = moved - ways @ (rest[:-1] / rest[-1])
    return np.asarray(y + moved / weights)
