"""Parsl's workers by name; campaigns that lose one are in tests/campaign/test_executors.py."""

from __future__ import annotations

import importlib

import pytest

from querist.core.errors import ConfigError, MissingExtra
from querist.oracles.parsl import ParslPool

pytestmark = [
    pytest.mark.usefixtures("own_garbage"),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO:Warning"),
]


def threads():
    """A configuration without processes."""
    parsl = importlib.import_module("parsl")
    executors = importlib.import_module("parsl.executors")
    return parsl.Config(executors=[executors.ThreadPoolExecutor(max_threads=1)])


def test_it_answers_by_a_configuration_and_may_be_made_again(tmp_path, monkeypatch) -> None:
    pytest.importorskip("parsl")
    monkeypatch.setenv("USER", "ada")  # who tests in a container may have no name
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        pool = ParslPool(threads)
        assert pool.submit(pow, 2, 5).result(30) == 32
        pool.shutdown()
        pool.shutdown()
        with pytest.raises(RuntimeError, match="was shut down"):
            pool.submit(pow, 2, 5)


def test_a_user_without_a_name_is_told_what_to_set(monkeypatch) -> None:
    pytest.importorskip("parsl")

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nameless)
    with pytest.raises(ConfigError, match="environment variable USER"):
        ParslPool(threads)


def test_what_makes_no_configuration_is_refused() -> None:
    pytest.importorskip("parsl")
    with pytest.raises(ConfigError, match=r"should be or make a parsl\.Config, but is 3"):
        ParslPool(lambda: 3)


def test_without_parsl_the_sentence_says_what_to_install(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "parsl", None)
    with pytest.raises(MissingExtra, match=r"pip install 'querist\[parsl\]'"):
        ParslPool()
