"""What somebody may try: races with links, strange bytes on the line, forged certificates."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from certificates import certificate
from hypothesis import given
from hypothesis import strategies as st

from querist.core.errors import ConfigError
from querist.sources.access import Access
from querist.sources.http import HttpSource
from querist.sources.local import LocalSource
from querist.sources.source import Forbidden, SourceError, TooLarge, Unreachable
from querist.sources.uris import file_uri, local_path, plain, scheme_of, shown
from querist.testing.servers.http import HttpServer, Reply

QUICK = Access(timeout=1.0, stall=0.3)
SECRET = b"secret"


@pytest.mark.parametrize("by_name", [True, False])
def test_exchanging_a_folder_for_a_link_gains_nothing(tmp_path: Path, by_name: bool) -> None:
    """``root/now`` is in turn a folder of the root and a link out of it, while it is read."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder, data in ((root / "kept", b"fine"), (outside, SECRET)):
        folder.mkdir(parents=True)
        (folder / "x").write_bytes(data)
    now, going = root / "now", threading.Event()

    def exchange() -> None:
        while not going.is_set():
            for target in (outside, root / "kept"):
                (root / "next").symlink_to(target)
                os.replace(root / "next", now)

    thread = threading.Thread(target=exchange)
    thread.start()
    source = LocalSource(Access(roots=(root,)))
    source._guard._by_name &= by_name
    got: set[bytes] = set()
    try:
        for _ in range(600):
            with contextlib.suppress(SourceError):
                got.add(source.read(str(now / "x")))
            with contextlib.suppress(SourceError):
                assert all(entry.size in (4, None) for entry in source.entries(str(now)))
    finally:
        going.set()
        thread.join(timeout=30)
    assert SECRET not in got


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_any_path_survives_its_uri(name: bytes) -> None:
    uri = file_uri(b"/" + name)
    assert local_path(uri) == b"/" + name
    assert uri.isascii()
    assert scheme_of(uri) == "file"
    assert os.fsencode(plain(uri)) == os.path.abspath(b"/" + name)  # noqa: PTH100


@given(st.text())
def test_what_is_shown_is_one_line_without_secrets(text: str) -> None:
    for uri in (text, f"http://user:{text.replace('/', '')}@host/path?key=secret#x"):
        line = shown(uri)
        assert line.isprintable()
        assert len(line) <= 303
    assert "secret" not in shown("ftp://ada:secret@host/x?secret")


@pytest.mark.parametrize("uri", ["http://a:b@secret@[::1/x", "s3://[x?secret"])
def test_a_malformed_uri_shows_nothing_of_itself(uri: str) -> None:
    assert "secret" not in shown(uri)


class RawServer:
    """Sends bytes as they are, whatever is asked, and closes."""

    def __init__(self) -> None:
        self.answer = b""
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                made, _ = self.listening.accept()
            except OSError:
                return
            with made, contextlib.suppress(OSError):
                made.recv(65536)
                made.sendall(self.answer)

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join(timeout=30)


@pytest.fixture(scope="module")
def raw() -> Iterator[RawServer]:
    with closing(RawServer()) as server:
        yield server


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SOME = st.binary(max_size=100)


@given(
    st.one_of(
        st.binary(max_size=300),
        SOME.map(lambda rest: HEAD + rest),
        SOME.map(lambda rest: CHUNKED + rest),
        SOME.map(lambda rest: HEAD + b"Content-Length: " + rest + b"\r\n\r\nabc"),
        SOME.map(lambda rest: b"HTTP/1.1 302 Found\r\nLocation: " + rest + b"\r\n\r\n"),
    )
)
def test_any_answer_is_bytes_or_a_sentence(raw: RawServer, answer: bytes) -> None:
    raw.answer = answer
    access = Access(hosts=("127.0.0.1",), timeout=1.0, stall=0.3, redirects=1)
    with closing(HttpSource(access)) as source:
        for work in (source.read, source.stat, lambda uri: list(source.entries(uri))):
            caught = None
            try:
                work(raw.url)
            except SourceError as error:
                caught = error
            assert caught is None or str(caught).isprintable()


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"X: 1\r\n" * 1000 + b"\r\n",
        HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 2000,
        CHUNKED + b"-5\r\nabc",
        CHUNKED + b"-1\r\n" + b"x" * 5000,
        CHUNKED + b"ffffffffffffffff\r\nabc",
        CHUNKED + b"1" * 100_000,
    ],
    ids=["headers", "header", "continue", "minus-5", "minus-1", "huge-chunk", "chunk-size"],
)
def test_answers_that_would_never_end_are_given_up(raw: RawServer, answer: bytes) -> None:
    raw.answer = answer
    with closing(HttpSource(QUICK)) as source, pytest.raises((Unreachable, TooLarge)):
        source.read(raw.url, 1000)


def test_a_chain_of_redirects_shares_one_deadline() -> None:
    with HttpServer() as server, closing(HttpSource(Access(timeout=0.6, stall=0.5))) as source:
        for n in range(5):
            server.replies[f"/{n}"] = Reply(
                status=302, headers={"Location": f"/{n + 1}"}, delay=0.2
            )
        with pytest.raises(Unreachable, match=r"not finished after 0\.6 seconds"):
            source.read(server.url + "0")


def test_certificates_are_checked(tmp_path: Path) -> None:
    good, other = certificate(tmp_path, "127.0.0.1"), certificate(tmp_path, "127.0.0.9")
    for file, trusted, words in [
        (good, str(good), ""),
        (good, None, "certificate is not trusted"),
        (good, str(other), "certificate is not trusted"),
        (other, str(other), "certificate is not trusted: IP address mismatch"),
    ]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(file)
        options = {"ca": trusted} if trusted else {}
        source = HttpSource(QUICK, options)
        with HttpServer({"a": b"first"}, tls=tls) as server, closing(source):
            if words:
                with pytest.raises(SourceError, match=words) as caught:
                    source.read(server.url + "a")
                assert not caught.value.transient
                continue
            assert [source.read(server.url + "a") for _ in range(3)] == [b"first"] * 3
            assert server.connections == 1
            server.replies["/stall"] = Reply(b"x" * 99, stall=9)
            with pytest.raises(Unreachable, match="nothing came"):
                source.read(server.url + "stall")


def test_authorities_are_read_within_the_policy(tmp_path: Path) -> None:
    file, empty = certificate(tmp_path, "127.0.0.1"), tmp_path / "empty.pem"
    empty.write_text("no certificate")
    with pytest.raises(Forbidden, match="outside of the folders"):
        HttpSource(Access(roots=(tmp_path / "other",)), {"ca": str(file)})
    with pytest.raises(ConfigError, match="has no certificates"):
        HttpSource(Access(roots=(tmp_path,)), {"ca": str(empty)})


def test_a_plain_server_is_no_tls_server() -> None:
    source = HttpSource(QUICK)
    with HttpServer({"a": b"first"}) as server, closing(source), pytest.raises(SourceError):
        source.read(server.url.replace("http:", "https:") + "a")
