from __future__ import annotations

import numpy as np
import pytest

from querist.core.batch import Batch
from querist.core.errors import RunError
from querist.core.roles import FitRequest, ModelState
from querist.models.members import (
    check_members,
    combine,
    member_rng,
    same,
    stop_between,
    wanted_members,
)
from querist.models.table import Fields


def test_streams_of_members_differ_and_repeat() -> None:
    draws = {(s, m): member_rng(s, m).random() for s in (0, 1) for m in (0, 1, 2)}
    assert len(set(draws.values())) == 6
    assert member_rng(1, 2).random() == draws[1, 2]


def test_wanted_members() -> None:
    assert wanted_members(FitRequest(), 3) == (0, 1, 2)
    assert wanted_members(FitRequest(members=(2, 0)), 3) == (2, 0)
    for wrong in ((3,), (-1,), ()):
        with pytest.raises(RunError, match="committee of 3"):
            wanted_members(FitRequest(members=wrong), 3)


def test_a_part_of_a_committee_is_refused() -> None:
    state = ModelState({"m0/w": np.zeros(1), "m2/w": np.zeros(1)}, {"members": 4})
    with pytest.raises(RunError, match=r"\[1, 3\] are missing; merge"):
        check_members(state, "/w", "it")


def test_stop_between_says_how_far_it_was() -> None:
    stop_between(FitRequest(), 1, 3)
    with pytest.raises(RunError, match="stopped after 1 of 3 members"):
        stop_between(FitRequest(should_stop=lambda: True), 1, 3)


def test_combine_gives_sample_deviation_and_views_of_members() -> None:
    values = np.random.default_rng(0).normal(size=(5, 4, 3))
    fields = Fields.of(Batch.stack(a=np.zeros((1, 2)), b=np.zeros(1)), None, "it")
    said = combine(values, fields)
    np.testing.assert_allclose(said.mean["a"], values.mean(axis=0)[:, :2])
    np.testing.assert_allclose(said.std["b"], values.std(axis=0, ddof=1)[:, 2])
    assert said.members is not None
    assert np.array_equal(said.members[3]["b"], values[3, :, 2])
    assert (combine(values[:1], fields).std["a"] == 0).all()


def test_members_of_different_data_are_refused() -> None:
    same([1, 1], "fields", "it")
    with pytest.raises(RunError, match="different fields"):
        same([1, 2], "fields", "it")
