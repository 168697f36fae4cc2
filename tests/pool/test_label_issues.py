"""Label errors that were put in are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import ShapeError
from querist.pool.errors import PoolError
from querist.pool.label_review import review
from querist.pool.pool import Pool

pytest.importorskip("cleanlab")


def test_wrong_labels_are_listed(pool: Pool) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    names = ["cat", "dog", "eel"]
    pool.add_items({"text": f"text {n}", "id": str(n)} for n in range(330))
    pool.label({str(n): names[truth[n]] for n in range(300)})
    classes = [pool.classes.index(name) for name in names]
    wrong = {str(n): names[(truth[n] + 1) % 3] for n in range(0, 300, 25)}
    pool.label(wrong, by="careless")
    probabilities = np.full((330, 3), 0.05)
    probabilities[np.arange(300), [classes[t] for t in truth]] = 0.9
    rows = np.concatenate(list(pool.rows()))
    found = pool.label_issues(rows, probabilities)
    assert {issue.id for issue in found} == set(wrong)
    assert all(issue.suggested == names[truth[int(issue.id)]] for issue in found)
    with pytest.raises(ShapeError, match="should be"):
        pool.label_issues(rows, probabilities[:, :2])


def test_labels_of_one_class_cannot_be_judged(pool: Pool) -> None:
    pool.add_items([{"text": "a", "id": "a", "label": "x"}])
    with pytest.raises(PoolError, match="at least two"):
        pool.label_issues(np.array([1]), np.ones((1, 1)))


def test_the_labels_of_a_pool_are_reviewed_by_cross_validation(tmp_path: Path) -> None:
    words = {"animal": ("cat", "dog", "horse"), "tool": ("saw", "drill", "hammer")}
    settings = {"transform": {"modality": "text"}, "classes": tuple(words)}
    with Pool.create(tmp_path / "pool", settings) as pool:
        with pytest.raises(PoolError, match="at least 10 labels of two classes; this pool has 0"):
            review(pool)
        truth = {
            f"{word}-{n}": kind for kind, some in words.items() for word in some for n in range(12)
        }
        pool.add_items(
            {"id": id, "text": f"the {id.partition('-')[0]} of size {id}"} for id in truth
        )
        wrong = ["cat-3", "saw-7", "drill-1"]
        said = {
            id: ("tool" if kind == "animal" else "animal") if id in wrong else kind
            for id, kind in truth.items()
        }
        pool.label(said)
        found = review(pool)
        assert set(wrong) <= {one.id for one in found}
        assert len(found) <= 6
        worst = next(one for one in found if one.id == "cat-3")
        assert (worst.given, worst.suggested) == ("tool", "animal")
        assert worst.item.startswith("the cat")
        pool.label({id: truth[id] for id in wrong})
        assert not set(wrong) & {one.id for one in review(pool)}
