"""Commands on their way out: numbers, ids, deadlines."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from querist.control.desk import Desk, prefixed, spans_json, without_prefix
from querist.core.events import Acknowledge, Cancel, Finish, Record, Say, Submit
from querist.core.tasks import Spans


def test_commands_leave_in_order_and_once() -> None:
    desk = Desk(seq=7, epoch=2, owner="me")
    desk.now = 3.0
    task = desk.submit("fit", "trainer", {"a": 1}, attempt=2, timeout=5.0)
    seq, fact = desk.record("explored", {"steps": 4})
    desk.cancel(task.id, "why not", hard=False)
    desk.say("info", "hello")
    desk.acknowledge("m")
    desk.finish("finished", "done")
    assert (task.id, task.owner, task.attempt, task.timeout) == ("fit-2-1", "me", 2, 5.0)
    assert (seq, fact.data) == (8, {"t": 3.0, "steps": 4})
    kinds = [type(command) for command in desk.take()]
    assert kinds == [Submit, Record, Cancel, Say, Acknowledge, Finish]
    assert desk.take() == []


def test_a_deadline_is_always_to_come() -> None:
    desk = Desk()
    assert desk.next_deadline() is None
    for when in (5.0, 1.0, 3.0, 3.0):
        desk.wake_at(when)
    assert desk.next_deadline() == 1.0
    desk.now = 1.0
    assert desk.next_deadline() == 3.0
    desk.now = 4.0
    assert desk.next_deadline() == 5.0
    desk.now = 5.0
    assert desk.next_deadline() is None


@given(st.lists(st.floats(0.0, 1e9), min_size=5, max_size=5))
def test_spans_are_rounded_to_microseconds(instants) -> None:
    kept = spans_json(Spans(*instants)).values()
    # Halves may go either way; beyond 1e9 s a float holds hardly a microsecond.
    assert all(abs(a - b) <= 5.1e-7 + 4e-16 * b for a, b in zip(kept, instants, strict=True))
    assert all(len(repr(a).partition(".")[2]) <= 6 or a < 1e-4 for a in kept)


def test_prefixes_come_and_go() -> None:
    arrays = {"x": np.arange(2), "y/z": np.zeros(0)}
    longer = prefixed("in/", arrays)
    assert list(longer) == ["in/x", "in/y/z"]
    back = without_prefix("in/", {**longer, "out/x": np.ones(1), "i": np.ones(1)})
    assert list(back) == ["x", "y/z"]
    assert back["x"] is arrays["x"]


def test_spans_keep_microseconds() -> None:
    spans = spans_json(Spans(1.0000004, 2.0, 3.1234567, 4.0, 0.5))
    assert spans == {
        "submitted": 1.0,
        "started": 2.0,
        "finished": 3.123457,
        "received": 4.0,
        "cpu": 0.5,
    }
