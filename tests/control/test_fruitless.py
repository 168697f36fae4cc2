"""A run that finds nothing more to ask says so instead of looking as if it hung."""

from __future__ import annotations

import pytest

from querist import View
from querist.control.fruitless import SECONDS, Fruitless

NOTHING = dict.fromkeys(("proposed", "trusted", "asked", "rejected", "filtered"), 0)


def told(watch: Fruitless, seconds: float, begin: float = 0.0, view=None, **counts: int) -> list:
    """What is said while the same slice comes once a second."""
    view = {"trainer_idle": True} | (view or {})
    slices = (watch.explored(NOTHING | counts, View(now=begin + t, **view)) for t in range(seconds))
    return [said for said in slices if said is not None]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({}, "generators propose nothing"),
        ({"proposed": 8, "trusted": 8}, "160 samples proposed 160 trusted; a lower gate.ask"),
        ({"proposed": 8, "trusted": 1, "filtered": 7}, "20 trusted, 140 filtered; see gate.filt"),
        ({"proposed": 8, "asked": 8}, "160 asked; all that may be asked was asked before"),
    ],
)
def test_it_is_said_why(counts, said: str) -> None:
    (message,) = told(Fruitless(), 100, **counts)
    assert message.startswith(f"nothing was found to ask for {SECONDS:.0f} s: ")
    assert said in message


def test_it_is_said_ever_more_rarely() -> None:
    assert len(told(Fruitless(), 1000)) == 2


@pytest.mark.parametrize(
    "view", [{"queued": 1}, {"outstanding": 1}, {"trainer_idle": False}], ids=str
)
def test_nothing_is_said_while_something_is_under_way(view) -> None:
    assert not told(Fruitless(), 100, view=view)


def test_what_was_met_before_the_news_is_not_told_of() -> None:
    watch = Fruitless()
    told(watch, 15, view={"labels": 1}, proposed=8, rejected=8)
    (message,) = told(watch, 100, 20.0, {"labels": 2}, proposed=1, trusted=1)
    assert "trusted" in message
    assert "rejected" not in message


def test_news_begin_the_count_anew() -> None:
    watch = Fruitless()
    said = [told(watch, 15, 15.0 * n, {"labels": n}) for n in range(20)]
    assert not any(said)
    few = [
        watch.explored(NOTHING, View(now=1e3 * n, labels=9, trainer_idle=True)) for n in range(4)
    ]
    assert not any(few)  # slices that take long themselves are no reason yet
