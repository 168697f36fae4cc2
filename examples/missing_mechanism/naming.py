"""The loop: correct, name what is missing by sparse regression, add it, until nothing is left."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from assimilation import Assimilated, Fitted, assimilate, fit, usual, whiteness
from populations import BASE, MECHANISMS, STEP, Floats, World, columns

from querist.core.errors import require

WHITE = 0.01  # residuals that noise leaves in fewer cases than this are not white
KEPT = 6  # nominees of a turn
MOST = 4  # mechanisms
THRESHOLDS = np.geomspace(2.0, 0.03, 16)  # of standardised coefficients, in 1/year
RIDGE = 5.0
EDGE = 13  # steps at either end where corrections are still uncertain


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """A mechanism that sparse regression named.

    Attributes:
        name: Of the mechanism.
        coefficients: Its own, by regression.
        base: What its equation's two base rates change by, ``(p,)`` with zeros elsewhere.
    """

    name: str
    coefficients: Floats
    base: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One turn of the loop.

    Attributes:
        model: The course through all data of the model so far.
        white: Probability of its residuals (:func:`~assimilation.whiteness`).
        corrected: What the filter found with that model.
        nominees: What sparse regression named, the surest first.
        after: Mechanisms of the next model; the same where the loop ended.
    """

    model: Fitted
    white: float
    corrected: Assimilated
    nominees: tuple[Named, ...]
    after: tuple[str, ...]


# ------------------------------------------------------------------------------ sparse regression


def nominate(found: Assimilated, model: Sequence[str]) -> tuple[Named, ...]:
    """Mechanisms whose terms explain the corrections, the surest first.

    Sequentially thresholded least squares (Brunton, Proctor & Kutz, PNAS 113, 3932, 2016) by
    pysindy, at thresholds from high to low: the sooner a term comes in, the surer it is.
    """
    ranked = [one for equation in (0, 1) for one in _ranked(found, model, equation)]
    ranked.sort(key=lambda one: one[:2])
    return tuple(one for _, _, one in ranked[:KEPT])


def _ranked(
    found: Assimilated, model: Sequence[str], equation: int
) -> Iterator[tuple[int, float, Named]]:
    names = [n for n, m in MECHANISMS.items() if m.equation == equation and n not in model]
    rows = slice(EDGE, -EDGE)
    x, y = np.exp(found.states[rows]).T
    t = STEP * np.arange(len(found.states))[rows]
    # The base's equations are a - b y and c x - d.
    base = np.stack([np.ones_like(x), -y] if equation == 0 else [x, -np.ones_like(x)], axis=1)
    F = np.stack([f(x, y, t) for n in names for f in MECHANISMS[n].terms.values()], axis=1)
    owner = [n for n in names for _ in MECHANISMS[n].terms]
    target = found.corrections[rows, equation]
    free, left = _without(base, F), _without(base, target)
    for name, (place, size) in _path(free / free.std(axis=0), left, owner).items():
        own = [i for i, o in enumerate(owner) if o == name]
        both = np.concatenate([F[:, own], base], axis=1)
        values = np.linalg.lstsq(both, target, rcond=None)[0]
        rates = np.zeros(len(found.parameters))
        rates[2 * equation : 2 * equation + 2] = values[len(own) :]
        yield place, -size, Named(name, values[: len(own)], rates)


def _without(base: Floats, values: Floats) -> Floats:
    """What the base's own terms do not explain: the rest is a matter of its parameters."""
    return np.asarray(values - base @ np.linalg.lstsq(base, values, rcond=None)[0])


def _path(F: Floats, left: Floats, owner: list[str]) -> dict[str, tuple[int, float]]:
    """By mechanism: at which threshold its first term comes in, and how large it is then.

    Terms are tried together, and each alone: several that are alike share what one would explain.
    """
    stlsq = require("pysindy", "sindy", "naming missing terms").STLSQ
    found: dict[str, tuple[int, float]] = {}
    everything = list(range(F.shape[1]))
    for place, threshold in enumerate(THRESHOLDS):
        for picked in (everything, *[[i] for i in everything if owner[i] not in found]):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Sparsity parameter", UserWarning)
                made = stlsq(threshold=threshold, alpha=RIDGE).fit(F[:, picked], left[:, None])
            for i, size in zip(picked, np.abs(np.ravel(made.coef_)), strict=True):
                if size > 0.0 and (owner[i] not in found or found[owner[i]][0] == place):
                    _, before = found.get(owner[i], (place, 0.0))
                    found[owner[i]] = place, max(before, float(size))
    return found


# ------------------------------------------------------------------------------------- the loop


@dataclass(slots=True, eq=False)
class Fits:
    """Courses through the data that were fitted so far; each set of mechanisms is fitted once."""

    seen: World
    known: dict[frozenset[str], Fitted] = field(default_factory=dict)

    def of(self, added: tuple[str, ...], parameters: Floats, start: Floats) -> Fitted:
        """The model with these mechanisms, from where it may be near."""
        key = frozenset(added)
        if key not in self.known:
            self.known[key] = fit(self.seen.seen, self.seen.noise, added, parameters, start)
        return self.known[key]


def discover(seen: World, seed: int) -> list[Round]:
    """The loop; the last round has the model that is believed."""
    rng = np.random.default_rng([seed, 12])
    fits, rounds = Fits(seen), list[Round]()
    corrected = assimilate(seen.seen, seen.noise, (), usual(), rng)
    model = fits.of((), corrected.parameters, corrected.states[0])
    while True:
        nominees = nominate(corrected, model.added) if len(model.added) < MOST else ()
        turn = Round(model, whiteness(model.residuals), corrected, nominees, ())
        better = exchanged(fits, _larger(fits, turn), [*rounds, turn])
        rounds.append(replace(turn, after=better.added))
        if better is model:
            return rounds
        model = better
        corrected = assimilate(seen.seen, seen.noise, model.added, model.parameters, rng)


def _larger(fits: Fits, now: Round) -> Fitted:
    """The model with the nominee more that fits best, or itself where none is worth it."""
    tried = [now.model]
    for one in now.nominees:
        values = np.concatenate([now.corrected.parameters + one.base, one.coefficients])
        tried.append(fits.of((*now.model.added, one.name), values, now.corrected.states[0]))
    return min(tried, key=lambda one: one.badness)


def exchanged(fits: Fits, model: Fitted, rounds: Sequence[Round]) -> Fitted:
    """After all exchanges of a mechanism for another nominee, and omissions, that fit better."""
    others = {one.name: one for turn in rounds for one in turn.nominees}
    while True:
        tried = [model]
        for name in model.added:
            kept, parameters = _dropped(model, name)
            tried.append(fits.of(kept, parameters, model.values[-2:]))
            for one in others.values():
                if one.name not in model.added:
                    values = np.concatenate([parameters, one.coefficients])
                    tried.append(fits.of((*kept, one.name), values, model.values[-2:]))
        best = min(tried, key=lambda one: one.badness)
        if best is model:
            return model
        model = best


def _dropped(model: Fitted, name: str) -> tuple[tuple[str, ...], Floats]:
    """Mechanisms and parameters without one."""
    at = len(BASE) + len(columns(model.added[: model.added.index(name)]))
    gone = range(at, at + len(columns([name])))
    return tuple(n for n in model.added if n != name), np.delete(model.parameters, gone)
