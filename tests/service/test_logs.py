"""The log: lines of JSON, written by a thread of its own, without content."""

from __future__ import annotations

import json
import logging
import time

import pytest

from querist.core.errors import ConfigError
from querist.service.logs import ROOT, logging_to
from querist.service.settings import LogSettings


@pytest.fixture(autouse=True)
def as_before():
    """The loggers as other tests expect them."""
    names = (ROOT, "uvicorn.error", "uvicorn.access")
    found = [logging.getLogger(name) for name in names]
    kept = [(one.handlers[:], one.level, one.propagate, one.disabled) for one in found]
    yield
    for one, (handlers, level, propagate, disabled) in zip(found, kept, strict=True):
        one.handlers[:], one.propagate, one.disabled = handlers, propagate, disabled
        one.setLevel(level)


def test_every_line_is_written_in_order_and_says_what_was_given(tmp_path) -> None:
    file = tmp_path / "logs" / "log"
    with logging_to(LogSettings(file=file)):
        for number in range(500):
            logging.getLogger(f"{ROOT}.x").info("request", extra={"number": number})
        logging.getLogger(f"{ROOT}.x").debug("not at this level")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(500))
    assert {(line["what"], line["level"], line["from"]) for line in lines} == {
        ("request", "info", f"{ROOT}.x")
    }


def test_of_an_error_there_are_type_and_place_not_the_text(tmp_path) -> None:
    file = tmp_path / "log"
    with logging_to(LogSettings(file=file)):
        try:
            raise ValueError("the password is hunter2")
        except ValueError as error:
            logging.getLogger(f"{ROOT}.x").error("unexpected", exc_info=error)
    (line,) = map(json.loads, file.read_text().splitlines())
    assert line["error"] == "ValueError"
    assert "test_logs.py" in line["trace"][0]
    assert "hunter2" not in file.read_text()


def test_a_log_that_was_rotated_goes_on_in_a_new_file(tmp_path) -> None:
    file, log = tmp_path / "log", logging.getLogger(f"{ROOT}.x")
    with logging_to(LogSettings(file=file)):
        log.info("before")
        for _ in range(200):
            if file.read_text():
                break
            time.sleep(0.01)
        file.rename(tmp_path / "log.1")
        log.info("after")
    assert "before" in (tmp_path / "log.1").read_text()
    assert "after" in file.read_text()


def test_a_log_that_cannot_be_written_is_told(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"log\.file"), logging_to(LogSettings(file=tmp_path)):
        pass
