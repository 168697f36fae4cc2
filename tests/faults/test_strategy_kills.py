"""Kill -9 of a campaign that follows a strategy: nothing twice, and the order is the same."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commanded import Site, until

pytestmark = [pytest.mark.kill, pytest.mark.slow, pytest.mark.timeout(300)]
LABELS, USE = 44, "ucb(kappa=5)"


def configure(site: Site, engine: str) -> None:
    """A pool of 200 points; rounds of six, each picked by the model of all before it."""
    np.savez(site.folder / "pool.npz", x=np.random.default_rng(0).uniform(-2, 2, (200, 2)))
    site.configure(
        generators={"use": "candidates", "options": {"samples": "pool.npz"}},
        oracles={"use": "fault_roles:Logged",
                 "options": {"log": "calls.log", "seconds": [0.02, 0.06]}, "workers": 1},
        gate={"output": "y"},
        # The order of labels, which a lost answer changes, is nothing to this model.
        model="gaussian_process",
        strategy={"use": USE, "batch": 6, "least": 150, "wait": 600.0},
        queue={"limit": 1000, "max_fresh": 6},
        retrain={"every_labels": 6},
        budget={"labels": LABELS},
        engine=engine,
    )  # fmt: skip


def killed(site: Site, kills: int, seed: int) -> None:
    """Run to the end, with the controller killed at moments counted in facts."""
    chance, process, seen = random.Random(seed), site.begin(), []
    for _ in range(kills):
        # The first samples are drawn at random: those not yet asked are drawn anew after a kill.
        answered = max(10, len(site.facts("answer.label"))) + chance.randint(1, 8)
        until(lambda n=answered: len(site.facts("answer.label")) >= n, patience=120.0)
        site.kill(process)
        seen.append((len(site.calls()), {f.data["sample"] for f in site.facts("answer.label")}))
        process = site.begin()
    site.finish(process)
    for length, labelled in seen:  # what had a label on the disk was not computed again
        later = {sample for word, sample in site.calls()[length:] if word == "begin"}
        assert not labelled & later


def asked(site: Site) -> list[dict[str, Any]]:
    return [fact.data for fact in site.facts("question.asked")]


def nothing_twice(site: Site) -> None:
    assert set(Counter(question["sample"] for question in asked(site)).values()) == {1}
    labels = [fact.data["sample"] for fact in site.facts("answer.label")]
    assert len(labels) == len(set(labels)) == LABELS
    assert len(site.facts("run.started")) >= 2


def by_order(site: Site) -> dict[int, tuple[list[str], list[str]]]:
    """For each selection: its picks, and those of them that were asked, as they were asked."""
    made = {fact.data["selection"]: fact.data["picked"] for fact in site.facts("selection.made")}
    found: dict[int, tuple[list[str], list[str]]] = {n: (p, []) for n, p in made.items()}
    for question in asked(site):
        if "selection" in question:
            found[question["selection"]][1].append(question["sample"])
    return found


def test_workers_go_on_with_the_order_of_before_the_kill(site: Site) -> None:
    configure(site, "processes")
    killed(site, kills=3, seed=1)
    nothing_twice(site)
    orders = by_order(site)
    assert sum(len(followed) for _, followed in orders.values()) >= LABELS // 2
    for picked, followed in orders.values():
        assert followed == picked[: len(followed)]
    whys = Counter(question["why"] for question in asked(site))
    assert set(whys) == {"initial", USE, "holdout"}, whys


def test_what_is_asked_is_what_would_have_been_asked(site: Site, tmp_path: Path) -> None:
    """In line, the same questions for the same reasons in the same order, torn or not."""
    (tmp_path / "quiet").mkdir()
    quiet = Site(tmp_path / "quiet")
    for one in (site, quiet):
        configure(one, "inline")
    quiet.finish()
    killed(site, kills=3, seed=2)
    nothing_twice(site)
    keys = ("sample", "purpose", "why", "version", "selection")
    told = [[tuple(q.get(key) for key in keys) for q in asked(one)] for one in (quiet, site)]
    assert told[1] == told[0]
    assert by_order(site) == by_order(quiet)
    scores = [[q.get("strategy_score", 0.0) for q in asked(one)] for one in (quiet, site)]
    assert scores[1] == pytest.approx(scores[0], rel=1e-4)
