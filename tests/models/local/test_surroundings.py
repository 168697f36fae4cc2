"""Descriptions of atoms: what leaves them the same, and their derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.atoms import atoms_sample
from querist.core.batch import Batch
from querist.models.local.basis import Basis
from querist.models.local.design import _derivatives
from querist.models.local.pairs import Structures
from querist.models.local.surroundings import Surroundings, to_atoms, to_virials

CELL = np.array([[2.6, 0.1, 0.0], [0.0, 2.9, 0.2], [0.3, 0.0, 2.7]])
PBC = {"open": None, "slab": [True, True, False], "bulk": [True, True, True]}
ONE, TWO = (18,) * 6, (13, 29, 29, 13, 29, 13)
RNG = np.random.default_rng(4)
POSITIONS = RNG.uniform(0, 2.4, (6, 3))


def around(numbers, positions, pbc, cell=CELL) -> Surroundings:
    basis = Basis(1.1, elements=tuple(sorted(set(numbers))), inner=0.7)
    periodic = {} if pbc is None else {"cell": cell, "pbc": pbc}
    batch = Batch.from_samples([atoms_sample(numbers, positions, **periodic)])
    return Surroundings.of(basis, Structures.of(batch, basis.reach))


def energy(weights, *which) -> float:
    return float(around(*which).by_sample()[0] @ weights)


@pytest.mark.parametrize("numbers", [ONE, TWO], ids=["one element", "two elements"])
@pytest.mark.parametrize("pbc", PBC.values(), ids=PBC)
def test_forces_are_minus_the_gradient(numbers, pbc) -> None:
    here = around(numbers, POSITIONS, pbc)
    weights = np.random.default_rng(1).normal(size=here.basis.weights)
    pair, rest = here.gradient(weights)
    slope = to_atoms(here.structures.pairs, pair) + to_atoms(here.near, rest)
    step = 1e-5
    for atom, axis in ((0, 0), (2, 1), (5, 2)):
        moved = np.zeros((6, 3))
        moved[atom, axis] = step
        up = energy(weights, numbers, POSITIONS + moved, pbc)
        down = energy(weights, numbers, POSITIONS - moved, pbc)
        assert slope[atom, axis] == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-3)
    assert np.abs(slope.sum(axis=0)).max() < 1e-8 * np.abs(slope).max()  # no net force


@pytest.mark.parametrize("numbers", [ONE, TWO], ids=["one element", "two elements"])
@pytest.mark.parametrize("pbc", [PBC["slab"], PBC["bulk"]], ids=["slab", "bulk"])
def test_virial_is_the_derivative_by_strain(numbers, pbc) -> None:
    here = around(numbers, POSITIONS, pbc)
    weights = np.random.default_rng(2).normal(size=here.basis.weights)
    pair, rest = here.gradient(weights)
    offsets = here.structures.offsets
    virial = to_virials(here.structures.pairs, pair, offsets)[0]
    virial += to_virials(here.near, rest, offsets)[0]
    step = 1e-5
    for a, b in ((0, 0), (1, 2), (2, 0)):
        strain = np.zeros((3, 3))
        strain[a, b] += step / 2
        strain[b, a] += step / 2
        up, down = np.eye(3) + strain, np.eye(3) - strain
        rise = energy(weights, numbers, POSITIONS @ up, pbc, CELL @ up)
        rise -= energy(weights, numbers, POSITIONS @ down, pbc, CELL @ down)
        assert virial[a, b] == pytest.approx(rise / (2 * step), rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("numbers", [ONE, TWO], ids=["one element", "two elements"])
def test_the_design_is_the_derivative_of_every_feature(numbers) -> None:
    here = around(numbers, POSITIONS, PBC["bulk"])
    by_atoms, by_strain = _derivatives(here, True)
    weights = np.random.default_rng(3).normal(size=here.basis.weights)
    pair, rest = here.gradient(weights)
    slope = to_atoms(here.structures.pairs, pair) + to_atoms(here.near, rest)
    np.testing.assert_allclose(by_atoms @ weights, slope.ravel(), rtol=1e-9, atol=1e-8)
    virial = to_virials(here.structures.pairs, pair, here.structures.offsets)[0]
    virial += to_virials(here.near, rest, here.structures.offsets)[0]
    np.testing.assert_allclose((by_strain @ weights)[:3], np.diagonal(virial), rtol=1e-9)


def test_rotation_reflection_translation_and_exchange_change_nothing() -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    here = around(TWO, POSITIONS, None).features
    moved = around(TWO, POSITIONS @ turn.T + [1.0, -2.0, 0.5], None).features
    np.testing.assert_allclose(moved, here, rtol=1e-9, atol=1e-8)
    mirrored = around(TWO, POSITIONS * [-1, 1, 1], None).features
    np.testing.assert_allclose(mirrored, here, rtol=1e-9, atol=1e-8)
    order = np.random.default_rng(6).permutation(6)
    exchanged = around([TWO[i] for i in order], POSITIONS[order], None).features
    np.testing.assert_allclose(exchanged, here[order], rtol=1e-9, atol=1e-8)


def test_a_larger_cell_has_as_many_times_the_energy() -> None:
    one = around(ONE, POSITIONS, PBC["bulk"])
    twice = np.concatenate([POSITIONS, POSITIONS + CELL[0]])
    double = around(ONE * 2, twice, PBC["bulk"], CELL * np.array([[2.0], [1.0], [1.0]]))
    np.testing.assert_allclose(double.by_sample(), 2 * one.by_sample(), rtol=1e-9)


def test_nothing_jumps_where_a_neighbour_leaves() -> None:
    basis = Basis(1.1, elements=(18,), inner=0.7)
    for cutoff in (basis.near, basis.reach):
        ends = []
        for distance in (cutoff - 1e-7, cutoff + 1e-7):
            here = around((18, 18), [[0, 0, 0], [0, 0, distance]], None)
            pair, rest = here.gradient(np.ones(here.basis.weights))
            slope = to_atoms(here.structures.pairs, pair) + to_atoms(here.near, rest)
            ends.append((here.by_sample(), slope))
        np.testing.assert_allclose(ends[0][0], ends[1][0], atol=1e-6)
        np.testing.assert_allclose(ends[0][1], ends[1][1], atol=1e-6)
