"""When a request is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from querist.service.client.attempts import Attempts, Retries, asked_to_wait
from querist.service.client.call import Call, Reply

GET = Call("GET", "/v1")


def test_pauses_double_up_to_the_longest_and_are_shortened_at_random() -> None:
    retries = Retries(first=1.0, most=5.0)
    assert [retries.pause(tried, 0.0) for tried in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 5.0]
    assert retries.pause(1, 0.999) == pytest.approx(0.5, abs=0.01)


def test_there_are_as_many_tries_as_allowed() -> None:
    attempts = Attempts(GET, Retries(tries=3))
    waits = [attempts.wait(None, 0.0, 0.0) for _ in range(3)]
    assert [wait is not None for wait in waits] == [True, True, False]


@pytest.mark.parametrize(("status", "again"), [(200, False), (404, False), (500, False)])
def test_only_what_passes_is_tried_again(status: int, again: bool) -> None:
    assert (Attempts(GET, Retries()).wait(Reply(status, {}), 0.0, 0.0) is not None) is again


def test_the_server_is_left_the_time_it_asks_for() -> None:
    assert Attempts(GET, Retries()).wait(Reply(429, {"retry-after": "7"}), 0.0, 0.0) == 7.0
    assert Attempts(GET, Retries()).wait(Reply(429, {"retry-after": "900"}), 0.0, 0.0) is None
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < asked_to_wait(Reply(503, {"retry-after": soon})) <= 30
    assert asked_to_wait(Reply(503, {"retry-after": "whenever"})) == 0.0


def test_what_a_lost_try_is_still_doing_is_waited_for() -> None:
    made = Call("POST", "/v1/pools", once="key")
    assert Attempts(made, Retries()).wait(Reply(409, {"retry-after": "2"}), 0.0, 0.0) == 2.0
    assert Attempts(made, Retries()).wait(Reply(409, {}), 0.0, 0.0) is None  # a name is taken


def test_nothing_is_tried_after_the_deadline() -> None:
    attempts = Attempts(GET, Retries(first=1.0), deadline=10.0)
    assert attempts.wait(None, 8.5, 0.0) == 1.0
    assert attempts.wait(None, 8.5, 0.0) is None
    assert attempts.left(9.0, 30.0) == 1.0
