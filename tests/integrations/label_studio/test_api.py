"""Tokens of Label Studio are sent, renewed, and never shown."""

from __future__ import annotations

import logging
import pickle

import pytest
from fake_studio import LEGACY, PERSONAL

from querist.core.errors import ConfigError
from querist.integrations.label_studio.api import VARIABLE, LabelStudio
from querist.integrations.label_studio.errors import LabelStudioError


def test_a_personal_token_is_exchanged_and_renewed(served) -> None:
    url, held = served
    with LabelStudio(url, PERSONAL) as studio:
        assert studio.projects() == []
        held.access += 1  # the one of a moment ago has run out
        assert studio.projects() == []
        assert held.access == 3
    refreshed = [path for _, path in held.requests].count("/api/token/refresh")
    assert refreshed == 2


def test_the_token_comes_from_the_environment(served, monkeypatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=VARIABLE):
        LabelStudio(served[0])
    monkeypatch.setenv(VARIABLE, LEGACY)
    with LabelStudio(served[0]) as studio:
        assert studio.people() == {7: "ada@example.com"}


def test_one_on_this_machine_is_asked_past_the_environments_proxy(served, monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with LabelStudio(served[0], LEGACY) as studio:
        assert studio.people() == {7: "ada@example.com"}


@pytest.mark.parametrize("token", ["wrong-secret", "wrong.secret.token", PERSONAL, LEGACY])
def test_a_token_is_never_shown(served, caplog, token: str) -> None:
    caplog.set_level(logging.DEBUG)
    with LabelStudio(served[0], token) as studio:
        shown = [repr(studio), str(vars(studio).keys())]
        with pytest.raises(LabelStudioError) as told:
            studio.project(9)
    error = told.value
    shown += [str(error), repr(error), str(pickle.loads(pickle.dumps(error)))]
    shown += [str(error.__cause__), str(error.__context__)]
    assert ("***" in str(error) and VARIABLE in str(error)) == ("wrong" in token)
    shown += [record.getMessage() for record in caplog.records]
    assert shown
    assert not [text for text in shown if token in text or "access-" in text]


def test_a_server_that_is_away_is_told() -> None:
    with (
        LabelStudio("http://127.0.0.1:1", LEGACY) as studio,
        pytest.raises(LabelStudioError, match="cannot be reached") as told,
    ):
        studio.projects()
    assert told.value.__cause__ is None


@pytest.mark.parametrize("url", ["localhost:8080", "http://ada:secret@localhost", "ftp://x"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="without a password") as told:
        LabelStudio(url, LEGACY)
    assert "secret" not in str(told.value)
