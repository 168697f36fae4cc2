"""The oracle's worker: whatever an oracle does, each question gets a label or a cause."""

from __future__ import annotations

import time

import numpy as np
import pytest
from campaign_roles import odd_validator
from journals import question, sample

from querist.campaign.handlers import labeller
from querist.campaign.handlers.labeller import Labeller
from querist.core.answers import Abstention, Failure, Label, Question, Reason
from querist.core.errors import ShapeError, UnsupportedSample
from querist.core.tasks import Factory, Task
from querist.store.errors import StoreFull


class Oracle:
    """Answers what it is told to; closes."""

    def __init__(self, *outcomes, seconds: float = 0.0) -> None:
        self.outcomes, self.seconds, self.closed = list(outcomes), seconds, False
        self.level = "hf"

    def answer(self, samples, context):
        time.sleep(self.seconds)
        return self.outcomes

    def close(self) -> None:
        self.closed = True


class Raising:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def answer(self, samples, context):
        raise self.error


def task(count: int = 1) -> Task:
    payload = {
        "questions": tuple(Question(sample(n).id, "oracle") for n in range(count)),
        "samples": tuple(sample(n) for n in range(count)),
    }
    return Task("label-0-1", "label", "oracle.oracle", payload, items=count)


@pytest.fixture
def ask(worker, context):
    """Asks an oracle once; the result."""

    def run(oracle, count: int = 1, **more):
        handler = Labeller(Factory(live=oracle), **more)
        handler.open(worker)
        return handler.run(task(count), context)

    return run


def label(value, **more) -> Label:
    return Label({"y": value}, **more)


def test_good_labels_pass_with_the_oracles_level(ask) -> None:
    result = ask(Oracle(label(np.array(2.0)), label(3.0, level="ccsd", cost=7.0)), 2)
    first, second = result["outcomes"]
    assert (first.level, second.level, second.cost) == ("hf", "ccsd", 7.0)
    assert isinstance(second.outputs["y"], np.ndarray)
    assert len(result["seconds"]) == 2
    assert "outbox" not in result
    (given,) = ask(Oracle(label(1.0)), level="mp2")["outcomes"]
    assert given.level == "mp2"


@pytest.mark.parametrize(
    "outcome, reason, said",
    [
        (label(np.nan), Reason.NOT_FINITE, "1 of 1 values of 'y' are not finite"),
        (label(np.array([1, np.inf])), Reason.NOT_FINITE, "1 of 2 values"),
        (label(np.array(1 + 1j * np.inf)), Reason.NOT_FINITE, "not finite"),
        (label(np.array([object()])), Reason.WRONG_SHAPE, "Python objects"),
        (Label({}), Reason.WRONG_SHAPE, "without outputs"),
        ({"y": 1.0}, Reason.WRONG_SHAPE, "gave dict"),
        (None, Reason.WRONG_SHAPE, "gave NoneType"),
        (label(1.0), Reason.REJECTED, "odd answers are refused"),
        (Label({"z": 1.0}), Reason.RAISED, "KeyError"),
    ],
)
@pytest.mark.parametrize("name", ["odd", "odd_validator"])  # the function, or what makes it
def test_bad_labels_become_failures(ask, name, outcome, reason, said) -> None:
    validator = Factory(f"campaign_roles:{name}")
    bad, good = ask(Oracle(outcome, label(2.0)), 2, validator=validator)["outcomes"]
    assert isinstance(bad, Failure)
    assert bad.reason is reason
    assert said in bad.message
    assert isinstance(good, Label)  # one bad item does not spoil its batch


@pytest.mark.parametrize(
    "error, reason, transient",
    [
        (ValueError("x"), Reason.RAISED, True),
        (MemoryError("x"), Reason.MEMORY, True),
        (ShapeError("x"), Reason.WRONG_SHAPE, False),
        (UnsupportedSample("x"), Reason.UNSUPPORTED, False),
    ],
)
def test_what_an_oracle_raises_fails_its_whole_batch(ask, error, reason, transient) -> None:
    outcomes = ask(Raising(error), 3)["outcomes"]
    assert [o.reason for o in outcomes] == [reason] * 3
    assert {o.transient for o in outcomes} == {transient}
    assert "Traceback" in outcomes[0].traceback
    assert "x" in outcomes[0].message


def test_too_few_outcomes_fail_all(ask) -> None:
    outcomes = ask(Oracle(label(1.0)), 2)["outcomes"]
    assert [o.reason for o in outcomes] == [Reason.WRONG_SHAPE] * 2
    assert outcomes[0].message == "the oracle gave 1 outcomes for 2 samples"


def test_failures_and_abstentions_pass_as_they_are(ask) -> None:
    given = (Failure(Reason.TIMEOUT, "late"), Abstention("not sure"))
    assert tuple(ask(Oracle(*given), 2)["outcomes"]) == given


def test_another_number_of_axes_than_before_is_a_failure(worker, context) -> None:
    oracle = Oracle(label(np.zeros((2, 3))))
    handler = Labeller(Factory(target="", live=oracle))
    handler.open(worker)
    outcomes = []
    for shape in ((2, 3), (5, 3), (3,), (4, 3)):
        handler._oracle.outcomes = [label(np.zeros(shape))]
        outcomes += handler.run(task(), context)["outcomes"]
    assert [isinstance(outcome, Label) for outcome in outcomes] == [True, True, False, True]
    assert outcomes[2].message == "'y' has the shape (3,), but labels before it had 2 axes"


def test_long_answers_are_in_the_outbox_before_they_are_sent(ask, folder, monkeypatch) -> None:
    monkeypatch.setattr(labeller, "OUTBOX_SECONDS", 0.01)
    failure = Failure(Reason.REJECTED, "no")
    result = ask(Oracle(label(4.0, cost=2.0), failure, label(9.0), seconds=0.02), 3)
    parcels = {parcel.task_id: parcel for parcel in folder.outbox.pending()}
    assert set(parcels) == {question(0), question(2)}
    assert float(parcels[question(0)].arrays["y"]) == 4.0
    assert parcels[question(0)].data["cost"] == 2.0
    assert parcels[question(2)].data["seconds"] >= 0.02 / 3
    names = [None if kept is None else kept.removeprefix("outbox:") for kept in result["outbox"]]
    assert names[1] is None
    assert {names[0], names[2]} == {parcel.path.name for parcel in parcels.values()}


def test_short_answers_are_not_kept(ask, folder) -> None:
    ask(Oracle(label(1.0)))
    assert not list(folder.outbox.pending())


def test_an_answer_is_sent_though_the_outbox_is_full(ask, monkeypatch) -> None:
    def full(*args):
        raise StoreFull("no space")

    monkeypatch.setattr(labeller, "OUTBOX_SECONDS", -1.0)
    monkeypatch.setattr(labeller.Outbox, "put", full)
    result = ask(Oracle(label(1.0)))
    assert isinstance(result["outcomes"][0], Label)
    assert result["outbox"] == [None]


def test_closing_reaches_the_oracle(worker) -> None:
    handler = Labeller(Factory(live=Oracle()))
    handler.open(worker)
    handler.close()
    assert handler._oracle.closed
    assert odd_validator()(None, {"y": np.array(3)}) is not None


class Telling:
    """Tells its second answer at once, before it has the first."""

    def answer(self, samples, context):
        context.progress({"index": 1, "outcome": label(2.0)})
        context.progress({"index": 0, "outcome": label(np.nan)})
        context.progress({"lines": [{"step": 1}]})
        assert not context.should_stop()
        assert not context.closing
        return [label(1.0), label(2.0)]


def test_outcomes_that_are_told_early_are_checked_as_any(ask, context) -> None:
    ask(Telling(), 2)
    good, bad, other = context.sent
    assert good["outcome"].outputs["y"] == 2.0
    assert good["index"] == 1
    assert good["worker"] == context.worker.name
    assert good["seconds"] >= 0
    assert bad["outcome"].reason is Reason.NOT_FINITE
    assert other == {"lines": [{"step": 1}]}
