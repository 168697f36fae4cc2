"""The crew of an explorer: one generator directly, several in threads."""

from __future__ import annotations

import threading
import time
from collections import Counter

import numpy as np
import pytest
from campaign_roles import Bomb, Line, Mean, Waiting
from journals import sample

from querist.campaign.handlers.stepping import Crew
from querist.control.gate import BandGate
from querist.core.batch import Batch
from querist.core.errors import ShapeError
from querist.core.prediction import AnsweredSample, Feedback, Proposal, Verdicts
from querist.core.roles import Limits

NOTHING = Verdicts(np.zeros(0, np.int8), np.zeros(0))


class Log:
    """Predicts, collects, and stops after enough samples."""

    def __init__(self, enough: int) -> None:
        self.enough, self.walkers = enough, Counter()
        self.sizes: list[int] = []
        self.model, self.gate = Mean(), BandGate("y")

    def answer(self, batch):
        self.sizes.append(len(batch))
        prediction = self.model.predict(batch)
        return prediction, self.gate.decide(batch, prediction, Limits(1e9))

    def collect(self, batch, walkers, verdicts) -> None:
        assert len(batch) == len(walkers()) == len(verdicts.verdict)
        self.walkers.update(walkers().tolist())

    def stop(self) -> bool:
        return sum(self.walkers.values()) >= self.enough

    def run(self, crew: Crew) -> bool:
        return crew.step(self.answer, self.collect, self.stop, {"version": 7})


def crew(*generators, max_wait: float = 0.002, between=lambda index: None) -> Crew:
    return Crew(generators, max_wait, between)


def answers(number: float) -> Feedback:
    told = AnsweredSample(0, sample(number), {"y": np.array(1.0)})
    return Feedback(np.zeros(0, np.int64), None, NOTHING, (told,))


class Named:
    """Proposes the same field again and again."""

    def __init__(self, name: str) -> None:
        self.name, self.pending = name, False

    def propose(self) -> Proposal:
        found = Batch({}) if self.pending else Batch.stack(**{self.name: np.zeros(1)})
        self.pending = True
        return Proposal(found, np.zeros(len(found), np.int64))

    def observe(self, feedback: Feedback) -> None:
        self.pending = self.pending and not len(feedback.walkers)


def test_what_cannot_be_joined_is_told_at_each_step_not_waited_for() -> None:
    both = crew(Named("x"), Named("z"), max_wait=1.0)
    for _ in range(2):
        with pytest.raises(ShapeError, match="different fields"):
            Log(5).run(both)
    both.close()


def test_one_generator_is_stepped_in_this_thread() -> None:
    line, log, between = Line(), Log(5), []
    one = crew(line, between=between.append)
    assert log.run(one) is False
    assert line.x == 5
    assert log.sizes == [1] * 5
    assert between == [0] * 5
    assert line.threads == {threading.get_ident()}
    assert set(line.infos) == {7}
    one.tell(0, answers(1))
    assert len(line.seen) == 1
    assert one.close() == [0]


def test_one_generator_whose_walkers_all_wait_ends_the_slice() -> None:
    assert Log(100).run(crew(Line(last=3))) is True


def test_generators_in_threads_are_predicted_together_and_told_apart() -> None:
    lines = [Line(start=100 * i) for i in range(3)]
    many, log = crew(*lines, max_wait=0.05), Log(30)
    assert log.run(many) is False
    assert set(log.walkers) == {0, 1, 2}
    assert max(log.sizes) > 1
    assert all(line.threads and threading.get_ident() not in line.threads for line in lines)
    assert sorted(many.close()) == [0, 1, 2]
    stepped = sum(line.x - 100 * i for i, line in enumerate(lines))
    assert 30 <= stepped <= 33


def test_a_slow_generator_holds_back_nobody() -> None:
    slow, quick = Line(pause=0.3), Line()
    many, log = crew(slow, quick), Log(40)
    log.run(many)
    assert log.walkers[1] > 20 * max(1, log.walkers[0])
    many.close()


def test_all_waiting_ends_the_slice_and_answers_wake_them() -> None:
    many = crew(Waiting(), Waiting())
    log = Log(100)
    assert log.run(many) is True
    assert dict(log.walkers) == {0: 1, 1: 1}
    many.tell(1, answers(0))
    assert log.run(many) is True
    assert dict(log.walkers) == {0: 1, 1: 2}
    many.close()


@pytest.mark.parametrize("others", [0, 1])
def test_an_exception_comes_out_and_the_crew_can_go_on(others: int) -> None:
    bomb = Bomb()
    group = crew(bomb, *(Line() for _ in range(others)))
    with pytest.raises(RuntimeError, match="boom"):
        Log(1000).run(group)
    bomb.live = False
    log = Log(20)
    assert log.run(group) is False
    assert log.walkers[0] > 0
    group.close()


@pytest.mark.parametrize("count", [1, 2])
def test_a_model_that_raises_loses_no_proposal(count: int) -> None:
    lines = [Line() for _ in range(count)]
    group, log = crew(*lines), Log(10)

    def broken(batch):
        raise ArithmeticError("no prediction")

    with pytest.raises(ArithmeticError):
        group.step(broken, log.collect, log.stop)
    assert log.run(group) is False
    group.close()
    # Nobody was stepped without a prediction, and each walker saw all of its points.
    assert sum(line.x for line in lines) == sum(log.walkers.values())


def test_answers_that_come_while_a_proposal_is_out_are_observed_after_its_reply() -> None:
    order: list[str] = []

    class Careful(Line):
        out = False

        def propose(self):
            self.out = True
            return super().propose()

        def observe(self, feedback) -> None:
            if feedback.answers:
                assert not self.out
                order.append("answer")
            if len(feedback.walkers):
                self.out = False
                order.append("reply")
            super().observe(feedback)

    careful = Careful()
    group = crew(careful, Line(pause=0.02))
    told = threading.Event()

    class Telling(Log):
        def answer(self, batch):
            if not told.is_set() and 0.0 in batch["x"].ravel() and careful.out:
                told.set()
                group.tell(0, answers(5))  # its proposal is being predicted just now
            return super().answer(batch)

    log = Telling(30)
    log.run(group)
    group.close()
    assert told.is_set()
    assert order[:2] == ["reply", "answer"]
    assert [answer.sample.id for answer in careful.seen] == [sample(5).id]


def test_a_generator_that_does_not_return_is_left_behind() -> None:
    release = threading.Event()

    class Stuck(Line):
        def propose(self):
            if self.x >= 1:
                release.wait(20)
            return super().propose()

    group, log = crew(Stuck(), Line()), Log(10)
    log.run(group)
    begun = time.monotonic()
    assert group.close() == [1]
    assert time.monotonic() - begun < 10
    release.set()
