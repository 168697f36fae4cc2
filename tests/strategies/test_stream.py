"""Items that come one by one, within a budget."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.errors import ConfigError
from querist.strategies.stream import KINDS, Stream

confidences = st.lists(st.floats(0.0, 1.0), max_size=60)
streams = st.builds(
    Stream,
    st.floats(0.01, 1.0),
    st.sampled_from(KINDS),
    step=st.floats(0.0, 0.5),
    window=st.integers(1, 30),
    explore=st.floats(0.0, 1.0),
)


def plainly(stream: Stream, values, rng) -> list[bool]:
    """The paper's algorithms, with the window's estimate as a sum over all items."""
    asked: list[bool] = []
    threshold = stream.threshold
    for value in values:
        fade = 1.0 - 1.0 / stream.window
        spent = sum(fade ** (len(asked) - 1 - i) for i, one in enumerate(asked) if one)
        asks = False
        if spent / stream.window < stream.budget:
            if stream.kind == "split" and rng.random() < stream.explore:
                asks = rng.random() < stream.budget
            else:
                limit = threshold
                if stream.kind == "randomised":
                    limit *= rng.normal(1.0, stream.spread)
                asks = value < limit
                if stream.kind != "fixed":
                    threshold *= 1.0 - stream.step if asks else 1.0 + stream.step
        asked.append(bool(asks))
    return asked


@given(streams, confidences, st.integers(0, 99))
def test_decisions_are_those_of_the_paper(stream, values, seed) -> None:
    found, after = stream.ask(np.array(values), np.random.default_rng(seed))
    assert found.tolist() == plainly(stream, values, np.random.default_rng(seed))
    assert (after.seen, after.asked) == (len(values), int(found.sum()))


@given(streams, confidences, st.integers(0, 60), st.integers(0, 99))
def test_a_stream_goes_on_where_it_was_saved(stream, values, cut, seed) -> None:
    whole, end = stream.ask(np.array(values), np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    first, between = stream.ask(np.array(values[:cut]), rng)
    saved = Stream.restored(json.loads(json.dumps(between.state())))
    second, after = saved.ask(np.array(values[cut:]), rng)
    assert [*first.tolist(), *second.tolist()] == whole.tolist()
    assert after == end


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [0.05, 0.3])
def test_the_budget_holds_in_the_long_run(kind: str, budget: float) -> None:
    rng = np.random.default_rng(0)
    _, after = Stream(budget, kind).ask(rng.beta(4, 2, size=8_000), rng)
    assert after.asked / after.seen <= budget + 1.0 / after.window
    assert after.asked / after.seen >= 0.5 * budget


def test_a_variable_threshold_follows_a_drift_and_a_fixed_one_does_not() -> None:
    rng = np.random.default_rng(1)
    sure = rng.uniform(0.9, 1.0, size=3_000)
    asked, _ = Stream(0.1, "variable", threshold=0.8).ask(sure, rng)
    assert asked[1_000:].mean() > 0.05
    assert not Stream(0.1, "fixed", threshold=0.8).ask(sure, rng)[0].any()


def test_chance_looks_into_confident_regions() -> None:
    rng = np.random.default_rng(2)
    values = np.where(rng.random(8_000) < 0.5, 0.55, 0.999)
    for kind, wanted in (("variable", False), ("randomised", True), ("split", True)):
        asked, _ = Stream(0.1, kind, step=0.01, threshold=0.7).ask(values, rng)
        assert (asked[values > 0.9].sum() > 10) == wanted


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"budget": 0.0}, "budget is a share"),
        ({"budget": 1.5}, "budget is a share"),
        ({"budget": 0.1, "kind": "clever"}, "one of fixed"),
        ({"budget": 0.1, "explore": -0.1}, "explore is a share"),
        ({"budget": 0.1, "window": 0}, "window is at least 1"),
    ],
)
def test_streams_that_cannot_be_are_refused(options, why) -> None:
    with pytest.raises(ConfigError, match=why):
        Stream(**options)


def test_confidences_that_cannot_be_are_refused() -> None:
    for wrong in ([0.5, 1.2], [np.nan], [[0.5]]):
        with pytest.raises(ConfigError, match="from 0 to 1"):
            Stream(0.1).ask(np.array(wrong), np.random.default_rng(0))
