"""Ions in nanoconfinement: what its oracle refuses, its Monte Carlo, and what comes with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "nanoconfinement"
MODULES = ("slit", "monte_carlo", "problem", "dataset", "check")


@pytest.mark.parametrize("salt", [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2)])
def test_boxes_are_neutral_and_have_the_concentration(example, salt) -> None:
    slit = example.slit.Slit(3.5, *salt, 0.6, 0.6)
    plus, minus = slit.counts
    assert plus * salt[0] == minus * salt[1]
    assert slit.charges.sum() == 0
    units = plus * np.gcd(*salt) / salt[1]
    assert units / (slit.side**2 * 3.5 * example.slit.AVOGADRO) == pytest.approx(0.6)
    places = example.slit.starting(slit, np.random.default_rng(0))
    assert places.shape == (plus + minus, 3)
    assert (places[:, 2] > 0).all()
    assert (places[:, 2] < 3.5).all()


def test_bad_answers_are_refused_each_for_its_reason(example) -> None:
    slit = example.slit.Slit(3.4, 1, 1, 0.5, 0.6)
    words = {"lost": "left", "charged": "neutral", "tilted": "symmetric", "unconverged": "short"}
    for name, counted in example.check.spoiled(slit).items():
        assert words[name] in example.slit.refused(slit, counted)


def test_densities_of_a_flat_profile_are_the_concentration(example) -> None:
    slit = example.slit.Slit(3.4, 1, 2, 0.5, 0.6)
    counts = np.repeat(np.array(slit.counts, float)[:, None] / 48, 48, axis=1)
    told = example.slit.outputs(slit, example.slit.Counted(counts, counts, 1))
    for name in ("contact", "peak", "midplane"):
        assert told[name] == pytest.approx(2 * 0.5)
    assert told["profile"].shape == (24,)


def test_monte_carlo_keeps_its_ions_apart_and_inside(example) -> None:
    slit = example.slit.Slit(3.4, 1, 1, 0.5, 0.6)
    counted = example.monte_carlo.run(slit, seed=1, sweeps=20)
    assert counted.both().sum(axis=1).tolist() == pytest.approx(list(slit.counts))
    outside = int(0.3 / 3.4 * 48)  # whole bins that no centre can reach
    assert counted.both()[:, :outside].sum() == 0
    again = example.monte_carlo.run(slit, seed=1, sweeps=20)
    assert np.array_equal(again.first, counted.first)


def test_what_comes_with_it_is_whole(example) -> None:
    found = example.dataset.kept()
    assert len(found["peak"]) > 100
    assert {len(array) for array in found.values()} == {len(found["peak"])}
    assert all(np.isfinite(array).all() for array in found.values())
    assert (found["peak"] > 0).all()
