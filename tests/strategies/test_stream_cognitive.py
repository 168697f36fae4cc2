"""A stream with a memory: against its definition and scikit-activeml."""

from __future__ import annotations

import json

import numpy as np
import pytest

from querist.core.errors import ConfigError, ShapeError
from querist.strategies.stream import Stream
from querist.strategies.stream_cognitive import CognitiveStream


def items(count: int = 250):
    """Confidences and features that drift."""
    rng = np.random.default_rng(8)
    features = rng.normal(size=(count, 3)) + np.linspace(0, 4, count)[:, None]
    return rng.beta(2, 2, size=count), features


def near_of(rows, window: int) -> list[int]:
    """Of how many remembered items each item was the nearest yet, with lists side by side."""
    kept: list[int] = []
    nearest, recalled, last, found = {}, {}, {}, []
    for now, row in enumerate(rows):
        away = {old: np.linalg.norm(rows[old] - row) for old in kept}
        nearer = [old for old in kept if away[old] < nearest[old]]
        for old in nearer:
            nearest[old], last[old], recalled[old] = away[old], now, recalled[old] + 1
        found.append(len(nearer))
        if len(kept) > window:
            strengths = [np.exp(-(now - last[old]) / (recalled[old] + 1)) for old in kept]
            kept.pop(int(np.argmin(strengths)))
        nearest[now], recalled[now], last[now] = min(away.values(), default=np.inf), 0, now
        kept.append(now)
    return found


@pytest.mark.parametrize("kind", ["fixed", "variable", "randomised", "split"])
@pytest.mark.parametrize("least, window", [(0, 10), (1, 3), (2, 10)])
def test_items_near_enough_are_left_to_the_stream(kind, least, window) -> None:
    values, rows = items()
    inner = Stream(0.3, kind=kind, threshold=0.6)
    stream = CognitiveStream(inner, least=least, window=window)
    found, after = stream.ask(values, rows, np.random.default_rng(0))
    enough = np.flatnonzero(np.array(near_of(rows, window)) >= least)
    wanted = np.zeros(250, bool)
    wanted[enough], told = inner.ask(values[enough], np.random.default_rng(0))
    assert found.tolist() == wanted.tolist()
    assert (after.stream, after.seen) == (told, 250)
    assert len(after.memories) == window + 1


def test_a_stream_goes_on_where_it_was_saved() -> None:
    values, rows = items()
    begun = CognitiveStream(Stream(0.3, kind="randomised"))
    whole, end = begun.ask(values, rows, np.random.default_rng(1))
    rng, stream, parts = np.random.default_rng(1), begun, []
    for cut in np.split(np.arange(250), [1, 2, 60, 61, 200]):
        found, stream = stream.ask(values[cut], rows[cut], rng)
        stream = CognitiveStream.restored(json.loads(json.dumps(stream.state(), allow_nan=False)))
        parts += found.tolist()
    assert parts == whole.tolist()
    assert stream == end


def test_what_cannot_be_is_refused() -> None:
    for wrong in ({"least": -1}, {"window": 0}):
        with pytest.raises(ConfigError):
            CognitiveStream(Stream(0.1), **wrong)
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="from 0 to 1"):
        CognitiveStream(Stream(0.1)).ask(np.array([1.5]), np.zeros((1, 2)), rng)
    _, begun = CognitiveStream(Stream(0.1)).ask(np.array([0.5]), np.zeros((1, 2)), rng)
    with pytest.raises(ShapeError, match="2 finite numbers"):
        begun.ask(np.array([0.5]), np.zeros((1, 3)), rng)


@pytest.mark.parametrize("kind", ["FixUn", "VarUn"])
@pytest.mark.parametrize("least, window", [(1, 10), (2, 4)])
def test_decisions_are_those_of_scikit_activeml(kind, least, window) -> None:
    peers = pytest.importorskip("skactiveml.stream")
    base = pytest.importorskip("skactiveml.base")
    values, rows = items()
    values = 0.5 + values / 2

    class Told(base.SkactivemlClassifier):
        def fit(self, X, y, sample_weight=None):
            self.classes_ = np.arange(2)
            return self

        def predict_proba(self, X):
            most = values[[int(np.flatnonzero((rows == one).all(axis=1))[0]) for one in X]]
            return np.stack([most, 1 - most], axis=1)

    strategy = getattr(peers, f"CognitiveDualQueryStrategy{kind}")(
        density_threshold=least,
        cognition_window_size=window,
        budget=0.3,
        random_state=0,
        **({"classes": [0, 1]} if kind == "FixUn" else {}),
    )
    told, wanted = Told(classes=[0, 1]).fit(None, None), []
    for row in rows:
        asked = strategy.query(row[None], told)
        strategy.update(row[None], asked)
        wanted.append(len(asked) > 0)
    # The fixed threshold of the paper: 1 / C + budget (1 - 1 / C).
    inner = Stream(0.3, kind="fixed", threshold=0.65) if kind == "FixUn" else Stream(0.3)
    stream = CognitiveStream(inner, least=least, window=window)
    found, _ = stream.ask(values, rows, np.random.default_rng(0))
    assert found.tolist() == wanted
