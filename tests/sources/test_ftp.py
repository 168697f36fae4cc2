"""FTP: logins, kept connections, servers that take few, lines of listings, stalls."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from certificates import certificate

from querist.core.errors import ConfigError
from querist.sources.access import Access
from querist.sources.ftp import FtpSource, _long_line, _machine_line
from querist.sources.source import Forbidden, MissingItem, SourceError, Unreachable
from querist.testing.servers.ftp import FtpServer

pytest.importorskip("pyftpdlib")
QUICK = Access(timeout=1.0, stall=0.3)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FtpServer]:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.txt").write_bytes(b"first")
    with FtpServer(tmp_path / "f") as running:
        yield running


def test_connections_are_kept(server: FtpServer) -> None:
    with closing(FtpSource()) as source:
        for _ in range(5):
            assert source.read(server.url + "a.txt") == b"first"
            with pytest.raises(MissingItem):
                source.read(server.url + "none")
    assert server.logins == 1


def test_a_server_that_takes_few_connections_is_asked_for_no_more(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"first")
    with FtpServer(tmp_path, most=2) as few, closing(FtpSource()) as source:
        got: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: got.append(source.read(few.url + "a.txt")))
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert got == [b"first"] * 12
        assert few.logins <= 2


def test_a_user_of_the_url_or_of_the_options(server: FtpServer) -> None:
    with_user = server.url.replace("//", "//ada:secret@")
    with closing(FtpSource()) as source:
        assert source.read(with_user + "a.txt") == b"first"
        with pytest.raises(Forbidden, match="530") as caught:
            source.read(server.url.replace("//", "//ada:wrong@") + "a.txt")
        assert "wrong" not in str(caught.value)
    with closing(FtpSource(options={"logins": {"127.0.0.1": ["ada", "secret"]}})) as source:
        assert source.read(server.url + "a.txt") == b"first"
        assert next(source.entries(server.url)).uri == server.url + "a.txt"


@pytest.mark.parametrize("rest", [0.0, 0.2])  # the server has closed the offered port, too
def test_a_connection_that_was_closed_is_replaced(server: FtpServer, rest: float) -> None:
    with closing(FtpSource()) as source:
        assert source.read(server.url + "a.txt") == b"first"
        for connection in next(iter(source._pool._idle.values())):
            connection.sock.made.shutdown(socket.SHUT_RDWR)
        time.sleep(rest)
        assert source.read(server.url + "a.txt") == b"first"
    assert server.logins == 2


def test_a_port_offered_long_ago_is_not_used(server: FtpServer, monkeypatch) -> None:
    monkeypatch.setattr("querist.sources.ftp_pool._PASSIVE", -1.0)
    with closing(FtpSource()) as source:
        assert [source.read(server.url + "a.txt") for _ in range(3)] == [b"first"] * 3


def test_a_version_changes_with_the_time(server: FtpServer) -> None:
    with closing(FtpSource()) as source:
        first = source.stat(server.url + "a.txt")
        os.utime(server.folder / "a.txt", (1, 1))
        second = source.stat(server.url + "a.txt")
    assert first.version != second.version == "19700101000001-5"


@pytest.mark.parametrize("uri", ["ftp://", "ftp:///x", "ftp://h:x/", "ftp://[::1/", "ftp://a b/x"])
def test_senseless_urls_are_refused(uri: str) -> None:
    with closing(FtpSource(QUICK)) as source, pytest.raises(SourceError):
        source.read(uri)


@pytest.mark.parametrize("name", ["a%0D%0ADELE%20x", "a%0ab"])
def test_no_command_can_be_put_into_a_name(server: FtpServer, name: str) -> None:
    with closing(FtpSource()) as source, pytest.raises(SourceError, match="cannot be asked for"):
        source.read(server.url + name)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'connections'"):
        FtpSource(options={"conections": 1})
    with pytest.raises(ConfigError, match="at least 1"):
        FtpSource(options={"connections": 0})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"-rw-r--r--   1 ftp ftp   12 Jan 01 12:00 a b.txt", (b"a b.txt", (12, ""))),
        (b"-rw-r--r--+  1 ftp ftp   12 Jan  1  2024 -x", (b"-x", (12, ""))),
        (b"drwxr-xr-x   2 ftp ftp 4096 Jan 01 12:00 d", (b"d/", (None, ""))),
        (b"lrwxrwxrwx   1 ftp ftp    4 Jan 01 12:00 l -> a.txt", (b"l", (None, ""))),
        (b"-rw-r--r--   1 ftp ftp   12 Jan 01 12:00 ../../x", None),
        (b"drwxr-xr-x   2 ftp ftp 4096 Jan 01 12:00 ..", None),
        (b"total 12", None),
        (b"", None),
    ],
)
def test_lines_of_list(line: bytes, expected) -> None:
    assert _long_line(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"type=file;size=5;modify=20260101120000.123; a b", (b"a b", (5, "20260101120000-5"))),
        (b"Type=dir;Modify=20260101120000; d", (b"d/", (None, ""))),
        (b"type=cdir; .", None),
        (b"type=pdir; ..", None),
        (b"type=file;size=5; a/../../b", None),
        (b"type=file;size=-5; x", (b"x", (None, ""))),
        (b"; x", (b"x", (None, ""))),
        (b"", None),
    ],
)
def test_lines_of_mlsd(line: bytes, expected) -> None:
    assert _machine_line(line) == expected


class Talker:
    """A server that says what it is told to, one line a command, and then nothing."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = lines
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"ftp://127.0.0.1:{self.listening.getsockname()[1]}/"
        self.thread = threading.Thread(target=self.talk, daemon=True)
        self.thread.start()

    def talk(self) -> None:
        try:
            made, _ = self.listening.accept()
        except OSError:
            return
        with made, contextlib.suppress(OSError):
            for line in self.lines:
                made.sendall(line)
                if not made.recv(4096):
                    return
            while made.recv(4096):
                pass

    def close(self) -> None:
        self.listening.close()
        self.thread.join(timeout=30)


LOGIN = (b"220 hello\r\n", b"331 password\r\n", b"230 in\r\n", b"200 binary\r\n")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((b"",), "nothing came for|not finished"),
        (LOGIN[:2], "nothing came for|not finished"),
        ((b"220-endless\r\n" * 2000,), "more than 1000 lines"),
        ((b"220 " + b"x" * 10_000 + b"\r\n",), "more than 8192 bytes"),
        ((*LOGIN, b"227 not a port\r\n"), "not a port"),
        ((b"421 too many\r\n",), "421"),
    ],
)
def test_a_strange_server_is_unreachable(lines: tuple[bytes, ...], words: str) -> None:
    talker, source = Talker(*lines), FtpSource(QUICK)
    with closing(talker), closing(source), pytest.raises(Unreachable, match=words):
        source.read(talker.url + "x")


def test_the_address_of_a_passive_reply_is_not_believed() -> None:
    """It may name any host (the bounce attack); we connect to the one that was checked."""
    with socket.create_server(("127.0.0.2", 0)) as other:
        port = other.getsockname()[1]
        reply = b"227 (127,0,0,2,%d,%d)\r\n" % (port >> 8, port & 255)
        talker, source = Talker(*LOGIN, reply), FtpSource(QUICK)
        with closing(talker), closing(source), pytest.raises(Unreachable):
            source.read(talker.url + "x")
        other.settimeout(0.05)
        with pytest.raises(TimeoutError):
            other.accept()


def test_private_networks_are_refused(server: FtpServer) -> None:
    source = FtpSource(Access(private=False))
    with closing(source), pytest.raises(Forbidden, match="private or special"):
        source.read(server.url + "a.txt")


def test_over_tls(tmp_path: Path) -> None:
    pytest.importorskip("OpenSSL")
    good, other = certificate(tmp_path, "127.0.0.1"), certificate(tmp_path, "127.0.0.9")
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.txt").write_bytes(b"first")
    large = bytes(range(256)) * 4000
    (tmp_path / "f" / "b").write_bytes(large)
    with FtpServer(tmp_path / "f", tls=good) as server:
        assert server.url.startswith("ftps:")
        with closing(FtpSource(options={"ca": str(good)})) as source:
            found = list(source.entries(server.url))
            assert [(entry.uri, entry.size) for entry in found] == [
                (server.url + "a.txt", 5),
                (server.url + "b", len(large)),
            ]
            assert [source.read(entry.uri) for entry in found] == [b"first", large]
            assert source.stat(server.url + "a.txt").version == found[0].version
            with pytest.raises(MissingItem):
                source.read(server.url + "none")
        assert server.logins == 1
        with closing(FtpSource()) as source, pytest.raises(SourceError, match="550 SSL/TLS"):
            source.read(server.url.replace("ftps:", "ftp:") + "a.txt")
        for trusted in ({}, {"ca": str(other)}):
            with closing(FtpSource(options=trusted)) as source:
                with pytest.raises(SourceError, match="certificate is not trusted") as caught:
                    source.read(server.url + "a.txt")
                assert not caught.value.transient


def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    pytest.importorskip("OpenSSL")
    good = certificate(tmp_path, "127.0.0.1")
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.txt").write_bytes(b"first")
    trusted = {"ca": str(good)}
    with FtpServer(tmp_path / "f", tls=good, implicit=True) as server:
        with closing(FtpSource(options={**trusted, "implicit": True})) as source:
            (found,) = source.entries(server.url)
            assert (found.uri, found.size) == (server.url + "a.txt", 5)
            assert [source.read(found.uri) for _ in range(3)] == [b"first"] * 3
        assert server.logins == 1
        strict = FtpSource(QUICK, {"implicit": True})
        with closing(strict), pytest.raises(SourceError, match="certificate is not trusted"):
            strict.read(found.uri)
        # Who waits for a greeting in clear gets none, and sends nothing.
        with closing(FtpSource(QUICK, trusted)) as source, pytest.raises(Unreachable):
            source.read(found.uri)
        assert server.logins == 1


def test_port_990_is_for_tls_from_the_first_byte() -> None:
    def at(uri: str, **options: bool) -> bool:
        return FtpSource(options=options)._place(uri).account.implicit

    assert at("ftps://h:990/x")
    assert not at("ftps://h/x")
    assert not at("ftp://h:990/x")
    assert not at("ftps://h:990/x", implicit=False)
    assert at("ftps://h:2990/x", implicit=True)
    assert not at("ftp://h/x", implicit=True)
    with pytest.raises(ConfigError, match="true or false, got 'yes'"):
        FtpSource(options={"implicit": "yes"})


def test_a_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("OpenSSL")
    other = certificate(tmp_path, "127.0.0.9")
    source = FtpSource(options={"ca": str(other)})
    words = "certificate is not trusted: IP address mismatch"
    with (
        FtpServer(tmp_path, tls=other) as server,
        closing(source),
        pytest.raises(SourceError, match=words),
    ):
        source.read(server.url + "a.txt")


def test_nothing_is_sent_to_a_server_without_tls(server: FtpServer) -> None:
    sealed = server.url.replace("ftp:", "ftps:").replace("//", "//ada:secret@")
    with closing(FtpSource()) as source, pytest.raises(SourceError, match=r"50\d") as caught:
        source.read(sealed + "a.txt")
    assert not caught.value.transient
    assert "secret" not in str(caught.value)
    assert server.logins == 0
