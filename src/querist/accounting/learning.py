"""How the model learned: versions, their data and cost, their error on the hold-out."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Any

from querist.accounting.calibration import calibration
from querist.accounting.facts import FactLike, finite, metrics, number, several, span, text, whole
from querist.accounting.series import Series, thinned
from querist.core.batch import Array

HOLDOUT, RECENT = "holdout", "recent"


class Ledger:
    """What had been paid, and how many labels were for training, when a label became durable."""

    def __init__(self) -> None:
        self.labels = 0
        self.train = 0
        self._labels, self._train, self._cost = array("q"), array("q"), array("d")

    def add(self, count: int, purpose: str, spent: float) -> None:
        """``count`` labels became durable when ``spent`` had been paid in all."""
        self.labels += count
        self.train += count if purpose == "train" else 0
        self._labels.append(self.labels)
        self._train.append(self.train)
        self._cost.append(spent)

    def at(self, labels: int) -> tuple[int, float]:
        """Training labels and cost when there were this many labels in all."""
        index = bisect_right(self._labels, labels) - 1
        return (self._train[index], self._cost[index]) if index >= 0 else (0, 0.0)


class LearningFold:
    """Folds published and evaluated models into a learning curve and a calibration."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._rows: dict[int, dict[str, Any]] = {}
        self._pairs: dict[str, tuple[int, Array, Array, dict[str, float]]] = {}
        self._limits = Series()
        self._ask: float | None = None

    def published(self, fact: FactLike) -> None:
        """New weights."""
        data, row = fact.data, self._row(fact)
        labels = whole(data, "dataset")
        train, cost = self._ledger.at(labels)
        spans = [one for one in map(span, several(data, "spans")) if one is not None]
        row.update(
            t=number(data, "t"),
            labels=labels,
            train=whole(data, "train", train),
            cost=cost,
            labels_recorded=self._ledger.labels,
            why=text(data, "why"),
            digest=text(data, "digest"),
            fit=metrics(data),
            fit_seconds=sum(stop - start for start, stop in spans),
            fit_wall=max(s[1] for s in spans) - min(s[0] for s in spans) if spans else None,
        )

    def evaluated(self, fact: FactLike) -> None:
        """A model's error on labels that it did not see."""
        data, row = fact.data, self._row(fact)
        on = text(data, "on", HOLDOUT)
        row[on] = {"n": whole(data, "n"), "metrics": metrics(data)}
        score, error = fact.arrays.get("score"), fact.arrays.get("error")
        if score is not None and error is not None and len(score) == len(error):
            self._pairs[on] = (whole(data, "version"), score, error, metrics(data))

    def gate(self, fact: FactLike) -> None:
        """The thresholds changed."""
        self._ask = finite(fact.data.get("ask"))
        row: dict[str, Any] = {key: finite(fact.data.get(key)) for key in ("ask", "reject")}
        row["version"] = fact.data.get("version")
        self._limits.add(number(fact.data, "t"), row)

    def explored(self, fact: FactLike) -> None:
        """The threshold in force travels with every slice too."""
        limit = finite(fact.data.get("limit"))
        self._ask = self._ask if limit is None else limit

    def _row(self, fact: FactLike) -> dict[str, Any]:
        version = whole(fact.data, "version")
        row = self._rows.get(version)
        if row is None:
            row = self._rows[version] = {
                "version": version,
                "t": number(fact.data, "t"),
                "labels": None,
                "train": None,
                "cost": None,
                HOLDOUT: None,
                RECENT: None,
            }
        return row

    def build(self) -> dict[str, Any]:
        """The sections ``models``, ``learning``, ``calibration`` and ``gate`` of a summary."""
        rows = [self._rows[version] for version in sorted(self._rows)]
        return {
            "models": {
                "published": sum("digest" in row for row in rows),
                "latest": max((row["version"] for row in rows if "digest" in row), default=0),
                "table": thinned(rows),
            },
            "learning": self._curve(rows),
            "calibration": self._calibration(),
            "gate": {"ask": self._ask, "limits": self._limits.columns()},
        }

    def _curve(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Columns over the versions that have both a data set and an evaluation."""
        on = HOLDOUT if any(row[HOLDOUT] for row in rows) else RECENT
        told = thinned([row for row in rows if row[on] and row["labels"] is not None])
        names = dict.fromkeys(name for row in told for name in row[on]["metrics"])
        keys = ("version", "t", "labels", "train", "cost")
        return {
            "on": on if told else None,
            "n": told[-1][on]["n"] if told else 0,
            **{key: [row[key] for row in told] for key in keys},
            "metrics": {name: [row[on]["metrics"].get(name) for row in told] for name in names},
        }

    def _calibration(self) -> dict[str, Any] | None:
        on = HOLDOUT if HOLDOUT in self._pairs else RECENT
        if on not in self._pairs:
            return None
        version, score, error, reported = self._pairs[on]
        told = {k: v for k, v in reported.items() if k.startswith("score.")}
        found = calibration(score, error, self._ask)
        return {"version": version, "on": on, "reported": told} | found
