"""Ending a run before its job is ended."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from querist.campaign.ending import Ending, margin
from querist.core.errors import RunError


def test_a_run_begins_to_end_some_time_before_the_limit() -> None:
    assert margin(10.0) == 5.0
    assert margin(100.0) == 10.0
    assert margin(600.0) == 30.0
    assert margin(86400.0) == 60.0


def test_the_limit_counts_from_the_beginning_and_interrupts_once() -> None:
    ending = Ending(handle_signals=False, walltime=0.2)
    told: list[str] = []
    rung = threading.Event()
    with ending.watched(lambda message: (told.append(message), rung.set())):
        assert rung.wait(5.0)
    assert told == ["stopped before the walltime of 0.2 s"]
    assert ending.out_of_time


def test_a_run_that_ends_before_is_not_interrupted() -> None:
    told: list[str] = []
    with Ending(walltime=0.1).watched(told.append):
        pass
    time.sleep(0.15)
    assert told == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_the_scheduler_s_signals_are_taken_and_given_back(number: signal.Signals) -> None:
    told: list[str] = []
    before = signal.getsignal(number)
    ending = Ending()
    with ending.watched(told.append):
        os.kill(os.getpid(), number)
        time.sleep(0.01)
    assert told == [f"stopped by {number.name}"]
    assert ending.out_of_time == (number == signal.SIGUSR1)
    assert signal.getsignal(number) == before


def test_a_walltime_is_positive() -> None:
    with pytest.raises(RunError, match="got 0"):
        Ending(walltime=0)
