"""Ions in nanoconfinement: what its oracle refuses, its Monte Carlo, and what comes with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "nanoconfinement"
MODULES = ("slit", "monte_carlo", "problem", "network", "dataset", "check")


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
    for name, halves in example.check.spoiled(slit).items():
        assert words[name] in example.slit.refused(slit, halves)


def test_densities_of_a_flat_profile_are_the_concentration(example) -> None:
    slit = example.slit.Slit(3.4, 1, 2, 0.5, 0.6)
    flat = example.check.even(slit)
    told = example.slit.outputs(slit, (flat, flat))
    for name in ("contact", "peak", "midplane"):
        assert told[name] == pytest.approx(2 * 0.5, rel=0.03)
    assert told["profile"].shape == (149,)
    assert np.array_equal(told["profile"], told["profile"][::-1])


def boxes(example, slit, copies: int):
    rng = np.random.default_rng(3)
    places = np.stack([example.slit.starting(slit, rng) for _ in range(copies)])
    made = example.monte_carlo.Boxes(slit, places)
    for _ in range(5):
        made.move_all(rng)
    return made


def test_energies_are_kept_and_forces_are_their_slopes(example) -> None:
    slit = example.slit.Slit(3.2, 2, 1, 0.6, 0.6)
    made = boxes(example, slit, 2)
    again = example.monte_carlo.Boxes(slit, made.places.copy())
    np.testing.assert_allclose(made.pairs, again.pairs, rtol=1e-9, atol=1e-9)
    pulls, small = made.pulls(), 1e-6
    for ion in (0, 25, 59):
        energy = []
        for sign in (1.0, -1.0):
            there = made.places[:, ion] + [0.0, 0.0, sign * small]
            energy.append(made.energies(ion, there).sum(axis=1) + made.wall(there[:, 2]))
        slope = (energy[0] - energy[1]) / (2 * small)
        np.testing.assert_allclose(pulls[:, ion], -slope, rtol=1e-4, atol=1e-4)


def test_counting_and_forces_give_the_same_profile(example) -> None:
    slit = example.slit.Slit(3.4, 1, 1, 0.5, 0.6)
    first, second = example.monte_carlo.run(slit, seed=1, sweeps=60)
    both = first + second
    assert both.numbers.sum(axis=1).tolist() == pytest.approx(list(slit.counts))
    outside = int(0.24 / 3.4 * 149)  # bins that no ion reaches against the wall
    assert both.numbers[:, :outside].sum() == 0
    area = slit.side**2 * example.slit.AVOGADRO
    blur = example.slit.blurred(slit.length)
    counted = blur @ both.numbers[0] / (area * slit.length / 149)
    steps = both.pulls[0] / area
    pulled = blur @ (np.cumsum(steps) - steps / 2 - steps.sum() / 2)
    assert example.slit.difference(counted, pulled) < 0.2
    again = example.monte_carlo.run(slit, seed=1, sweeps=60)
    assert np.array_equal(again[0].pulls, first.pulls)


def test_what_comes_with_it_is_whole(example) -> None:
    found = example.dataset.kept()
    assert len(found["peak"]) > 300
    assert found["profile"].shape[1] == 149
    assert {len(array) for array in found.values()} == {len(found["peak"])}
    assert all(np.isfinite(array).all() for array in found.values())
    assert (found["peak"] > 0).all()
