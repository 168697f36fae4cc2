"""Where a service listens."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from querist.cli import main
from querist.core.errors import ConfigError
from querist.service import serving, watching
from querist.service.index.index import Index
from querist.service.serving import listening
from querist.service.settings import parse_settings


@pytest.fixture
def taken():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one.getsockname()[1]


def test_a_port_that_is_taken_is_told_before_anything_starts(tmp_path: Path, taken: int) -> None:
    (tmp_path / "service.yaml").write_text(f"data: data\nlisten: {{port: {taken}}}\n")
    result = CliRunner().invoke(main, ["serve", str(tmp_path / "service.yaml")])
    assert result.exit_code == 2
    assert f"Nothing can listen at 127.0.0.1:{taken}: Address already in use." in result.stderr
    assert "serving" not in result.stderr


def test_a_name_with_several_addresses_has_a_socket_each(tmp_path: Path, monkeypatch) -> None:
    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address, address])
    opened = listening(parse_settings({"data": str(tmp_path)}, "service.yaml"))
    assert [one.getsockname()[0] for one in opened] == ["127.0.0.1"]
    for one in opened:
        one.close()


async def _undelayed(listener: socket.socket) -> bool:
    found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    class Asked(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            asked = transport.get_extra_info("socket")
            found.set_result(bool(asked.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            transport.close()

    server = await asyncio.get_running_loop().create_server(Asked, sock=listener)
    with socket.create_connection(listener.getsockname()[:2]):
        told = await found
    server.close()
    return told


def test_answers_wait_for_no_acknowledgement(tmp_path: Path, monkeypatch) -> None:
    """Nagle's algorithm kept the last packet of each answer back, for 40 ms."""
    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address])
    (opened,) = listening(parse_settings({"data": str(tmp_path)}, "service.yaml"))
    monkeypatch.undo()
    assert asyncio.run(_undelayed(opened))
    with watching._listening(0) as opened:
        assert asyncio.run(_undelayed(opened))


def test_an_address_of_ipv6_and_a_folder_with_characters_of_urls(tmp_path: Path) -> None:
    data = tmp_path / "what? #1 %41 é"
    config = {"data": str(data), "listen": {"host": "::1", "port": 8601}}
    (tmp_path / "service.yaml").write_text(json.dumps(config))
    said = CliRunner().invoke(main, ["check", str(tmp_path / "service.yaml")])
    assert "what? #1 %41 é at [::1]:8601." in said.stdout
    data.mkdir()
    Index(parse_settings(config, "service.yaml").index_place).close()
    assert (data / "index.sqlite").is_file()


@pytest.mark.parametrize(
    ("limits", "set_to"),
    [((1024, 4096), (1536, 4096)), ((256, 1200), (1200, 1200)), ((65536, 65536), None)],
)
def test_as_many_files_may_be_open_as_connections_take(monkeypatch, limits, set_to) -> None:
    said: list[Any] = []
    monkeypatch.setattr(serving.resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(serving.resource, "setrlimit", lambda _, given: said.append(given))
    serving._allow_files(1024)
    assert said == ([] if set_to is None else [set_to])


def test_a_host_that_is_not_here_is_told(tmp_path: Path) -> None:
    config = {"data": str(tmp_path), "listen": {"host": "192.0.2.1"}, "keys": {"without": "never"}}
    with pytest.raises(
        ConfigError, match=r"Nothing can listen at 192\.0\.2\.1:8600: Cannot assign"
    ):
        listening(parse_settings(config, "service.yaml"))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"keys": {"first": "no-file"}}, "keys.first"),
        ({"data": "a-file"}, "'data' in service.yaml"),
        ({"index": "sqlite:///a-file"}, "The index cannot be opened"),
        ({"index": "postgresql://u:hidden@127.0.0.1:1/x"}, "The index cannot be opened"),
        ({"index": "sqlite:///newer"}, "a newer one was here"),
        ({"log": {"file": "a-file/log"}}, "log.file"),
        ({"listen": {"certificate": "no", "certificate_key": "no"}}, "No such file"),
        ({"listen": {"certificate": "a-file", "certificate_key": "a-file"}}, "cannot be used"),
    ],
)
def test_what_the_administrator_got_wrong_is_a_sentence(
    tmp_path: Path, monkeypatch, config: dict, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").write_text("something")
    Index("sqlite:///newer").close()
    with closing(sqlite3.connect("newer")) as index, index:
        index.execute("update alembic_version set version_num = 'later'")
    listen = {"port": 0, **config.pop("listen", {})}
    settings = {"data": "data", **config, "listen": listen}
    (tmp_path / "service.yaml").write_text(json.dumps(settings))
    result = CliRunner().invoke(main, ["serve", "service.yaml"])
    assert (result.exit_code, type(result.exception)) == (2, SystemExit), result.exception
    assert said in result.stderr
    assert "hidden" not in result.stderr
