"""Effective speed-up of a run, audited from its journal: what learning gained, and what it cost.

The published formula leaves out much of what a campaign pays. It is computed as published, and
beside it the audited speed-up, which charges everything: failed and rejected calls, audits and
hold-out, training, exploring, and idle workers. See ``docs/effective-performance.md``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import Any

import numpy as np

from querist.accounting.effective_terms import Terms, break_even, exact_interval, ratio
from querist.accounting.effective_units import Floats, Units, intervals
from querist.accounting.facts import FactLike, finite, number, several, span, text, whole

SURROGATE = "surrogate"  # the engine that a surrogate's folder names
LABEL, FAILURE, ABSTENTION = "label", "failure", "abstention"
KEPT = 2048  # disjoint intervals of a union that are held
# Columns of a unit of calls: seconds, counts that were timed, and counts, by what they were for.
TRAIN_S, TRAIN_TIMED, TRAIN_N = 0, 1, 2
OTHER_S, OTHER_TIMED, OTHER_N = 3, 4, 5
FAIL_S, FAIL_N, DECL_S, DECL_N = 6, 7, 8, 9
_FIRST = {"train": TRAIN_S, "other": OTHER_S, FAILURE: FAIL_S, ABSTENTION: DECL_S}


class Covered:
    """Length of a union of intervals that come about in the order of their ends.

    Args:
        kept: Disjoint intervals that are held; what is older is only a sum, and a late interval
            is cut where it reaches back behind it.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._starts: list[float] = []
        self._stops: list[float] = []
        self._floor = -np.inf
        self._settled = 0.0
        self.seconds_of_all = 0.0

    def add(self, start: float, stop: float) -> None:
        """One more interval."""
        self.seconds_of_all += stop - start
        start = max(start, self._floor)
        if stop <= start:
            return
        first, last = bisect_left(self._stops, start), bisect_right(self._starts, stop)
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
        self._starts[first:last], self._stops[first:last] = [start], [stop]
        if len(self._starts) > self._kept:
            self._settle(self._kept // 2)

    def _settle(self, count: int) -> None:
        ends = zip(self._starts[:count], self._stops[:count], strict=True)
        self._settled += sum(stop - start for start, stop in ends)
        self._floor = self._stops[count - 1]
        del self._starts[:count], self._stops[:count]

    def copy(self) -> Covered:
        """One that goes on by itself."""
        found = Covered(self._kept)
        found._starts, found._stops = self._starts.copy(), self._stops.copy()
        found._floor, found._settled = self._floor, self._settled
        found.seconds_of_all = self.seconds_of_all
        return found

    @property
    def seconds(self) -> float:
        """Seconds that any interval covers."""
        ends = zip(self._starts, self._stops, strict=True)
        return float(self._settled + sum(stop - start for start, stop in ends))

    @property
    def alone(self) -> float:
        """Seconds covered, for each second of an interval: 1 where none overlap."""
        return self.seconds / self.seconds_of_all if self.seconds_of_all > 0 else 1.0


class EffectiveFold:
    """Folds answers, slices, fits and a surrogate's calls.

    Facts of a surrogate: ``surrogate.calls`` (``calls`` of the model, ``trusted`` among them,
    ``refused`` because the simulation was expected to fail, ``predict`` seconds) and
    ``surrogate.audited`` (``within``: whether the error was within the tolerance; ``error`` in its
    units, where the simulation did not fail).

    Args:
        oracle: The simulation that look-ups stand for; "" for all oracles together.
    """

    def __init__(self, oracle: str = "") -> None:
        self._oracle = oracle
        self._open: dict[str, tuple[tuple[float, float], list[int]]] = {}
        self._calls, self._slices, self._fits = Units(10), Units(3), Units(1)
        self._called, self._explored, self._fitted = Covered(), Covered(), Covered()
        self._refused = self._audits = self._within = 0
        self._is_surrogate = False  # then somebody called for each answer, audits included
        self._errors = [0, 0.0, 0.0]  # of audits: count, sum, largest
        self._reference = [0.0, 0.0]  # seconds and count of labels of the oracle that is named

    def started(self, fact: FactLike) -> None:
        """A run began."""
        self._is_surrogate = text(fact.data, "engine") == SURROGATE

    def label(self, fact: FactLike) -> None:
        """A simulation gave a label."""
        purpose = text(fact.data, "purpose", "train")
        self._answer(fact, "train" if purpose == "train" else "other")

    def failure(self, fact: FactLike) -> None:
        """A try failed."""
        self._answer(fact, FAILURE)

    def abstention(self, fact: FactLike) -> None:
        """The oracle declined."""
        self._answer(fact, ABSTENTION)

    def explored(self, fact: FactLike) -> None:
        """A slice of exploring: predictions, and which of them were trusted."""
        data, interval = fact.data, span(fact.data.get("spans"))
        self._slices.add([number(data, k) for k in ("predict", "proposed", "trusted")])
        if interval is not None:
            self._explored.add(*interval)

    def called(self, fact: FactLike) -> None:
        """Some calls of a gated surrogate."""
        self._slices.add([number(fact.data, k) for k in ("predict", "calls", "trusted")])
        self._refused += whole(fact.data, "refused")

    def audited(self, fact: FactLike) -> None:
        """A trusted call of a surrogate was simulated anyway."""
        if fact.data.get("trusted") is False:  # once trusted, not any more: it only tells of drift
            return
        self._audits += 1
        self._within += bool(fact.data.get("within"))
        error = finite(fact.data.get("error"))
        if error is not None:
            count, total, largest = self._errors
            self._errors = [count + 1, total + error, max(largest, error)]

    def fitted(self, fact: FactLike) -> None:
        """A model was published: the spans of the trainers that made it."""
        found = [one for one in map(span, several(fact.data, "spans")) if one is not None]
        for one in found:
            self._fitted.add(*one)
        self._fits.add([sum(stop - start for start, stop in found)])

    def _answer(self, fact: FactLike, what: str) -> None:
        data, first = fact.data, _FIRST[what]
        interval = span(data.get("spans"))
        if interval is None:
            seconds = finite(data.get("seconds"))
            self._row([first], seconds or 0.0, timed=seconds is not None)
            self._refer(fact, what, seconds)
            return
        self._refer(fact, what, interval[1] - interval[0])
        worker = text(data, "worker")
        held = self._open.get(worker)
        if held is not None and held[0] == interval:  # of one call with several answers
            held[1].append(first)
            return
        if held is not None:
            self._close(*held)
        self._open[worker] = (interval, [first])

    def _refer(self, fact: FactLike, what: str, seconds: float | None) -> None:
        if seconds is None or what not in ("train", "other"):
            return
        if self._oracle and text(fact.data, "oracle", "?") == self._oracle:
            self._reference[0] += seconds
            self._reference[1] += 1

    def _close(self, interval: tuple[float, float], parts: list[int]) -> None:
        self._called.add(*interval)
        self._row(parts, interval[1] - interval[0], timed=True)

    def _row(self, parts: list[int], seconds: float, *, timed: bool) -> None:
        self._calls.add(_unit(parts, seconds, timed))

    # ------------------------------------------------------------------------------- results

    def build(self, now: float, workers: Mapping[str, Any], trusted: Any) -> dict[str, Any]:
        """The section ``effective`` of a summary.

        Args:
            now: Campaign time.
            workers: The section ``workers``.
            trusted: The errors of what the gate trusts, from ``calibration``; or None.
        """
        held = sorted(self._open.values())
        called = self._called.copy()
        for (start, stop), _ in held:
            called.add(start, stop)
        units = [_unit(parts, stop - start, True) for (start, stop), parts in held]
        calls = np.vstack([self._calls.table(), np.array(units).reshape(-1, 10)])
        tables = [calls, self._slices.table(), self._fits.table()]
        audit = _Audit(tables, _spent(workers), now, self._t_seq(calls.sum(axis=0)))
        audit.counts_others = self._is_surrogate
        alone = called.alone, self._explored.alone, self._fitted.alone
        return {
            "oracle": self._oracle,
            **audit.counts(),
            "elapsed": audit.published(*alone),
            "worker_seconds": audit.published(1.0, 1.0, 1.0),
            "audited": audit.audited(),
            "spent": audit.spent(),
            "break_even": audit.break_even(),
            "lookup_error": trusted,
            "surrogate": self._surrogate(),
        }

    def _t_seq(self, sums: Floats) -> float | None:
        if self._oracle:
            return ratio(*self._reference)
        return ratio(*_timed(sums))

    def _surrogate(self) -> dict[str, Any] | None:
        if not (self._audits or self._refused):
            return None
        share = self._within / self._audits if self._audits else None
        told = {"audits": self._audits, "within": self._within, "coverage": share}
        count, total, largest = self._errors
        error = {"mean": total / count, "largest": largest} if count else None
        interval = exact_interval(self._within, self._audits)
        return told | {"interval": interval, "refused": self._refused, "error": error}


def _unit(parts: list[int], seconds: float, timed: bool) -> list[float]:
    """A row of one call, its seconds divided among its answers."""
    row = [0.0] * 10
    for first in parts:
        row[first] += seconds / len(parts)
        if first in (TRAIN_S, OTHER_S):
            row[first + 1] += timed
            row[first + 2] += 1
        else:
            row[first + 1] += 1
    return row


def _timed(calls: Floats) -> tuple[float, float]:
    """Seconds and count of the simulations that gave a label and were timed."""
    return calls[TRAIN_S] + calls[OTHER_S], calls[TRAIN_TIMED] + calls[OTHER_TIMED]


def _spent(workers: Mapping[str, Any]) -> dict[str, float]:
    """Worker seconds of presence, and of each kind of task."""
    found = {"present": 0.0, "busy": 0.0}
    for pool in workers["pools"].values():
        found["present"] += pool["present"]
        found["busy"] += pool["busy"]
        for kind, seconds in pool["kinds"].items():
            found[kind] = found.get(kind, 0.0) + seconds
    return found


class _Audit:
    """One run's numbers, and what follows from them.

    Attributes:
        counts_others: Whether simulations that are not learned from are answers of use.
    """

    counts_others = False

    def __init__(
        self, tables: list[Floats], workers: dict[str, float], now: float, t_seq: float | None
    ) -> None:
        self._tables = tables
        self.calls, self.slices, self.fits = (table.sum(axis=0) for table in tables)
        self.workers, self.now, self.t_seq = workers, now, t_seq
        # The mean of all oracles is resampled; that of one that is named scales with it.
        own = ratio(*_timed(self.calls))
        self._scale = t_seq / own if t_seq and own else 1.0

    def counts(self) -> dict[str, Any]:
        """How often what happened."""
        calls, (_, predictions, lookups) = self.calls, self.slices
        return {
            "n_lookup": int(lookups),
            "n_train": int(calls[TRAIN_N]),
            "n_other": int(calls[OTHER_N]),
            "n_failed": int(calls[FAIL_N]),
            "n_declined": int(calls[DECL_N]),
            "n_rejected": int(max(0.0, predictions - lookups)),
            "t_seq": self.t_seq,
        }

    def _terms(
        self, calls: Floats, slices: Floats, fits: Floats, alone: tuple[float, ...]
    ) -> Terms | None:
        t_seq, train = ratio(*_timed(calls)), calls[TRAIN_N]
        if t_seq is None or train <= 0:
            return None
        predict, predictions, lookups = slices
        t_train = calls[TRAIN_S] / calls[TRAIN_TIMED] if calls[TRAIN_TIMED] > 0 else t_seq
        t_lookup = predict / predictions if predictions > 0 else 0.0
        learn = fits[0] * alone[2] / train
        seconds = t_seq * self._scale, t_train * alone[0], learn, t_lookup * alone[1]
        return Terms(*seconds, train, lookups)

    def published(self, *alone: float) -> dict[str, Any] | None:
        """The published formula.

        Args:
            alone: Elapsed seconds for each worker second of calls, slices and fits.
        """
        terms = self._terms(self.calls, self.slices, self.fits, alone)
        if terms is None:
            return None

        def value(calls: Floats, slices: Floats, fits: Floats) -> float | None:
            found = self._terms(calls, slices, fits, alone)
            return None if found is None else found.speed_up()

        return {
            "t_train": terms.t_train,
            "t_learn": terms.t_learn,
            "t_lookup": terms.t_lookup,
            "speed_up": terms.speed_up(),
            "interval": intervals(self._tables, value),
            "no_learning": terms.no_learning(),
            "all_lookups": terms.all_lookups(),
        }

    @property
    def _simulated(self) -> float:
        """Simulations that gave an answer of use: no hold-out, unless somebody called for it."""
        others = self.calls[OTHER_N] if self.counts_others else 0.0
        return float(self.calls[TRAIN_N] + others)

    @property
    def delivered(self) -> float:
        """Answers of use: such simulations, and trusted look-ups."""
        return self._simulated + float(self.slices[2])

    def audited(self) -> dict[str, Any] | None:
        """What delivered answers would have cost one after the other, over all that was paid."""
        if self.t_seq is None or not self.delivered:
            return None
        paid, now = self.spent()["total"], self.now

        def gain(seconds: float) -> dict[str, Any]:
            def value(calls: Floats, *_: Floats) -> float | None:
                t_seq = ratio(*_timed(calls))
                return ratio((t_seq or 0.0) * self._scale * self.delivered, seconds)

            found = ratio((self.t_seq or 0.0) * self.delivered, seconds)
            return {
                "seconds": seconds,
                "speed_up": found,
                "interval": intervals(self._tables, value),
            }

        return {
            "delivered": int(self.delivered),
            "elapsed": gain(now),
            "worker_seconds": gain(paid),
        }

    def spent(self) -> dict[str, float]:
        """Worker seconds by what they were for; they add up to ``total``."""
        calls, workers = self.calls, self.workers
        predictions, lookups = self.slices[1:]
        predict = float(self.slices[0])
        trusted = predict * float(lookups / predictions) if predictions > 0 else 0.0
        named = {
            "training_simulations": float(calls[TRAIN_S]),
            "other_simulations": float(calls[OTHER_S]),
            "failed": float(calls[FAIL_S] + calls[DECL_S]),
            "trusted_lookups": trusted,
            "rejected_lookups": predict - trusted,
            "learning": float(self.fits[0]),
        }
        exploring = workers.get("explore", 0.0) + workers.get("generate", 0.0)
        named["generating"] = max(0.0, exploring + workers.get("predict", 0.0) - predict)
        known = sum(named.values())
        named["other_tasks"] = max(0.0, workers["busy"] - known)
        named["idle"] = max(0.0, workers["present"] - known - named["other_tasks"])
        return named | {"total": sum(named.values())}

    def break_even(self) -> dict[str, Any] | None:
        """Look-ups from which on all that was paid beats simulating each answer."""
        lookups = self.slices[2]
        if self.t_seq is None or not lookups:
            return None
        spent = self.spent()
        paid = spent["trusted_lookups"] + spent["rejected_lookups"]
        fixed = spent["total"] - paid
        found = break_even(self.t_seq, paid / lookups, self._simulated, fixed)
        return {"lookups": found, "reached": found is not None and lookups >= found}
