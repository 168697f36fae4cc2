"""A stream by density: against its definition and scikit-activeml."""

from __future__ import annotations

import json

import numpy as np
import pytest

from querist.core.errors import ConfigError, ShapeError
from querist.strategies.stream_density import DensityStream


def items(count: int = 250):
    """Confidences and features that drift."""
    rng = np.random.default_rng(8)
    features = rng.normal(size=(count, 3)) + np.linspace(0, 4, count)[:, None]
    return rng.beta(2, 2, size=count), features


def plainly(stream: DensityStream, values, rows, rng) -> list[bool]:
    """The paper's loop, with all distances of a window anew each time."""
    asked: list[bool] = []
    threshold = stream.threshold
    for place, (value, row) in enumerate(zip(values, rows, strict=True)):
        first = max(0, place - stream.window)
        near = 0
        for other in range(first, place):
            seen = [*range(max(0, other - stream.window), other), *range(other + 1, place)]
            least = min((np.linalg.norm(rows[other] - rows[i]) for i in seen), default=np.inf)
            near += np.linalg.norm(rows[other] - row) < least
        asks = False
        if sum(asked) / (place + 1) < stream.budget:
            if near:
                asks = value < threshold * rng.normal(1.0, stream.spread)
            threshold *= 1.0 - stream.step if asks else 1.0 + stream.step
        asked.append(bool(asks))
    return asked


@pytest.mark.parametrize("window", [1, 7, 100])
@pytest.mark.parametrize("budget", [0.05, 0.4, 1.0])
def test_decisions_are_those_of_the_paper(window, budget) -> None:
    values, rows = items(120)
    stream = DensityStream(budget, window=window, step=0.05)
    found, after = stream.ask(values, rows, np.random.default_rng(0))
    assert found.tolist() == plainly(stream, values, rows, np.random.default_rng(0))
    assert (after.seen, after.asked) == (120, int(found.sum()))
    assert len(after.rows) == len(after.nearest) == min(window, 120)


def test_a_stream_goes_on_where_it_was_saved() -> None:
    values, rows = items()
    whole, end = DensityStream(0.3, window=20).ask(values, rows, np.random.default_rng(1))
    rng, stream, parts = np.random.default_rng(1), DensityStream(0.3, window=20), []
    for cut in np.split(np.arange(250), [1, 2, 60, 61, 200]):
        found, stream = stream.ask(values[cut], rows[cut], rng)
        stream = DensityStream.restored(json.loads(json.dumps(stream.state(), allow_nan=False)))
        parts += found.tolist()
    assert parts == whole.tolist()
    assert stream == end


def test_what_lies_apart_is_never_asked() -> None:
    rows = np.concatenate([[[0.0], [1.0], [0.5]], [[1000.0 * 3**k] for k in range(1, 6)]])
    asked, _ = DensityStream(1.0, spread=0.0).ask(np.zeros(8), rows, np.random.default_rng(0))
    assert asked.tolist() == [False, True, True, *[False] * 5]


def test_what_cannot_be_is_refused() -> None:
    rng = np.random.default_rng(0)
    for wrong in ({"budget": 0.0}, {"budget": 0.1, "step": 2.0}, {"budget": 0.1, "window": 0}):
        with pytest.raises(ConfigError):
            DensityStream(**wrong)
    with pytest.raises(ConfigError, match="from 0 to 1"):
        DensityStream(0.1).ask(np.array([1.5]), np.zeros((1, 2)), rng)
    _, begun = DensityStream(0.1).ask(np.array([0.5]), np.zeros((1, 2)), rng)
    for wrong in (np.zeros((1, 3)), np.zeros((2, 2)), np.full((1, 2), np.nan), np.zeros(2)):
        with pytest.raises(ShapeError, match="2 finite numbers"):
            begun.ask(np.array([0.5]), wrong, rng)


@pytest.mark.parametrize("window", [10, 100])
@pytest.mark.parametrize("budget", [0.1, 0.5])
def test_decisions_are_those_of_scikit_activeml(window, budget) -> None:
    peer = pytest.importorskip("skactiveml.stream")
    managers = pytest.importorskip("skactiveml.stream.budgetmanager")
    base = pytest.importorskip("skactiveml.base")
    values, rows = items()

    class Told(base.SkactivemlClassifier):
        def fit(self, X, y, sample_weight=None):
            self.classes_ = np.arange(2)
            return self

        def predict_proba(self, X):
            margin = values[[int(np.flatnonzero((rows == one).all(axis=1))[0]) for one in X]]
            return np.stack([(1 + margin) / 2, (1 - margin) / 2], axis=1)

    manager = managers.DensityBasedSplitBudgetManager(delta=1e-9, budget=budget, random_state=0)
    strategy = peer.StreamDensityBasedAL(
        window_size=window, budget_manager=manager, budget=budget, random_state=0
    )
    told, wanted = Told(classes=[0, 1]).fit(None, None), []
    for row in rows:
        asked = strategy.query(row[None], told)
        strategy.update(row[None], asked)
        wanted.append(len(asked) > 0)
    stream = DensityStream(budget, window=window, spread=0.0)
    found, _ = stream.ask(values, rows, np.random.default_rng(0))
    assert found.tolist() == wanted
