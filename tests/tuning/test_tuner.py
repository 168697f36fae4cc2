"""A search as a generator: as many runs under way as there are workers, and nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
from tuning_problems import GOAL, SPACE

from querist.core.batch import Batch
from querist.core.errors import ContractError
from querist.core.prediction import AnsweredSample, Feedback, Prediction, Verdict, Verdicts
from querist.testing.contexts import worker_context
from querist.testing.generators import GENERATOR_CHECKS, GeneratorCase
from querist.tuning.tuner import Tuner

PLAIN = {"x": {"real": [0.0, 1.0]}, "k": {"integer": [1, 4]}}
NOBODY = np.zeros(0, np.int64)
NONE = Verdicts(np.zeros(0, np.int8), np.zeros(0))


def truth(arrays) -> dict:
    return {"y": float(arrays["x"]) + float(arrays["k"]), "z": 1.0}


def tuner(**more) -> Tuner:
    return Tuner(PLAIN, {"minimise": "y"}, more.pop("search", "sobol"), 3, **more)


CASES = [
    GeneratorCase("sobol", tuner, truth),
    GeneratorCase("random", lambda: tuner(search="random"), truth),
]


@pytest.mark.parametrize("check", GENERATOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(check, case, tmp_path) -> None:
    check(case, worker_context(tmp_path, seed=1))


def asked(proposal) -> Feedback:
    count = len(proposal.batch)
    return Feedback(
        proposal.walkers, None, Verdicts(np.full(count, Verdict.ASK, np.int8), np.zeros(count))
    )


def answered(proposal, rows, outputs) -> Feedback:
    answers = [
        AnsweredSample(int(proposal.walkers[row]), proposal.batch.sample(row), outputs)
        for row in rows
    ]
    return Feedback(NOBODY, None, NONE, tuple(answers))


def test_no_walker_waits_for_another() -> None:
    made = tuner()
    first = made.propose()
    assert len(first.batch) == 3
    made.observe(asked(first))
    assert len(made.propose().batch) == 0
    made.observe(answered(first, [1], {"y": np.asarray(2.0)}))
    second = made.propose()
    assert second.walkers.tolist() == [int(first.walkers[1])]
    assert second.batch.ids[0] not in first.batch.ids


def test_it_ends_after_the_planned_runs_failures_included() -> None:
    made = tuner(runs=4)
    first = made.propose()
    made.observe(asked(first))
    made.observe(answered(first, [0, 1], None))
    second = made.propose()
    assert len(second.batch) == 1
    made.observe(asked(second))
    assert not made.exhausted
    made.observe(answered(first, [2], {"y": np.asarray(2.0)}))
    made.observe(answered(second, [0], {"y": np.asarray(1.0)}))
    assert made.exhausted
    assert len(made.propose().batch) == 0


def test_what_is_to_be_tried_first_is_and_what_is_known_is_not_asked() -> None:
    known = [{"settings": {"x": 0.25, "k": 2}, "outputs": {"y": 1.0}, "origin": "before"}]
    begin = [{"x": 0.25, "k": 2}, {"x": 0.75, "k": 3}]
    made = tuner(begin=begin, known=known, runs=3)
    points = [made.space.read(sample.arrays) for sample in made.propose().batch.samples()]
    assert points[0] == {"x": 0.75, "k": 3}
    assert {"x": 0.25, "k": 2} not in points
    assert len(points) == 3  # what was known beforehand is not counted


def test_trusted_predictions_count_in_a_campaign_with_a_model() -> None:
    made = tuner()
    proposal = made.propose()
    mean = Batch.stack(y=np.array([1.0, 2.0, 3.0]))
    verdicts = Verdicts(
        np.array([Verdict.TRUST, Verdict.ASK, Verdict.REJECT], np.int8), np.zeros(3)
    )
    made.observe(Feedback(proposal.walkers, Prediction(mean, Batch({})), verdicts))
    _, data = made.state()
    told = {(trial["origin"], trial["failure"]) for trial in data["trials"]}
    assert told == {("model", ""), ("model", "the gate rejected it")}
    assert len(made.propose().batch) == 2


def test_a_model_that_lacks_what_is_wanted_is_refused() -> None:
    made = Tuner(SPACE, GOAL, "random")
    proposal = made.propose()
    verdicts = Verdicts(np.zeros(1, np.int8), np.zeros(1))
    prediction = Prediction(Batch.stack(loss=np.zeros(1)), Batch({}))
    with pytest.raises(ContractError, match="error"):
        made.observe(Feedback(proposal.walkers, prediction, verdicts))


class Stubborn:
    """Asks for the same for ever."""

    def ask(self, count, pending):
        return [{"x": 0.5, "k": 1}] * count

    def tell(self, trials):
        pass


def test_a_search_without_a_new_idea_is_replaced_by_chance() -> None:
    made = Tuner(PLAIN, {"minimise": "y"}, {"use": Stubborn()}, 2, runs=3)
    seen = set()
    for _ in range(3):
        proposal = made.propose()
        made.observe(asked(proposal))
        seen |= set(proposal.batch.ids)
        made.observe(answered(proposal, range(len(proposal.batch)), {"y": np.asarray(2.0)}))
    assert len(seen) == 3


class Listener(Stubborn):
    """Remembers what it was told."""

    def __init__(self):
        self.told = []

    def tell(self, trials):
        self.told += [trial.settings["x"] for trial in trials]


def test_a_live_search_is_told_each_result_once_also_after_a_crash() -> None:
    known = [{"settings": {"x": 0.25, "k": 2}, "outputs": {"y": 1.0}, "origin": "before"}]
    first = Tuner(PLAIN, {"minimise": "y"}, {"use": Listener()}, 1, known=known)
    proposal = first.propose()
    first.observe(asked(proposal))
    first.observe(answered(proposal, [0], {"y": np.asarray(2.0)}))
    listener = Listener()
    again = Tuner(PLAIN, {"minimise": "y"}, {"use": listener}, 1, known=known)
    again.restore(*first.state())
    assert sorted(listener.told) == [0.25, 0.5]
