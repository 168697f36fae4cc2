"""Distributions have the moments that they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.core.tasks import Spans
from querist.engines.durations import (
    Constant,
    Empirical,
    Exponential,
    LogNormal,
    Stream,
    Uniform,
    read,
)

N = 20_000


@pytest.mark.parametrize(
    "distribution, mean, median",
    [
        (Constant(0.3), 0.3, 0.3),
        (Uniform(1.0, 2.0), 1.5, 1.5),
        (LogNormal(2.0, 0.5), 2.0 * math.exp(0.125), 2.0),
        (Exponential(0.7), 0.7, 0.7 * math.log(2)),
        (Empirical((1.0, 1.0, 4.0)), 2.0, 1.0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_moments(distribution, mean: float, median: float) -> None:
    drawn = distribution.draw(np.random.default_rng(1), N)
    assert drawn.shape == (N,)
    assert drawn.min() >= 0
    assert drawn.mean() == pytest.approx(mean, rel=0.03)
    assert np.median(drawn) == pytest.approx(median, rel=0.03)


def test_measured_spans_become_a_distribution() -> None:
    spans = [Spans(0, 1, 3, 9), Spans(0, 5, 5.5, 9)]
    assert Empirical.of(spans).seconds == (2.0, 0.5)


def test_a_stream_is_what_blocks_give() -> None:
    stream = Stream(Uniform(0, 1), np.random.default_rng(1))
    numbers = [stream.next() for _ in range(10_000)]
    assert len(set(numbers)) == len(numbers)
    assert 0 < min(numbers) < max(numbers) < 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: Constant(-1),
        lambda: Uniform(2, 1),
        lambda: LogNormal(0, 1),
        lambda: Exponential(0),
        lambda: Empirical(()),
        lambda: Empirical((1.0, math.nan)),
    ],
)
def test_nonsense_is_refused(make) -> None:
    with pytest.raises(ConfigError, match="seconds"):
        make()


def test_plain_data_says_a_distribution() -> None:
    assert read(3) == Constant(3.0)
    assert read({"lognormal": {"median": 60, "sigma": 1}}) == LogNormal(60.0, 1.0)
    assert read({"exponential": {"mean": 2}}) == Exponential(2.0)
    for wrong in ({"weibull": {"k": 1}}, {"uniform": {"low": 1}}, "often", True, {"constant": 3}):
        with pytest.raises(ConfigError):
            read(wrong)
