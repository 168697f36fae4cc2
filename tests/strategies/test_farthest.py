"""Lazy farthest-first picks what the plain method picks, whatever the data look like."""

from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.core.errors import ShapeError
from querist.strategies import farthest
from querist.strategies.farthest import Traversal
from querist.strategies.geometry import Space, central
from querist.strategies.needs import NEEDS
from querist.strategies.representation.k_center import k_center
from querist.strategies.rows import rows_of
from querist.testing.strategy_references import reference


def clusters(rng, count: int, width: int):
    return 4 * rng.normal(size=(12, width))[rng.integers(12, size=count)] + rng.normal(
        size=(count, width)
    )


DATA = {
    "clusters": lambda rng: clusters(rng, 800, 8),
    "uniform": lambda rng: rng.random((800, 40)),
    "far from zero": lambda rng: rng.normal(size=(800, 8)) + 1e4,
    "tiny": lambda rng: 1e-14 * rng.normal(size=(800, 8)),
    "huge": lambda rng: 1e14 * rng.normal(size=(800, 8)),
    "lattice": lambda rng: rng.integers(0, 3, (800, 6)),
    "duplicates": lambda rng: np.repeat(rng.normal(size=(50, 6)), 30, axis=0),
    "outlier": lambda rng: np.vstack([rng.normal(size=(799, 6)), np.full((1, 6), 1e6)]),
    "one axis": lambda rng: rng.normal(size=(800, 1)),
}


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
@pytest.mark.parametrize("labelled", [0, 5])
def test_picks_are_those_of_the_plain_method(data, labelled: int) -> None:
    rows = data(np.random.default_rng(0)).astype(float)
    given = {"labelled_embeddings": rows[:labelled]} if labelled else {}
    picks, scores = reference("k-center").function(60, embeddings=rows, **given)
    found = k_center(60, embeddings=rows, **given)
    np.testing.assert_array_equal(found.indices, picks)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8"])
def test_numbers_of_any_type_are_taken_for_what_they_are(dtype: str) -> None:
    rows = (3 * np.random.default_rng(0).normal(size=(400, 5))).astype(dtype)
    found, plain = k_center(60, embeddings=rows), k_center(60, embeddings=rows.astype(float))
    np.testing.assert_array_equal(found.indices, plain.indices)
    np.testing.assert_array_equal(found.scores, plain.scores)


def space(rows) -> Space:
    return Space([rows_of("embeddings", NEEDS["embeddings"], rows)])


def test_most_rows_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """In clusters: little more than half of the distances that the plain method computes."""
    looked = []
    products = Space.products

    def counted(self, points, centres, first, last):
        looked.append(len(points) * (last - first))
        return products(self, points, centres, first, last)

    monkeypatch.setattr(Space, "products", counted)
    rows = clusters(np.random.default_rng(1), 20_000, 8)
    k_center(300, embeddings=rows)
    assert sum(looked) < 0.6 * 300 * len(rows)


def test_the_hot_set_grows_where_it_is_spent_quickly() -> None:
    rows = np.random.default_rng(0).random((1000, 30))
    pool = space(rows)
    traversal = Traversal(pool, None, 80)
    traversal._hot_size = 64
    traversal.run(central(pool)[0])
    assert traversal._hot_size > 64
    assert traversal.picks == reference("k-center").function(80, embeddings=rows)[0]


def test_all_rows_alike_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(farthest.Traversal, "_refill", counted_refill := Counted(Traversal._refill))
    picked = k_center(500, embeddings=np.ones((1000, 4)))
    assert picked.indices.tolist() == list(range(500))
    assert counted_refill.calls == 1


class Counted:
    """A method that counts its calls."""

    def __init__(self, method) -> None:
        self.method, self.calls = method, 0

    def __get__(self, instance, owner):
        def call(*arguments):
            self.calls += 1
            return self.method(instance, *arguments)

        return call


def test_labelled_rows_need_the_same_features() -> None:
    with pytest.raises(ShapeError, match="3 features, but embeddings have 2"):
        k_center(1, embeddings=np.zeros((4, 2)), labelled_embeddings=np.zeros((1, 3)))


def test_float32_labels_do_not_round_the_pool() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 3)) * 1e-9 + 1.0
    found = k_center(50, embeddings=rows, labelled_embeddings=rows[:1].astype(np.float32))
    assert len(set(np.round(found.scores, 14))) > 40


def test_outputs_without_a_label_to_be_far_from_are_refused() -> None:
    with pytest.raises(ShapeError, match="begin with max-dist or k-center"):
        querist.select("gsy", 1, predictions=[0.0, 1.0], labels=[])
