import numpy as np
import pytest
from toy_molecule import NUMBERS, SHAPE, SWAPS, geometries

from querist.models.gradient_domain import (
    bonded,
    check_group,
    close_group,
    detect_group,
    geometry_group,
    graph_group,
    identity_group,
)


def test_closing_two_swaps_of_three_atoms_gives_all_six():
    group = close_group(SWAPS)
    assert group.shape == (6, 5)
    assert group[0].tolist() == [0, 1, 2, 3, 4]
    check_group(group, NUMBERS)


def test_a_group_larger_than_the_limit_is_refused():
    with pytest.raises(ValueError, match="at most 5"):
        close_group(SWAPS, limit=5)
    with pytest.raises(ValueError, match="at most 5"):
        graph_group([1, 1, 1], ~np.eye(3, dtype=bool), limit=5)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 1, 2]], "shape"),
        ([[0, 1, 2, 3, 3]], "wanted a permutation"),
        ([[0, 1, 2, 3, 4], [1, 0, 2, 3, 4]], "different elements"),
        ([[0, 1, 2, 3, 4], [0, 1, 3, 4, 2]], "close_group"),
        ([[0, 1, 3, 2, 4]], "close_group"),
        ([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]], "repeated"),
    ],
)
def test_what_is_no_group_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        check_group(np.array(rows), NUMBERS)


def test_the_bonded_graph_of_one_geometry():
    adjacent = bonded(NUMBERS, SHAPE[None])
    assert adjacent[1].tolist() == [True, False, True, True, True]
    assert adjacent.sum() == 8


def test_detection_finds_the_rotating_hydrogens():
    found = detect_group(NUMBERS, geometries(np.random.default_rng(0), 5, width=0.02))
    assert np.array_equal(found, close_group(SWAPS))


def test_a_bond_that_moves_makes_the_union_symmetric():
    left = np.array([[0.0, 0, 0], [1.0, 0, 0], [2.4, 0, 0]])
    right = np.array([[0.0, 0, 0], [1.4, 0, 0], [2.4, 0, 0]])
    numbers = [8, 1, 8]
    assert detect_group(numbers, left[None]).tolist() == [[0, 1, 2]]
    assert detect_group(numbers, np.stack([left, right])).tolist() == [[0, 1, 2], [2, 1, 0]]


def test_a_symmetric_geometry_gives_its_own_group():
    assert np.array_equal(geometry_group(NUMBERS, SHAPE, tolerance=0.02), close_group(SWAPS))
    distorted = SHAPE.copy()
    distorted[2] *= 1.2
    assert geometry_group(NUMBERS, distorted).tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 4, 3]]


def test_an_element_without_a_radius_is_named():
    with pytest.raises(ValueError, match=r"\[79\].*permutations yourself"):
        bonded([79, 79], np.zeros((1, 2, 3)))


def test_the_identity_group():
    assert identity_group(3).tolist() == [[0, 1, 2]]
