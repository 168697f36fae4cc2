"""A stream by a quantile of recent scores: against its definition and scikit-activeml."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.errors import ConfigError
from querist.strategies.stream_quantile import QuantileStream

streams = st.builds(
    QuantileStream,
    st.floats(0.01, 1.0),
    window=st.integers(1, 30),
    tolerance=st.floats(0.5, 100.0),
)
scores = st.lists(st.floats(-5.0, 5.0), max_size=60)


@given(streams, scores)
def test_decisions_are_those_of_the_paper(stream, values) -> None:
    wanted: list[bool] = []
    for place, value in enumerate(values):
        recent = values[: place + 1][-stream.window :]
        left = stream.budget * (place + 1) - sum(wanted)
        threshold = np.quantile(recent, 1.0 - stream.budget)
        moved = (max(recent) - min(recent)) * left / stream.tolerance
        wanted.append(bool(value >= threshold - moved))
    found, after = stream.ask(np.array(values))
    assert found.tolist() == wanted
    assert (after.seen, after.asked) == (len(values), sum(wanted))


@given(streams, scores, st.integers(0, 60))
def test_a_stream_goes_on_where_it_was_saved(stream, values, cut) -> None:
    whole, end = stream.ask(np.array(values))
    first, between = stream.ask(np.array(values[:cut]))
    saved = QuantileStream.restored(json.loads(json.dumps(between.state())))
    second, after = saved.ask(np.array(values[cut:]))
    assert [*first, *second] == whole.tolist()
    assert after == end


def test_the_budget_holds_and_the_highest_are_asked() -> None:
    values = np.random.default_rng(0).normal(size=3_000)
    asked, _ = QuantileStream(0.1).ask(values)
    assert 0.09 < asked.mean() < 0.11
    assert values[asked].mean() > 1.2


def test_what_cannot_be_is_refused() -> None:
    for wrong in ({"budget": 0.0}, {"budget": 0.1, "window": 0}, {"budget": 0.1, "tolerance": 0}):
        with pytest.raises(ConfigError):
            QuantileStream(**wrong)
    with pytest.raises(ConfigError, match="finite"):
        QuantileStream(0.1).ask(np.array([np.nan]))


@pytest.mark.parametrize("budget", [0.05, 0.3])
def test_decisions_are_those_of_scikit_activeml(budget) -> None:
    managers = pytest.importorskip("skactiveml.stream.budgetmanager")
    values = np.random.default_rng(1).gamma(2.0, size=400)
    peer, wanted = managers.BalancedIncrementalQuantileFilter(budget=budget), []
    for value in values:
        asked = peer.query_by_utility(np.array([value]))
        peer.update(np.zeros((1, 1)), asked, np.array([value]))
        wanted.append(len(asked) > 0)
    assert QuantileStream(budget).ask(values)[0].tolist() == wanted
