"""Candidate sets, streams, uniform points and random walks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.batch import Batch, Sample
from querist.core.errors import ConfigError
from querist.core.prediction import AnsweredSample, Feedback, Prediction, Verdict, Verdicts
from querist.generators.candidates import Candidates
from querist.generators.random_walk import RandomWalk, reflected
from querist.generators.randomness import rng_from, rng_state
from querist.generators.stream import Stream
from querist.generators.uniform import Uniform
from querist.testing.contexts import worker_context

POINTS = np.arange(10.0)


def drained(generator) -> list[float]:
    found: list[float] = []
    while len(batch := generator.propose().batch):
        found += batch["x"].ravel().tolist()
    return found


def test_candidates_are_proposed_once_each() -> None:
    assert drained(Candidates(POINTS, chunk=4, order="given")) == POINTS.tolist()
    shuffled = drained(Candidates(POINTS, chunk=4, seed=1))
    assert shuffled != POINTS.tolist()
    assert sorted(shuffled) == POINTS.tolist()
    assert shuffled == drained(Candidates(POINTS, chunk=3, seed=1))


def test_first_candidates_are_those_that_were_not_given_yet() -> None:
    candidates = Candidates(POINTS, seed=1)
    count = len(POINTS)
    first, rest = candidates.initial(count - 2), candidates.initial(2)
    given = [*first.ids, *rest.ids]
    assert len(set(given)) == count
    assert len(candidates.initial(count + 1)) == count + 1


@pytest.mark.parametrize("order", ["random", "given"])
@pytest.mark.parametrize("now", [POINTS[::-1], POINTS[:3], np.arange(40.0)])
def test_candidates_that_are_others_by_now_are_begun_with(order: str, now: np.ndarray) -> None:
    first = Candidates(POINTS, chunk=6, order=order, seed=1)
    begun = first.propose().batch["x"].tolist()
    same = Candidates(POINTS, chunk=6, order=order, seed=2)
    same.restore(*first.state())
    assert sorted(begun + drained(same)) == POINTS.tolist()
    other = Candidates(now, chunk=6, order=order, seed=2)
    other.restore(*first.state())
    assert sorted(drained(other)) == sorted(now.tolist())
    arrays, data = first.state()
    before = Candidates(POINTS, chunk=6, order=order, seed=2)
    before.restore(arrays, {name: told for name, told in data.items() if name != "of"})
    assert sorted(begun + drained(before)) == POINTS.tolist()


def test_cyclic_candidates_come_again_in_another_order() -> None:
    generator = Candidates(POINTS, chunk=10, cyclic=True, seed=1)
    first, second = (generator.propose().batch["x"].tolist() for _ in range(2))
    assert sorted(first) == sorted(second) == POINTS.tolist()
    assert first != second


def test_initial_candidates_repeat_only_where_they_must() -> None:
    generator = Candidates(POINTS, seed=1)
    assert sorted(generator.initial(10)["x"].tolist()) == POINTS.tolist()
    assert len(generator.initial(25)) == 25


def test_bad_candidates_are_refused() -> None:
    with pytest.raises(ConfigError, match="order is one of"):
        Candidates(POINTS, order="reversed")
    with pytest.raises(ConfigError, match="at least 1"):
        Candidates(POINTS, chunk=0)


def test_workers_have_randomness_of_their_own(tmp_path) -> None:
    drawn = []
    for index, seed in ((0, None), (1, None), (0, 5), (1, 5), (0, 5)):
        generator = Uniform(0, 1, batch=3, seed=seed)
        generator.open(worker_context(tmp_path, seed=index, index=index))
        drawn.append(generator.propose().batch["x"].tolist())
    assert drawn[2] == drawn[4]
    assert len({tuple(points) for points in drawn}) == 4


def test_a_stream_ends_and_hands_on_samples() -> None:
    samples = [Sample.of({"x": np.array(value)}, uri=f"file:{value}") for value in POINTS]
    stream = Stream(samples, chunk=4)
    assert stream.initial(1)["x"].tolist() == [0.0]
    batch = stream.propose().batch
    assert batch.uris == ("file:1.0", "file:2.0", "file:3.0", "file:4.0")
    assert drained(stream) == [5.0, 6.0, 7.0, 8.0, 9.0]


def make_numbers(count: int):
    return ({"x": np.array(float(value))} for value in range(count))


def test_a_stream_can_be_continued_when_it_can_begin_again() -> None:
    stream = Stream(make_numbers, chunk=3, options={"count": 8})
    stream.propose()
    other = Stream(make_numbers, chunk=3, options={"count": 8})
    other.restore(*stream.state())
    assert drained(other) == [3.0, 4.0, 5.0, 6.0, 7.0]
    with pytest.raises(ConfigError, match="ends after 2"):
        Stream(make_numbers, options={"count": 2}).restore(*stream.state())
    with pytest.raises(ConfigError, match="bare iterator cannot be continued"):
        Stream(make_numbers(3)).restore(*stream.state())


def test_a_stream_by_name() -> None:
    names = Stream("itertools:repeat", chunk=2, options={"object": {"x": np.zeros(2)}, "times": 3})
    assert [len(names.propose().batch) for _ in range(3)] == [2, 1, 0]


def test_uniform_points_fill_their_box() -> None:
    points = Uniform([0, -2], [1, 2], batch=4000, field="z", seed=1).propose().batch["z"]
    assert points.shape == (4000, 2)
    assert (points >= [0, -2]).all()
    assert (points <= [1, 2]).all()
    np.testing.assert_allclose(points.mean(axis=0), [0.5, 0.0], atol=0.08)
    np.testing.assert_allclose(points.std(axis=0), [1 / np.sqrt(12), 4 / np.sqrt(12)], atol=0.05)


@pytest.mark.parametrize(("low", "high"), [(1, 1), ([0, 2], 1), ([0, 0], [1, 1, 1])])
def test_boxes_that_are_none_are_refused(low, high) -> None:
    with pytest.raises(ConfigError, match="bound"):
        Uniform(low, high)


@given(st.floats(-1e3, 1e3), st.floats(-5, 5), st.floats(0.1, 10))
def test_reflection_lands_in_the_box_and_moves_nothing_inside(x, low, width) -> None:
    low, high = np.array(low), np.array(low + width)
    folded = reflected(np.array(x), low, high)
    assert low - 1e-9 <= folded <= high + 1e-9
    if low <= x <= high:
        assert folded == pytest.approx(x, abs=1e-9)


def observed(walk: RandomWalk, verdict=Verdict.TRUST, answers=(), version=1):
    proposal = walk.propose()
    points = proposal.batch["x"]
    values = (points**2).sum(axis=tuple(range(1, points.ndim)))
    verdicts = np.broadcast_to(np.asarray(verdict, np.int8), len(values))
    prediction = Prediction(Batch.stack(y=values), Batch({}))
    given = Verdicts(verdicts, np.zeros(len(values)))
    walk.observe(
        Feedback(proposal.walkers, prediction, given, tuple(answers), {"version": version})
    )
    return proposal


def test_metropolis_samples_the_boltzmann_distribution() -> None:
    walk = RandomWalk(np.zeros((1, 2)), 1.0, walkers=100, output="y", temperature=0.5, seed=3)
    seen = []
    for number in range(1200):
        observed(walk)
        if number >= 200:
            seen.append(walk.state()[0]["here"])
    # exp(-x^2 / T) has the variance T / 2.
    assert np.array(seen).var() == pytest.approx(0.25, rel=0.05)


def test_a_rejected_step_is_not_taken_and_bounds_hold() -> None:
    walk = RandomWalk(POINTS[:, None], 3.0, walkers=10, low=0.0, high=9.0, seed=1)
    observed(walk)
    before = walk.state()[0]["here"]
    proposal = observed(walk, Verdict.REJECT)
    np.testing.assert_array_equal(walk.state()[0]["here"], before)
    assert (proposal.batch["x"] >= 0).all()
    assert (proposal.batch["x"] <= 9).all()
    observed(walk)
    assert not np.allclose(walk.state()[0]["here"], before)


def test_a_waiting_walker_takes_its_answer() -> None:
    walk = RandomWalk(np.full((1, 1), 5.0), 0.5, walkers=2, output="y", on_ask="wait", seed=2)
    observed(walk)
    asked = observed(walk, [Verdict.ASK, Verdict.TRUST])
    assert observed(walk).walkers.tolist() == [1]
    sample = asked.batch.sample(0)
    observed(walk, answers=[AnsweredSample(0, sample, {"y": np.array(-100.0)})])
    assert walk.state()[0]["here"][0] == sample["x"]
    assert walk.propose().walkers.tolist() == [0, 1]


def test_a_newer_model_wakes_a_waiting_walker() -> None:
    walk = RandomWalk(np.zeros((1, 1)), 0.5, walkers=1, on_ask="wait", seed=2)
    observed(walk)
    asked = observed(walk, Verdict.ASK)
    observed(walk)
    assert len(walk.propose().batch) == 0
    observed(walk, version=2)
    assert walk.propose().batch.ids == asked.batch.ids


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_any_randomness_can_be_written_down(kind: str) -> None:
    import json

    rng = np.random.Generator(getattr(np.random, kind)(7))
    rng.normal(size=3)
    rng.integers(0, 100, dtype=np.int32)
    other = rng_from(json.loads(json.dumps(rng_state(rng))))
    assert other.integers(0, 2**30, 5).tolist() == rng.integers(0, 2**30, 5).tolist()
    assert other.normal(size=5).tolist() == rng.normal(size=5).tolist()
