"""Servers of models are asked within what a pool allows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import ConfigError, RunError
from querist.models.inference import open_inference
from querist.pool.model_servers import ServerClient, connector
from querist.pool.settings import ModelAccess
from querist.sources.source import Forbidden
from querist.testing.servers.http import HttpServer, Reply

pytest.importorskip("httpx")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))
from oip_server import Served, serving

WEIGHTS = np.random.default_rng(3).normal(size=(4, 3)).astype(np.float32)
P = frozenset({"probabilities"})


@pytest.fixture
def served() -> Served:
    return Served(WEIGHTS)


@pytest.fixture
def url(served: Served) -> Iterator[str]:
    with serving(served) as url:
        yield url


def opened(url: str, allowed: ModelAccess, **more):
    told = {"use": "remote", "url": url, "model": "linear", "tries": 1, "timeout": 10, **more}
    return open_inference(told, connect=connector(allowed))


def test_without_rules_there_is_no_client_of_ours() -> None:
    assert connector(None) is None


@pytest.mark.parametrize("how", ["listed server", "network", "address with port", "private name"])
def test_what_is_allowed_gives_what_the_server_computes(url: str, how: str) -> None:
    allowed = {
        "listed server": ModelAccess(servers=(url,)),
        "network": ModelAccess(hosts=("127.0.0.0/8",)),
        "address with port": ModelAccess(hosts=(url.removeprefix("http://"),)),
        "private name": ModelAccess(hosts=("localhost",), private=True),
    }[how]
    if how == "private name":
        url = url.replace("127.0.0.1", "localhost")
    x = np.random.default_rng(0).normal(size=(150, 4)).astype(np.float32)
    ours, plain = (
        opened(url, allowed),
        open_inference({"use": "remote", "url": url, "model": "linear"}),
    )
    np.testing.assert_array_equal(
        ours.infer(x, P)["probabilities"], plain.infer(x, P)["probabilities"]
    )
    assert ours.digest == plain.digest
    ours.close()
    plain.close()


@pytest.mark.parametrize(
    "hosts", [(), ("models.example.org",), ("10.0.0.0/8",), ("127.0.0.1:1",), ("localhost",)]
)
def test_what_is_not_allowed_is_not_asked(url: str, served: Served, hosts: tuple[str, ...]) -> None:
    # A name that is listed, but now leads to this machine, is refused by its address.
    asked = url.replace("127.0.0.1", "localhost") if hosts == ("localhost",) else url
    with pytest.raises(RunError, match="may not or cannot be asked"):
        opened(asked, ModelAccess(hosts=hosts), tries=3)
    assert served.requests == []


def test_a_listed_server_is_not_any_server_that_begins_alike(url: str, served: Served) -> None:
    client = ServerClient(ModelAccess(servers=(url[:-1],)))
    with pytest.raises(Forbidden):
        client.request("GET", f"{url}/v2", content=None, headers={}, timeout=5)
    client.close()
    assert served.requests == []


def test_redirects_are_not_followed(url: str, served: Served) -> None:
    allowed = ModelAccess(hosts=("127.0.0.0/8",))
    away = Reply(status=302, headers={"Location": f"{url}/v2/models/linear"})
    with HttpServer() as server:
        server.replies["/v2/models/linear"] = away
        with pytest.raises(RunError, match="status 302"):
            opened(server.url, allowed)
    assert served.requests == []


def test_a_silent_server_is_given_up() -> None:
    with HttpServer() as server:
        server.replies["/v2/models/linear"] = Reply(b"x" * 99, stall=3)
        with pytest.raises(RunError, match="did not answer"):
            opened(server.url, ModelAccess(servers=(server.url,)), timeout=0.5)


@pytest.mark.parametrize("name", ["..", ".", ""])
def test_a_models_name_leads_nowhere_else(url: str, served: Served, name: str) -> None:
    with pytest.raises(ConfigError, match="have names"):
        opened(url, ModelAccess(servers=(url,)), model=name)
    with pytest.raises(RunError, match="refused"):
        opened(url, ModelAccess(servers=(url,)), model="../../admin?x=1#")
    assert [path for path, _ in served.requests] == ["/v2/models/..%2F..%2Fadmin%3Fx%3D1%23"]
