"""HTTP: reading, answers that lie or stall, redirects, listing, and what may be connected to."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from querist.core.errors import ConfigError
from querist.sources.access import Access
from querist.sources.http import HttpSource
from querist.sources.network import Network
from querist.sources.source import (
    Entry,
    Forbidden,
    MissingItem,
    SourceError,
    TooLarge,
    Unreachable,
)
from querist.testing.servers.http import HttpServer, Reply

FILES = {"a.txt": b"first", "sub/b c.txt": b"second", "ä.txt": b"third", "empty": b""}
QUICK = Access(timeout=1.0, stall=0.3)


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with HttpServer(FILES) as running:
        yield running


@pytest.fixture
def opened() -> Iterator[Callable[..., HttpSource]]:
    """Returns a function that makes a source, closed at the end."""
    made: list[HttpSource] = []

    def make(access: Access = QUICK, *args, **options) -> HttpSource:
        made.append(HttpSource(access, *args, **options))
        return made[-1]

    yield make
    for source in made:
        source.close()


@pytest.fixture
def source(opened) -> HttpSource:
    return opened()


def strict(**settings) -> Access:
    return Access(timeout=1.0, stall=0.3, **settings)


def test_files_are_read_over_one_connection(server: HttpServer, source: HttpSource) -> None:
    before = server.connections
    for name, data in FILES.items():
        assert source.read(server.url + name) == data
    assert server.connections == before + 1


def test_a_stat_reads_no_body(server: HttpServer, source: HttpSource) -> None:
    entry = source.stat(server.url + "a.txt")
    assert entry.size == 5
    assert entry.version.startswith('"5-')
    assert server.requests[-1].method == "HEAD"
    assert list(source.entries(server.url + "a.txt")) == [entry]
    assert list(source.entries(server.url + "a.txt", server.url + "a.txt")) == []


def test_a_server_without_head_is_asked_by_get(server: HttpServer, source: HttpSource) -> None:
    server.replies["/nohead"] = [Reply(status=405), Reply(b"12", headers={"ETag": "t"})]
    assert source.stat(server.url + "nohead") == Entry(server.url + "nohead", 2, "t")


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (404, MissingItem, False),
        (410, MissingItem, False),
        (403, Forbidden, False),
        (401, Forbidden, False),
        (400, SourceError, False),
        (429, Unreachable, True),
        (500, Unreachable, True),
        (503, Unreachable, True),
    ],
)
def test_a_status_says_what_is_wrong(server, source, status, kind, transient) -> None:
    server.replies["/status"] = Reply(b"why", status, {"Retry-After": "7"})
    with pytest.raises(SourceError, match=f"the server says {status}") as caught:
        source.read(server.url + "status")
    assert type(caught.value) is kind
    assert caught.value.transient is transient
    assert caught.value.wait == (7.0 if transient else 0.0)


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("length", [None, ""])
def test_bodies_of_any_framing(server, source, chunked: bool, length: str | None) -> None:
    headers = {} if length is None else {"Content-Length": None, "Connection": "close"}
    server.replies["/body"] = Reply(b"x" * 100_000, times=30, chunked=chunked, headers=headers)
    assert source.read(server.url + "body") == b"x" * 3_000_000


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"x" * 1001),
        Reply(b"x", length=1 << 40),
        Reply(b"x" * 1000, times=-1, chunked=True),
        Reply(b"x" * 1000, times=-1, headers={"Content-Length": None}),
        Reply(gzip.compress(bytes(1 << 19)), headers={"Content-Encoding": "gzip"}),
    ],
    ids=["told", "told-huge", "endless-chunks", "endless", "packed"],
)
def test_no_more_than_the_limit_is_read(server, source, reply: Reply) -> None:
    server.replies["/large"] = reply
    with pytest.raises(TooLarge, match="the limit is"):
        source.read(server.url + "large", 1000)


def test_the_limit_itself_may_be_read(server, source) -> None:
    for chunked in (True, False):
        server.replies["/fits"] = Reply(b"x" * 1000, chunked=chunked)
        assert source.read(server.url + "fits", 1000) == b"x" * 1000


def test_a_packed_body_is_unpacked_though_not_asked_for(server, source) -> None:
    packed = gzip.compress(b"text")
    server.replies["/packed"] = Reply(packed, headers={"Content-Encoding": "gzip"})
    assert source.read(server.url + "packed") == b"text"
    server.replies["/packed"] = Reply(packed[:-9], headers={"Content-Encoding": "gzip"})
    with pytest.raises(Unreachable, match="cut short"):
        source.read(server.url + "packed")
    server.replies["/packed"] = Reply(packed, headers={"Content-Encoding": "br"})
    with pytest.raises(SourceError, match="'br', which was not asked for"):
        source.read(server.url + "packed")


@pytest.mark.parametrize("size", [1000, 3 << 20])
def test_a_body_that_is_cut_short_is_transient(server, source, size: int) -> None:
    server.replies["/cut"] = Reply(b"x" * size, cut=size // 2)
    with pytest.raises(Unreachable, match="cut short"):
        source.read(server.url + "cut")


def test_a_body_that_stalls_is_given_up(server, source) -> None:
    server.replies["/stall"] = Reply(b"x" * 1000, stall=10)
    with pytest.raises(Unreachable, match=r"nothing came for 0\.3 seconds"):
        source.read(server.url + "stall")


@pytest.mark.parametrize("chunked", [True, False])
def test_a_drip_is_given_up_at_the_end_of_the_time(server, source, chunked: bool) -> None:
    server.replies["/drip"] = Reply(b"x" * 1000, pace=0.05, chunked=chunked)
    with pytest.raises(Unreachable, match="not finished after 1 seconds"):
        source.read(server.url + "drip")


def test_a_kept_connection_that_the_server_closed_is_replaced(server, source) -> None:
    assert source.read(server.url + "a.txt") == b"first"
    server._thread.call(lambda: [connection.abort() for connection in list(server._open)])
    assert source.read(server.url + "a.txt") == b"first"


def test_closing_cuts_what_is_under_way(server, opened) -> None:
    source = opened(Access(timeout=60, stall=60))
    server.replies["/wait"] = Reply(b"x" * 1000, stall=10)
    failures: list[SourceError] = []

    def read() -> None:
        try:
            source.read(server.url + "wait")
        except SourceError as error:
            failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    while server.requests[-1].path != "/wait":
        time.sleep(0.01)
    time.sleep(0.1)
    source.close()
    thread.join(timeout=30)
    assert "the source was closed" in str(failures[0])
    assert not failures[0].transient


def test_redirects_are_followed(server, source) -> None:
    server.replies["/1"] = Reply(status=302, headers={"Location": "/2"})
    server.replies["/2"] = Reply(status=307, headers={"Location": f"{server.url}a.txt"})
    server.replies["/loop"] = Reply(status=301, headers={"Location": "/loop"})
    server.replies["/nowhere"] = Reply(status=301)
    assert source.read(server.url + "1") == b"first"
    with pytest.raises(SourceError, match="more than 5 times"):
        source.read(server.url + "loop")
    with pytest.raises(SourceError, match="without a Location"):
        source.read(server.url + "nowhere")


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://x", "data:,x"]
)
def test_redirects_lead_to_no_other_scheme(server, source, target: str) -> None:
    server.replies["/away"] = Reply(status=302, headers={"Location": target})
    with pytest.raises(Forbidden, match="http and https only"):
        source.read(server.url + "away")


def test_headers_and_users_go_to_their_host_only(server, opened) -> None:
    source = opened(QUICK, {"headers": {"127.0.0.1": {"X-Key": "k"}}})
    with HttpServer(host="127.0.0.2") as other:
        target = other.url + "x"
        server.replies["/away"] = Reply(status=302, headers={"Location": target})
        with pytest.raises(MissingItem):
            source.read(server.url.replace("//", "//ada:se%40cret@") + "away")
        sent, passed_on = server.requests[-1].headers, other.requests[-1].headers
    assert sent["x-key"] == "k"
    assert sent["authorization"] == "Basic YWRhOnNlQGNyZXQ="
    assert {"x-key", "authorization"} & set(passed_on) == set()


def test_errors_show_no_secrets(server, source) -> None:
    url = server.url.replace("//", "//ada:secret@") + "none?X-Amz-Signature=secret"
    with pytest.raises(MissingItem) as caught:
        source.read(url)
    assert "secret" not in str(caught.value)
    assert "/none?..." in str(caught.value)


def test_headers_without_a_host_are_refused() -> None:
    with pytest.raises(ConfigError, match="given by host"):
        HttpSource(options={"headers": {"Authorization": "x"}})
    with pytest.raises(ConfigError, match="Did you mean 'headers'"):
        HttpSource(options={"header": {}})


PAGE = b"""<html><body><h1>Index</h1><a href="../">..</a> <a href="?C=N;O=D">Name</a>
<a href="b.txt">b</a><a href="a%20b.txt">a</a><A HREF='c/'>c</A><a href="/elsewhere">e</a>
<a href="http://example.org/x">x</a><a href="//[">bad</a><a name="n">n</a><a href=".git/">g</a>
<a href="deep/er.txt">not just below</a></body></html>"""
HTML = {"Content-Type": "text/html; charset=utf-8"}


def test_a_page_of_links_is_a_folder(server, source) -> None:
    server.replies["/pages/"] = Reply(PAGE, headers=HTML)
    server.replies["/pages/c/"] = Reply(b'<a href="1">1</a><a href="2">2</a>', headers=HTML)
    url = server.url + "pages/"
    listed = [entry.uri.removeprefix(url) for entry in source.entries(url)]
    assert listed == ["a%20b.txt", "b.txt", "c/1", "c/2"]
    for n, name in enumerate(listed):
        after = [entry.uri.removeprefix(url) for entry in source.entries(url, url + name)]
        assert after == listed[n + 1 :]
    server.replies["/pages/c/"] = Reply(status=403)
    last = list(source.entries(url))[-1]
    assert last == Entry(url + "c", None, "")
    server.replies["/data/"] = Reply(b"x")
    with pytest.raises(SourceError, match="no page that lists"):
        list(source.entries(server.url + "data/"))


@pytest.mark.parametrize(
    "uri",
    [
        "http://",
        "http://[::1",
        "http://h:99999/",
        "http://a b/",
        "http://a\r\nb/",
        "http:/x",
        "http://-/",
    ],
)
def test_senseless_urls_are_refused(source, uri: str) -> None:
    with pytest.raises(SourceError):
        source.read(uri)


def test_odd_characters_are_quoted(server, source) -> None:
    with pytest.raises(MissingItem):
        source.read(server.url + "a b\u00e4\n\r\x7f?q=\u00e4 #f")
    assert server.requests[-1].path == "/a%20b%C3%A4%7F?q=%C3%A4%20"


def test_a_host_that_does_not_answer_is_unreachable(source) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(Unreachable, match="does not answer"):
        source.read(f"http://127.0.0.1:{port}/")


class Names:
    """A resolver that gives other addresses at every call, as a rebinding name server does."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    def __call__(self, host, port, **_):
        address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port))]


def test_an_address_that_a_name_changed_to_is_checked(server, opened) -> None:
    """The second lookup gives loopback: refused, though the first gave a public address."""
    access = strict(private=False)
    source = opened(access, network=Network(access, Names("192.0.2.1", "127.0.0.1")))
    for _ in range(3):
        with pytest.raises(Forbidden, match="private or special"):
            source.read(f"http://rebinding.example:{server.port}/a.txt")


PRIVATE = """
127.0.0.1 localhost 2130706433 0x7f.1 127.1 0 [::1] [::ffff:127.0.0.1] 169.254.169.254 10.0.0.1
192.168.1.1 100.64.0.1 [64:ff9b::7f00:1] [fe80::1] [2002:7f00:1::] [fd00:ec2::254] 224.0.0.1
255.255.255.255 [::] [::127.0.0.1]
"""


@pytest.mark.parametrize("host", PRIVATE.split())
def test_private_addresses_are_refused_however_written(opened, host: str) -> None:
    source = opened(strict(private=False))
    with pytest.raises(Forbidden, match="private or special"):
        source.read(f"http://{host}/latest/meta-data/")


def test_a_redirect_to_a_private_address_is_refused(server, opened) -> None:
    """Only the first server's own network is listed; loopback elsewhere is still private."""
    source = opened(strict(hosts=("*.example", "127.0.0.1"), private=False))
    for target in [
        "http://127.0.0.2/",
        "http://169.254.169.254/",
        "http://[::1]/",
        "http://2130706434/",
    ]:
        server.replies["/to"] = Reply(status=302, headers={"Location": target})
        with pytest.raises(Forbidden):
            source.read(server.url + "to")
    assert source.read(server.url + "a.txt") == b"first"


@pytest.mark.parametrize(
    ("hosts", "allowed"),
    [
        (("127.0.0.1",), True),
        (("127.0.0.0/8",), True),
        (("127.0.0.1:{port}",), True),
        (("127.0.0.1:1",), False),
        (("localhost",), False),
        (("10.0.0.0/8",), False),
        ((), False),
        (None, True),
    ],
)
def test_hosts(server, opened, hosts, allowed: bool) -> None:
    hosts = None if hosts is None else tuple(host.format(port=server.port) for host in hosts)
    source = opened(strict(hosts=hosts))
    if allowed:
        assert source.read(server.url + "a.txt") == b"first"
    else:
        with pytest.raises(Forbidden, match="not among those"):
            source.read(server.url + "a.txt")


def test_names_are_matched_whole() -> None:
    network = Network(Access(hosts=("a.example", "*.b.example")))
    for host, named in {
        "a.example": True,
        "A.Example.": True,
        "xa.example": False,
        "a.example.evil": False,
        "x.b.example": True,
        "b.example": False,
        "xb.example": False,
    }.items():
        assert network._named(host, 80) is named, host


def test_an_environment_proxy_is_used_only_when_asked(server, opened, monkeypatch) -> None:
    with HttpServer() as proxy:
        target = server.url + "a.txt"
        proxy.replies[target] = Reply(b"by proxy")
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert opened().read(target) == b"first"
        for choice in ("environment", proxy.url.rstrip("/"), proxy.url[7:-1]):
            through = opened(strict(proxy=choice))
            assert through.read(target) == b"by proxy"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert opened(strict(proxy="environment")).read(target) == b"first"
        closed = opened(strict(proxy=proxy.url, private=False))
        with pytest.raises(Forbidden, match="private or special"):
            closed.read(target)
