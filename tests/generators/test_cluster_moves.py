"""Moves of clusters' surfaces: where there is room, and what is put there."""

from __future__ import annotations

import numpy as np
import pytest

from querist.generators.cluster_moves import free_sites, kicked, random_cluster, resurfaced

GOLDEN = (1 + np.sqrt(5)) / 2
SHELL = np.array([[0, a, b] for a in (-1, 1) for b in (-GOLDEN, GOLDEN)])
SHELL = np.concatenate([np.roll(SHELL, k, axis=1) for k in range(3)]) / 2  # of edge 1
TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(8)


def test_a_tetrahedron_has_a_site_on_each_face() -> None:
    places, touching = free_sites(TETRAHEDRON, 1.0)
    assert len(places) == 4
    assert touching.tolist() == [3.0] * 4
    lengths = np.sort(np.linalg.norm(places[:, None] - TETRAHEDRON, axis=2), axis=1)
    np.testing.assert_allclose(lengths[:, :3], 1.0)


def test_the_best_site_of_a_hollow_icosahedron_is_its_centre() -> None:
    places, touching = free_sites(SHELL, 1.0)
    best = places[touching.argmax()]
    assert touching.max() == 12
    assert np.linalg.norm(best) < 0.2
    assert (touching == 3).sum() == 20  # on the faces


def test_two_atoms_have_no_sites() -> None:
    assert len(free_sites(TETRAHEDRON[:2], 1.0)[0]) == 0
    moved = resurfaced(np.random.default_rng(1), TETRAHEDRON[:2], 1.0)
    assert moved.shape == (2, 3)


def test_a_loose_atom_goes_elsewhere_and_the_others_stay() -> None:
    perched = np.vstack([TETRAHEDRON, TETRAHEDRON[0] * (1 + 1 / np.linalg.norm(TETRAHEDRON[0]))])
    assert (np.linalg.norm(perched[-1] - perched[:-1], axis=1) < 1.3).sum() == 1
    moved = resurfaced(np.random.default_rng(0), perched, 1.0)
    np.testing.assert_allclose(moved[:4] - moved[0], TETRAHEDRON - TETRAHEDRON[0], atol=1e-12)
    assert (np.linalg.norm(moved[-1] - moved[:-1], axis=1) < 1.3).sum() == 3


@pytest.mark.parametrize("seed", range(5))
def test_atoms_stay_apart_and_none_is_lost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = random_cluster(rng, 24, 1.0)
    moved = resurfaced(rng, start, 1.0)
    rows = np.linalg.norm(moved[:, None] - moved[None], axis=2) + 9 * np.eye(24)
    assert moved.shape == start.shape
    assert rows.min() > 0.84


@pytest.mark.parametrize("seed", range(3))
def test_a_kick_leaves_no_two_atoms_too_close_where_a_distance_is_given(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = random_cluster(rng, 38, 1.0)
    nearest = []
    for distance in (0.0, 1.0):
        moved = kicked(np.random.default_rng(seed), start, 0.36, distance)
        assert moved.shape == start.shape
        assert np.linalg.norm(moved - start, axis=1).max() > 0.3
        rows = np.linalg.norm(moved[:, None] - moved[None], axis=2) + 9 * np.eye(38)
        nearest.append(rows.min())
    assert nearest[0] < 0.6 < 0.75 <= nearest[1]
