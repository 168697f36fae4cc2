"""What the optimiser is told."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from querist.core.batch import Batch
from querist.core.errors import ConfigError, ContractError
from querist.core.prediction import AnsweredSample, Feedback, Prediction, Verdict, Verdicts
from querist.generators.ask_tell import AskTell


class Recorder:
    """Asks for random points around the best one it was told of."""

    def __init__(self, seed: int = 0, spread: float = 0.5) -> None:
        self.rng, self.spread = np.random.default_rng(seed), spread
        self.best, self.value = np.full(2, 3.0), np.inf
        self.told: list[tuple[np.ndarray, np.ndarray]] = []

    def ask(self, n: int) -> np.ndarray:
        return self.best + self.spread * self.rng.normal(size=(n, 2))

    def tell(self, points, values) -> None:
        self.told.append((points, values))
        if values.min() < self.value:
            self.best, self.value = points[values.argmin()], values.min()


def bowl(points: np.ndarray) -> np.ndarray:
    return (points**2).sum(axis=-1)


def observe(generator: AskTell, proposal, verdict, answers=(), version=1) -> None:
    verdicts = np.broadcast_to(np.asarray(verdict, np.int8), len(proposal.walkers))
    mean = Batch.stack(y=bowl(proposal.batch["x"]))
    given = Verdicts(verdicts, np.zeros(len(verdicts)))
    prediction = Prediction(mean, Batch({}))
    generator.observe(
        Feedback(proposal.walkers, prediction, given, tuple(answers), {"version": version})
    )


def test_trusted_predictions_are_told_at_once() -> None:
    optimiser = Recorder()
    generator = AskTell(optimiser, batch=4)
    proposal = generator.propose()
    observe(generator, proposal, Verdict.TRUST)
    ((points, values),) = optimiser.told
    np.testing.assert_array_equal(points, proposal.batch["x"])
    np.testing.assert_array_equal(values, bowl(points))


def offset(outputs, by: float = 0.0) -> float:
    return outputs["y"] * 2.0 + by


def test_an_objective_is_a_function_of_predicted_and_of_answered_outputs() -> None:
    optimiser = Recorder()
    generator = AskTell(optimiser, batch=2, objective=partial(offset, by=1.0))
    proposal = generator.propose()
    observe(generator, proposal, [Verdict.TRUST, Verdict.ASK])
    answer = AnsweredSample(1, proposal.batch.samples()[1], {"y": np.array(3.0)})
    rest = generator.propose()
    observe(generator, rest, Verdict.ASK, [answer])
    ((points, values),) = optimiser.told
    np.testing.assert_allclose(values, [2.0 * bowl(points)[0] + 1.0, 7.0])


def test_it_may_hear_of_a_model_before_it_proposed_anything() -> None:
    generator = AskTell(Recorder(), batch=3)
    none = Verdicts(np.zeros(0, np.int8), np.zeros(0))
    generator.observe(Feedback(np.zeros(0, np.int64), None, none, (), {"version": 2}))
    assert len(generator.propose().walkers) == 3


def test_an_objective_has_an_import_path_or_is_refused() -> None:
    named = AskTell(Recorder(), objective="math:fsum")
    assert named.objective is math.fsum
    with pytest.raises(ConfigError, match="objective is a function"):
        AskTell(Recorder(), objective=3)


def test_an_uncertain_point_is_told_when_it_is_answered_and_a_rejected_one_is_penalised() -> None:
    optimiser = Recorder()
    generator = AskTell(optimiser, batch=4, penalty=99.0)
    proposal = generator.propose()
    observe(generator, proposal, [Verdict.TRUST, Verdict.ASK, Verdict.REJECT, Verdict.ASK])
    rest = generator.propose()
    assert (len(rest.batch), optimiser.told) == (0, [])
    answers = [
        AnsweredSample(1, proposal.batch.sample(1), {"y": np.array(-5.0)}),
        AnsweredSample(3, proposal.batch.sample(3), None),
    ]
    observe(generator, proposal=_none(rest), verdict=[], answers=answers)
    ((points, values),) = optimiser.told
    assert values.tolist() == [bowl(points[0]), -5.0, 99.0, 99.0]
    assert len(generator.propose().batch) == 4


def _none(proposal):
    assert len(proposal.batch) == 0
    return proposal


def test_a_newer_model_may_trust_what_waited() -> None:
    generator = AskTell(Recorder, batch=2)
    proposal = generator.propose()
    observe(generator, proposal, Verdict.ASK)
    nothing = generator.propose()
    generator.observe(
        Feedback(
            nothing.walkers, None, Verdicts(np.zeros(0, np.int8), np.zeros(0)), (), {"version": 2}
        )
    )
    assert generator.propose().batch.ids == proposal.batch.ids


def test_maximising_turns_the_sign() -> None:
    optimiser = Recorder()
    generator = AskTell(optimiser, batch=3, maximise=True)
    observe(generator, generator.propose(), Verdict.TRUST)
    ((points, values),) = optimiser.told
    np.testing.assert_array_equal(values, -bowl(points))


def test_it_optimises() -> None:
    generator = AskTell(Recorder, batch=8, options={"seed": 1})
    for _ in range(60):
        observe(generator, generator.propose(), Verdict.TRUST)
    assert generator._made.value < 0.05


class OneAtATime(Recorder):
    def ask(self):  # no number, as in skopt
        return super().ask(3)


def test_an_optimiser_may_decide_how_many() -> None:
    assert len(AskTell(OneAtATime, batch=8).propose().batch) == 3


def test_initial_points_that_failed_are_replaced_by_others() -> None:
    generator = AskTell(lambda: Swarm(3), batch=3)
    first = [generator.initial(2).ids, generator.initial(3).ids]
    assert len({*first[0], *first[1]}) == 5


class Swarm:
    """Asks for other points each time, told or not."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def ask(self, count: int):
        return self.rng.random((count, 2))

    def tell(self, points, values) -> None:
        pass


def test_initial_points_do_not_disturb_the_optimiser() -> None:
    generator, other = AskTell(Recorder, batch=3), AskTell(Recorder, batch=3)
    assert len(generator.initial(8)) == 8
    assert len(generator.initial(0)) == 0
    for _ in range(3):
        one, two = generator.propose(), other.propose()
        assert one.batch.ids == two.batch.ids
        observe(generator, one, Verdict.TRUST)
        observe(other, two, Verdict.TRUST)


def test_a_used_object_cannot_be_restored() -> None:
    generator = AskTell(Recorder())
    generator.propose()
    state = generator.state()
    with pytest.raises(ConfigError, match="give AskTell a function"):
        generator.restore(*state)
    AskTell(Recorder()).restore(*state)


def test_what_is_no_optimiser_is_refused() -> None:
    with pytest.raises(ContractError, match="no ask and no tell"):
        AskTell(object())

    class Empty(Recorder):
        def ask(self, n):
            return []

    with pytest.raises(ContractError, match="gave no points"):
        AskTell(Empty).propose()
