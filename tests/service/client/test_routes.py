"""Whatever the service answers to, the client can ask, and the other way round."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from querist import AsyncClient, Client
from querist.core.errors import ConfigError
from querist.service.client.call import Call, Listing, path_of
from querist.service.client.calls.jobs import events_path
from querist.service.routes.table import ROUTES

ID = "a" * 20
# For machines that watch a service; streams of events, which are no single answers; for the page.
APART = {
    ("GET", "/health/live"),
    ("GET", "/metrics"),
    ("GET", "/v1/jobs/{job}/events"),
    ("GET", "/v1/campaigns/{campaign}/events"),
    ("GET", "/v1/pools/{pool}/thumbnails/{item:path}"),
}
ARGUMENTS = {
    "pool": f"pol_{ID}",
    "job": f"job_{ID}",
    "query": f"job_{ID}",
    "review": f"job_{ID}",
    "map": f"job_{ID}",
    "round": f"rnd_{ID}",
    "model": f"mod_{ID}",
    "upload": f"upl_{ID}",
    "webhook": f"hok_{ID}",
    "tenant": f"ten_{ID}",
    "key": f"key_{ID}",
    "campaign": "runs.one",
    "item": "an-item",
    "items": ["an-item"],
    "values": {"an-item": "cat"},
    "uris": ["photos"],
    "name": "margin",
    "format": "csv",
    "kind": "onnx",
    "settings": {"use": "features"},
    "quota": {},
    "user": "ada",
    "holder": "ada",
    "scopes": ["read"],
    "url": "https://example.org/hook",
    "command": "pause",
    "question": "q.person.0",
    "input": "x",
    "to": Path("out.csv"),
}
NEEDED = {
    "answer": {"outputs": {"y": 1}},
    "start_query": {"budget": 1},
    "estimate": {"budget": 1},
    "start_round": {"budget": 1},
}


def descriptions(client: type) -> dict[str, Callable[..., Any]]:
    """By method, the function that describes what it asks."""
    made = vars(client).items()
    return {name: method.__wrapped__ for name, method in made if hasattr(method, "__wrapped__")}


def first_call(name: str, description: Callable[..., Any], file: Path) -> Call:
    """The first request that a method makes with arguments that need no look-up."""
    parameters = inspect.signature(description).parameters.values()
    wanted = [
        one.name
        for one in parameters
        if one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    ]
    given = {one: file if one == "file" else ARGUMENTS[one] for one in wanted}
    made = description(**given, **NEEDED.get(name, {}))
    flow = made.page(None) if isinstance(made, Listing) else made
    return next(iter(flow))


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, tuple[str, str]]:
    """By method of the client, the verb and path that it asks."""
    file = tmp_path / "file"
    file.touch()
    calls = {name: first_call(name, made, file) for name, made in descriptions(Client).items()}
    return {name: (call.method, call.path) for name, call in calls.items()}


def matching(method: str, path: str) -> Iterator[tuple[str, str]]:
    for route in ROUTES:
        pattern = re.sub(r"\{\w+(:path)?\}", "[^/]+", route.path)
        if route.method == method and re.fullmatch(pattern, path):
            yield route.method, route.path


def test_every_method_asks_a_route_that_there_is(asked) -> None:
    assert [name for name, call in asked.items() if not list(matching(*call))] == []


def test_every_route_has_a_method(asked) -> None:
    served = {(route.method, route.path) for route in ROUTES}
    reached = {next(matching(*call)) for call in asked.values()}
    assert served - reached - APART == set()
    assert reached <= served
    assert served >= APART
    events = events_path(ARGUMENTS["job"])
    assert list(matching("GET", events)) == [("GET", "/v1/jobs/{job}/events")]


def test_both_clients_have_the_same_methods() -> None:
    assert descriptions(Client) == descriptions(AsyncClient)
    own = {name for name in vars(Client) if not name.startswith("_")}
    assert own == {name for name in vars(AsyncClient) if not name.startswith("_")}


def test_several_ids_where_one_belongs_are_told() -> None:
    with pytest.raises(ConfigError, match="An id or a name is one text, got \\['x'\\]"):
        path_of("pools", "pol_1", "items", ["x"])  # type: ignore[arg-type]
