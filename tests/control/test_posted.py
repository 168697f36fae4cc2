"""What anyone may post is checked before it counts."""

from __future__ import annotations

import numpy as np
import pytest

from querist.control import posted
from querist.core.answers import Abstention, Failure, Label, Reason
from querist.core.events import Posted

Y = {"y": np.ones(1)}


@pytest.mark.parametrize(
    ("kind", "data", "arrays", "says"),
    [
        ("shout", {}, {}, "its kind is 'shout', not one of answer"),
        ("set", {"labels": "many"}, {}, "'labels' should be a number"),
        ("set", {"labels": True}, {}, "'labels' should be a number"),
        ("set", {"cost": -1}, {}, "not negative"),
        ("set", {"threshold": float("nan")}, {}, "'threshold'"),
        ("set", {"colour": 1}, {}, "'colour' cannot be set, only labels"),
        ("answer", {}, Y, "does not name its question"),
        ("abstain", {"question": 3}, {}, "does not name its question"),
        ("withdraw", {}, {}, "does not name its question"),
        ("answer", {"question": "q"}, {}, "needs its outputs"),
        ("answer", {"question": "q", "cost": "dear"}, Y, "'cost' should be a number"),
        ("answer", {"question": "q", "seconds": -1}, Y, "'seconds' should be a number"),
    ],
)
def test_what_cannot_be_used_is_said(kind, data, arrays, says) -> None:
    assert says in (posted.problem(Posted("m", kind, data, arrays)) or "")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("pause", {}),
        ("resume", {}),
        ("stop", {"why": "lunch"}),
        ("lease", {"question": "q", "holder": "ada", "until": 9.0}),
        ("set", {"labels": 10, "cost": 2.5, "seconds": None, "threshold": 0.1}),
        ("abstain", {"question": "q"}),
        ("withdraw", {"question": "q"}),
    ],
)
def test_good_messages_have_no_problem(kind, data) -> None:
    assert posted.problem(Posted("m", kind, data)) is None


def test_answers_say_who_when_and_what_it_cost() -> None:
    data = {"question": "q", "level": "CCSD", "cost": 7.0, "worker": "ada", "seconds": 60}
    event = Posted("m", "answer", data, Y)
    assert posted.problem(event) is None
    label = posted.outcome(event)
    assert isinstance(label, Label)
    assert (label.level, label.cost, label.outputs) == ("CCSD", 7.0, Y)
    facts = posted.facts(event, 3.0)
    assert (facts["worker"], facts["origin"], facts["cost"]) == ("ada", "outside", 60.0)
    assert facts["spans"]["received"] == 3.0
    declined = posted.outcome(Posted("m", "abstain", {"question": "q", "message": "unsure"}))
    assert declined == Abstention("unsure")
    spans = {"submitted": 1.0, "started": 1.0, "finished": 2.0, "received": 2.0, "cpu": 0.5}
    late = Posted("m", "answer", {"question": "q", "origin": "outbox", "spans": spans}, Y)
    assert posted.facts(late, 9.0) == {
        "worker": "outbox",
        "origin": "outbox",
        "spans": spans,
        "cost": 0.0,
    }


def test_a_question_that_is_withdrawn_is_not_tried_again() -> None:
    outcome = posted.outcome(Posted("m", "withdraw", {"question": "q"}))
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.CANCELLED
    assert "a user withdrew" in outcome.message
    assert not outcome.transient
