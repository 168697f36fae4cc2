"""Variances after observations, against inverses; rows that are made of rows."""

from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.core.errors import ConfigError, ShapeError
from querist.strategies.conditioning import Conditioned, observed
from querist.strategies.mapped import Mapped, held, vector
from querist.strategies.needs import NEEDS
from querist.strategies.rows import rows_of

RNG = np.random.default_rng(3)


def rows(array: np.ndarray, name: str = "embeddings"):
    return rows_of(name, NEEDS[name], array)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (6, 6), (0, 5)])
def test_directions_are_what_the_observations_told(shape: tuple[int, int]) -> None:
    seen = RNG.normal(size=shape)
    found = observed(seen, 0.3)
    expected = np.linalg.inv(np.eye(shape[1]) + seen.T @ seen / 0.3)
    np.testing.assert_allclose(np.eye(shape[1]) - found.T @ found, expected, atol=1e-12)


def test_repeated_observations_without_noise_tell_nothing_new() -> None:
    features = np.repeat(RNG.normal(size=(3, 5)), 2, axis=0)
    known = Conditioned(rows(features), np.zeros((0, 5)), 0.0, 6)
    for row in range(6):
        assert known.learn(row).any() == (row % 2 == 0)
        known.refresh_all()
    assert known.variances.max() < 1e-12


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("noise", [0.0, 0.1, 10.0])
def test_lazy_variances_pick_what_plain_ones_pick(spread: float, noise: float) -> None:
    """Long batches, in which rows know of different numbers of picks when all are refreshed."""
    features = RNG.normal(size=(700, 30)) * np.exp(spread * RNG.normal(size=(700, 1)))
    lazy = Conditioned(rows(features), features[:5] + 1.0, noise, 200)
    plain = Conditioned(rows(features), features[:5] + 1.0, noise, 200)
    taken = np.zeros(700, bool)
    for _ in range(200 if noise else 20):
        best = lazy.highest(taken)
        expected = np.where(taken, -1.0, plain.variances)
        assert expected[best] >= expected.max() * (1.0 - 1e-9)
        np.testing.assert_allclose(lazy.variances[best], expected[best], rtol=1e-6, atol=1e-9)
        lazy.learn(best)
        plain.add(best)
        taken[best] = True
    lazy.refresh_all()
    np.testing.assert_allclose(lazy.variances, plain.variances, rtol=1e-6, atol=1e-8)


def test_made_rows_are_read_and_gathered_alike() -> None:
    features = RNG.normal(size=(50, 3))
    made = Mapped([rows(features)], lambda block: block[:, :2] * 2.0, 2)
    assert made.shape == (50, 2)
    np.testing.assert_array_equal(np.concatenate([b for _, b in made.blocks(7)]), made.whole())
    np.testing.assert_array_equal(made.take([4, 1]), 2.0 * features[[4, 1], :2])
    np.testing.assert_array_equal(held(made).take([4, 1]), made.take([4, 1]))
    assert held(made).in_memory
    assert held(made, numbers=10) is made


def test_one_output_may_have_an_axis_of_its_own() -> None:
    numbers = RNG.normal(size=(20, 5))
    labels = RNG.normal(size=(4, 1))
    flat = querist.select("kriging-believer", 3, member_predictions=numbers, labels=labels[:, 0])
    same = querist.select(
        "kriging-believer", 3, member_predictions=numbers[..., None], labels=labels
    )
    np.testing.assert_array_equal(flat.indices, same.indices)
    with pytest.raises(ShapeError, match="for one number an item"):
        vector(rows(np.zeros((4, 3, 2)), "member_predictions"))


def test_options_that_cannot_be_are_refused() -> None:
    features = RNG.normal(size=(9, 2))
    for noise in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="share"):
            querist.select("max-det", 2, embeddings=features, noise=noise)
    with pytest.raises(ConfigError, match="oversample"):
        querist.select("bait", 2, embeddings=features, oversample=0.5)
    with pytest.raises(ShapeError, match="features"):
        querist.select("bait", 2, embeddings=features, labelled_embeddings=np.zeros((2, 3)))
    with pytest.raises(ShapeError, match="at least one"):
        querist.select(
            "igs",
            2,
            embeddings=features,
            predictions=features[:, 0],
            labelled_embeddings=features[:3],
            labels=features[:2, 0],
        )
