"""Secrets are named, and read from the environment when a source is opened."""

from __future__ import annotations

import json

import pytest

from querist.core.errors import ConfigError
from querist.pool.pool import Pool
from querist.sources.access import CLOSED
from querist.sources.opening import Sources
from querist.sources.secrets import expanded, refuse_password, secrets_in


def test_names_become_what_the_variables_hold(monkeypatch) -> None:
    monkeypatch.setenv("MY_SECRET", "s3cret")
    options = {"key": "reader", "secret": "$MY_SECRET", "deep": {"a": ["$MY_SECRET", 3]}}
    made = expanded({**options, "header": "Bearer ${MY_SECRET}"}, "s3")
    assert made == {
        "key": "reader",
        "secret": "s3cret",
        "deep": {"a": ["s3cret", 3]},
        "header": "Bearer s3cret",
    }
    for other in ("$", "$1", "a$MY_SECRET", "$MY_SECRET!", "$ {MY_SECRET}"):
        assert expanded({"a": other}, "s3") == {"a": other}


def test_a_variable_that_is_not_set_or_not_allowed_is_told(monkeypatch) -> None:
    monkeypatch.delenv("MY_SECRET", raising=False)
    with pytest.raises(ConfigError, match=r"s3\.secret is to come from .* MY_SECRET, which is not"):
        expanded({"secret": "$MY_SECRET"}, "s3")
    monkeypatch.setenv("MY_SECRET", "x")
    with pytest.raises(ConfigError, match="the access policy forbids"):
        expanded({"secret": "$MY_SECRET"}, "s3", allowed=False)
    with pytest.raises(ConfigError, match="forbids"):
        Sources(CLOSED, {"ftp": {"logins": {"h": ["ada", "$MY_SECRET"]}}})._made("ftp")


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({"s3": {"key": "k", "secret": "s"}}, ["s3.secret"]),
        ({"s3": {"key": "k", "secret": "$S", "token": "t"}}, ["s3.token"]),
        ({"s3": {"region": "eu", "anonymous": True}}, []),
        ({"ftp": {"logins": {"h.org": ["ada", "pw"]}}}, ["ftp.logins.h.org.password"]),
        ({"ftp": {"logins": {"h.org": ["ada", "$PW"]}}}, []),
        (
            {"http": {"headers": {"h": {"Authorization": "Bearer x"}}}},
            ["http.headers.h.Authorization"],
        ),
        ({"http": {"headers": {"h": {"Authorization": "Bearer ${T}"}}}}, []),
        ({"abfs": {"account_key": "x", "account_name": "y"}}, ["abfs.account_key"]),
    ],
)
def test_secrets_in_plain_text_are_found(options, places) -> None:
    assert secrets_in(options) == places


def test_a_pool_keeps_no_secret(tmp_path, monkeypatch) -> None:
    sources = {"s3": {"key": "reader", "secret": "plain-and-clear"}}
    with pytest.raises(
        ConfigError, match=r"give the variable's name instead: s3\.secret=\$S3_SECRET"
    ):
        Pool.create(tmp_path / "pool", {"sources": sources})
    assert not (tmp_path / "pool").exists()
    monkeypatch.setenv("S3_SECRET", "plain-and-clear")
    sources = {"s3": {"key": "reader", "secret": "$S3_SECRET", "endpoint": "http://127.0.0.1:9"}}
    with Pool.create(tmp_path / "pool", {"sources": sources}) as pool:
        pool.sources.source("s3://bucket/key")
    held = [path.read_bytes() for path in (tmp_path / "pool").rglob("*") if path.is_file()]
    assert not any(b"plain-and-clear" in one for one in held)
    assert (
        "$S3_SECRET"
        in json.loads((tmp_path / "pool" / "pool.json").read_text())["sources"]["s3"].values()
    )


def test_a_password_in_an_address_is_refused(tmp_path) -> None:
    with Pool.create(tmp_path / "pool") as pool:
        with pytest.raises(ConfigError, match=r"--source 'ftp.logins={h.org: \[USER"):
            pool.add("ftp://ada:pw@h.org/folder")
        assert len(pool) == 0
    refuse_password("https://host/a:b@c")
    refuse_password("s3://bucket/a:b")
    refuse_password("C:/a@b")
