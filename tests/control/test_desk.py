"""Commands on their way out: numbers, ids, deadlines."""

from __future__ import annotations

from querist.control.desk import Desk, spans_json
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


def test_spans_keep_microseconds() -> None:
    spans = spans_json(Spans(1.0000004, 2.0, 3.1234567, 4.0, 0.5))
    assert spans == {
        "submitted": 1.0,
        "started": 2.0,
        "finished": 3.123457,
        "received": 4.0,
        "cpu": 0.5,
    }
