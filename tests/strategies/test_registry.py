"""Strategies by name: shipped, registered, from entry points."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from querist.strategies import registry
from querist.strategies.contract import pointwise
from querist.strategies.errors import NeedError, UnknownStrategy

ABOUT = {"paper": "none", "cost": "O(n)", "use": "in tests"}


@pointwise(**ABOUT)
def first_class(probabilities):
    return probabilities[:, 0]


@pointwise(**ABOUT, name="entropy")
def impostor(probabilities):
    return probabilities[:, 0]


@pytest.fixture
def registered():
    yield registry.register(first_class)
    registry.unregister("first-class")


def test_shipped_ones_are_found_by_their_files() -> None:
    assert {"entropy", "margin", "bald", "random"} <= set(registry.names())
    assert registry.get("least-confidence").family == "uncertainty"
    assert registry.get("Least_Confidence") is registry.get("least-confidence")


def test_every_name_and_alias_finds_its_strategy() -> None:
    for strategy in registry.strategies():
        for name in (strategy.name, *strategy.aliases):
            assert registry.get(name) is strategy


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(UnknownStrategy, match="Did you mean 'margin'"):
        registry.get("margn")


def test_ones_own_goes_by_name(registered) -> None:
    assert registry.get("first-class") is registered
    assert registry.strategies()[-1].family == "own"
    assert registry.register(registered) is registered


def test_a_name_is_not_taken_twice(registered) -> None:
    with pytest.raises(NeedError, match="that of querist"):
        registry.register(impostor)


def test_what_is_no_strategy_is_refused() -> None:
    with pytest.raises(NeedError, match="decorate"):
        registry.register(len)


@pytest.fixture
def entry_point(monkeypatch: pytest.MonkeyPatch):
    def install(value: object) -> None:
        class Point(EntryPoint):
            def load(self):
                return value

        points = [Point("x", "package:thing", registry.GROUP)]
        monkeypatch.setattr(registry, "entry_points", lambda group: points)
        registry._plugins.cache_clear()

    yield install
    monkeypatch.undo()
    registry._plugins.cache_clear()


def test_entry_points_add_strategies(entry_point) -> None:
    entry_point(first_class)
    assert registry.get("first-class") is first_class
    picked = registry.get("first-class")(1, probabilities=np.array([[0.1, 0.9], [0.8, 0.2]]))
    assert picked.indices.tolist() == [1]


PACKAGE = """
from querist.strategies.contract import pointwise

@pointwise(paper="ours", cost="O(n)", use="where the second class counts")
def second_class(probabilities):
    return probabilities[:, 1]
"""
POINTS = "[querist.strategies]\nsecond-class = their_package:second_class\n"
PICK = """
import querist
from querist.strategies.listing import found, show

show([found("second-class")], full=True)
name = "temperature(second-class, beta=50)"
print(querist.select(name, 1, probabilities=[[0.9, 0.1], [0.1, 0.9]], rng=0).indices)
"""


def test_an_installed_package_adds_its_strategy(tmp_path: Path) -> None:
    """For real: metadata as an installer leaves it, found by another interpreter."""
    (tmp_path / "their_package.py").write_text(PACKAGE)
    about = tmp_path / "their_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
    path = os.pathsep.join(map(str, (tmp_path, Path(registry.__file__).parents[2])))
    done = subprocess.run(
        [sys.executable, "-c", PICK],
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "where the second class counts" in done.stdout
    assert done.stdout.endswith("[1]\n")


@pytest.mark.parametrize(("value", "why"), [(3, "no strategy"), (impostor, "name of another")])
def test_entry_points_that_are_wrong_are_refused(entry_point, value, why: str) -> None:
    entry_point(value)
    with pytest.raises(NeedError, match=why):
        registry.names()


def plain(probabilities):
    return probabilities[:, 0]


@pytest.mark.parametrize("name", ["badge", "k-means++", "temperature(cost-aware(entropy), beta=4)"])
def test_strategies_travel_by_name(name) -> None:
    there = pickle.loads(pickle.dumps(registry.get(name)))
    assert there.name == name
    assert there.needs == registry.get(name).needs
    assert copy.deepcopy(registry.get(name)).name == name


def test_ones_own_strategies_travel_by_their_place() -> None:
    assert pickle.loads(pickle.dumps(first_class)) is first_class
    made = pointwise(**ABOUT)(plain)  # not in place of its function
    assert pickle.loads(pickle.dumps(made)).function is plain
