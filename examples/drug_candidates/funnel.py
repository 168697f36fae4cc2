"""Cheap dockings first, then dear ones: ``python funnel.py [--host beta --cheap 1 --dear 8]``.

The best 20 are looked for in a pool. A process over fingerprints knows a molecule at two fidelities
by bits that mark them, as many as make what is known most probable: few where the cheap answer says
what the dear one does, many where it does not. A small share of the seconds is spent on cheap
answers, greedily; then dear ones are asked, greedily, by what both told. Beside it stands the same
search without cheap answers. Answers come from the tables of :mod:`truth`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from drawing import draw_funnel
from fidelities import CHEAP, DEAR, Floats, Table, agreement, asked, tables, until
from molecules import fingerprints, library
from tanimoto import TanimotoProcess

import querist
from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.roles import FitRequest

BEST, FIRST, BATCH = 20, 25, 10
SHARES = (0.0, 0.04, 0.08)
"""Of the seconds that all dear answers take, what is spent on cheap ones: without, a few, more."""
TOTAL, GRID = 0.35, 141
"""What is spent in all, as such a share, and at how many places it is looked at."""
MARKS = (1, 3, 6, 12, 24)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Bits (n, 1024), and affinities (kcal/mol) and seconds by fidelity (2, n)."""

    bits: Floats
    affinity: Floats
    seconds: Floats

    @staticmethod
    def of(known: Mapping[int, Table]) -> Answers:
        """From tables of the same molecules."""
        told = np.array([list(known[one].values()) for one in (CHEAP, DEAR)])
        bits = fingerprints([library()[row] for row in known[DEAR]])
        return Answers(bits, -told[..., 0], told[..., 1])

    def best(self) -> set[int]:
        """Rows of the best by the dear answer."""
        return set(np.argsort(-self.affinity[DEAR], kind="stable")[:BEST].tolist())

    def marked(self, level: int, rows: list[int], mark: int) -> Floats:
        """Bits of rows at a fidelity, with ``mark`` bits that say which it is."""
        marks = np.zeros((len(rows), 2 * mark))
        marks[:, level * mark : (level + 1) * mark] = 1.0
        return np.hstack([self.bits[rows], marks])


@dataclass(slots=True, eq=False)
class Search:
    """What was asked so far: rows by fidelity; seconds, and the share of the best, after each."""

    answers: Answers
    asked: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    spent: list[float] = field(default_factory=list)
    found: list[float] = field(default_factory=list)

    def ask(self, level: int, rows: list[int]) -> None:
        """Take answers."""
        best = self.answers.best()
        for row in rows:
            self.asked[level].append(row)
            before = self.spent[-1] if self.spent else 0.0
            self.spent.append(before + float(self.answers.seconds[level, row]))
            self.found.append(len(best & set(self.asked[DEAR])) / BEST)

    def left(self, level: int) -> list[int]:
        """Rows that were not asked at a fidelity."""
        return sorted(set(range(len(self.answers.bits))) - set(self.asked[level]))

    def greedy(self, level: int, count: int) -> None:
        """Ask what promises most by the process of all answers, each less its fidelity's mean."""
        told = [(one, rows) for one, rows in enumerate(self.asked) if rows]
        values = [self.answers.affinity[one, rows] for one, rows in told]
        y = np.concatenate([one - one.mean() for one in values])
        left, fits = self.left(level), []
        for mark in MARKS if len(told) > 1 else MARKS[:1]:
            x = np.vstack([self.answers.marked(one, rows, mark) for one, rows in told])
            model = TanimotoProcess()
            known = Dataset(Batch.stack(fingerprint=x), Batch.stack(affinity=y))
            made = model.fit(known, FitRequest(seed=0))
            fits.append((float(made.metrics["evidence"]), mark, model, made.state))
        _, mark, model, state = max(fits, key=lambda one: one[0])
        model.load(state)
        seen = level if self.asked[level] else CHEAP
        said = model.predict(Batch.stack(fingerprint=self.answers.marked(seen, left, mark)))
        mean, std = (np.asarray(one["affinity"]).ravel() for one in (said.mean, said.std))
        picked = querist.select("ucb(kappa=0)", min(count, len(left)), predictions=mean, std=std)
        self.ask(level, [left[row] for row in picked.indices])


def searched(answers: Answers, seed: int, share: float) -> Search:
    """One search: a share of the seconds on cheap answers, the rest on dear ones."""
    whole, search = float(answers.seconds[DEAR].sum()), Search(answers)
    first = np.random.default_rng(seed).permutation(len(answers.bits))[:FIRST].tolist()
    search.ask(CHEAP if share else DEAR, first)
    while search.spent[-1] < share * whole and search.left(CHEAP):
        search.greedy(CHEAP, BATCH)
    while search.spent[-1] < TOTAL * whole and search.left(DEAR):
        search.greedy(DEAR, BATCH)
    return search


def compared(answers: Answers, seeds: int) -> dict[str, Any]:
    """By share of cheap answers: recall on a grid of seconds, and when half of the best is found.

    Seconds are shares of what all dear answers take.
    """
    whole = float(answers.seconds[DEAR].sum())
    told: dict[str, Any] = {"grid": np.linspace(0.0, TOTAL, GRID)}
    for share in SHARES:
        made = [searched(answers, seed, share) for seed in range(seeds)]
        recall, times = [], []
        for one in made:
            spent, found = np.array(one.spent) / whole, np.array(one.found)
            place = np.searchsorted(spent, told["grid"], side="right") - 1
            recall.append(np.where(place < 0, 0.0, found[place]))
            times.append([until(spent, found >= level) for level in (0.5, 0.8)])
        cheap = float(np.mean([len(one.asked[CHEAP]) for one in made]))
        told[f"{share:.0%}"] = {"recall": recall, "times": np.array(times), "cheap": cheap}
    return told


def facts(told: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of a comparison: medians, means and deviations over seeds."""
    rows: dict[str, Any] = {}
    for share in SHARES:
        one = told[f"{share:.0%}"]
        recall = np.array(one["recall"])
        places = [round(at / TOTAL * (GRID - 1)) for at in (0.1, 0.15, 0.2, 0.3)]
        rows[f"{share:.0%}"] = {
            "cheap answers": one["cheap"],
            "recall at 10, 15, 20, 30 %": recall[:, places].mean(axis=0).round(2).tolist(),
            "deviation": recall[:, places].std(axis=0, ddof=1).round(2).tolist(),
            "median until half, 80 %": np.median(one["times"], axis=0).round(3).tolist(),
        }
    return rows


def main() -> None:
    """Compare, print and draw."""
    options = asked(__doc__)
    known = tables(options.host, options.cheap, options.dear, options.table)
    told = compared(Answers.of(known), options.seeds)
    said = {"agreement": agreement(known), **facts(told)}
    print(json.dumps(said, indent=2))
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / f"funnel-{options.host}-{options.dear}"
    Path(f"{stem}.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    draw_funnel(told, options.host, Path(f"{stem}.png"))


if __name__ == "__main__":
    main()
