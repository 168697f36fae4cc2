"""Annotators of a pool: judged, settled, and weighed against new labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.pool.annotators import NAME, crowd_of, wanted
from querist.pool.errors import PoolError
from querist.pool.pool import Pool

CLASSES = ("cat", "dog")
SKILLS = {"ada": 0.97, "bob": 0.9, "cyd": 0.85, "eve": 0.5}


@pytest.fixture
def pool(tmp_path: Path):
    settings = {"classes": CLASSES, "transform": {"modality": "text"}}
    with Pool.create(tmp_path / "pets", settings) as made:
        made.add_items([{"id": f"t{n:03}", "text": f"pet number {n}"} for n in range(260)])
        yield made


@pytest.fixture
def truth(pool: Pool) -> dict[str, str]:
    """Of 200 items, each labelled by all four; eve guesses."""
    rng = np.random.default_rng(0)
    found = {f"t{n:03}": CLASSES[int(rng.integers(2))] for n in range(200)}
    for by, skill in SKILLS.items():
        said = {
            id: name if rng.random() < skill else CLASSES[1 - CLASSES.index(name)]
            for id, name in found.items()
        }
        pool.label(said, by=by)
    return found


def test_annotators_are_judged_by_each_other(pool: Pool, truth: dict[str, str]) -> None:
    crowd = crowd_of(pool)
    right = dict(zip(crowd.names, crowd.fit.accuracy, strict=True))
    for by, skill in SKILLS.items():
        assert right[by] == pytest.approx(skill, abs=0.08)
    labels = crowd.labels()
    assert np.mean([labels[id] == name for id, name in truth.items()]) > 0.93


def test_what_is_probably_true_is_recorded_and_judges_nobody(pool, truth) -> None:
    before = crowd_of(pool)
    sure = before.labels(0.9)
    pool.label(sure, by=NAME)
    assert {one.id: one.value for one in pool.labels()}.items() >= sure.items()
    after = crowd_of(pool)
    assert after.names == before.names
    np.testing.assert_array_equal(after.fit.posterior, before.fit.posterior)


def test_skips_and_withdrawals_say_nothing(pool, truth) -> None:
    pool.skip(["t000"], by="zoe")
    pool.unlabel(list(truth), by="eve")
    assert set(crowd_of(pool).names) == {"ada", "bob", "cyd"}


def test_contested_items_are_asked_again_first(pool, truth) -> None:
    crowd = crowd_of(pool)
    asked = wanted(pool, crowd, 10)
    assert all(one.again for one in asked)
    doubt = {id: p.max() for id, p in zip(crowd.ids, crowd.fit.posterior, strict=True)}
    assert max(doubt[one.id] for one in asked) <= sorted(doubt.values())[9] + 1e-9


def test_new_items_compete_on_the_same_scale(pool, truth) -> None:
    model = {"use": "python", "function": "query_models:even_classes", "classes": list(CLASSES)}
    # A model that knows nothing: each new item is worth more than those that have four labels.
    asked = wanted(pool, crowd_of(pool), 70, model)
    assert [one.again for one in asked] == [False] * 60 + [True] * 10
    assert asked[0].gain > asked[-1].gain > 0


def test_what_cannot_be_judged_is_refused(pool, tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="two classes"):
        crowd_of(pool)
    with (
        Pool.create(tmp_path / "numbers", {"task": "regression"}) as other,
        pytest.raises(PoolError, match="not in regression"),
    ):
        crowd_of(other)
