"""Both clients: what they send, what they make of answers, how they go on after a loss."""

from __future__ import annotations

import inspect
import json
import pickle
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_service import (
    AT,
    JOB,
    POOL,
    Asked,
    Pieces,
    Service,
    event,
    job,
    ok,
    page,
    pool,
    problem,
    stream,
)

from querist import AsyncClient, Client, QueristError
from querist.core.errors import ConfigError
from querist.service.client import errors
from querist.service.client.attempts import Retries
from querist.service.client.client import Picked

METHODS = sorted(name for name in dir(Client) if not name.startswith("_"))


def test_the_two_clients_have_the_same_methods() -> None:
    assert sorted(name for name in dir(AsyncClient) if not name.startswith("_")) == METHODS
    assert {"query", "create_pool", "events", "within", "label"} <= set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_described(name: str) -> None:
    for kind in (Client, AsyncClient):
        assert inspect.getdoc(inspect.getattr_static(kind, name)), f"{kind.__name__}.{name}"


@pytest.mark.parametrize(
    "method, shown",
    [
        (Client.skip, "(self, pool, items, *, reason='', by=None) -> Recorded"),
        (Client.jobs, "(self, pool='', kind='', state='') -> Iterator[Job]"),
        (Client.delete_pool, "(self, pool) -> None"),
        (
            AsyncClient.lease_questions,
            "(self, campaign, holder, number=4, **more) -> list[OpenQuestion]",
        ),
        (AsyncClient.pools, "(self, name='') -> AsyncIterator[Pool]"),
    ],
)
def test_help_shows_what_a_method_takes_and_gives(method: Any, shown: str) -> None:
    told = inspect.signature(method)
    names = [one.replace(annotation=one.empty) for one in told.parameters.values()]
    plain = told.replace(parameters=names, return_annotation=told.empty)
    assert f"{plain} -> {told.return_annotation}" == shown
    assert method.__annotations__["return"] == told.return_annotation  # tools read either


def test_a_bound_method_is_shown_without_the_client() -> None:
    with Client() as client:
        assert list(inspect.signature(client.forget).parameters) == ["pool", "items"]
        assert repr(client.forget) == f"<bound method forget of {client!r}>"


def test_many_items_are_forgotten_in_pieces(kind: str) -> None:
    at = "2026-01-01T00:00:00Z"
    said = [
        {"ids": ["some"], "at": at, "left": left} for left in (["a: why"], ["b: why", "a: why"])
    ]
    service = Service(*map(ok, said))
    ids = [f"i{number}" for number in range(1500)]
    told = Asked(kind, service).forget(POOL, (id for id in [*ids, "i7"]))
    assert (told.ids, told.left) == (ids, ["a: why", "b: why"])
    assert {request.url.path for request in service.requests} == {f"/v1/pools/{POOL}/erasures"}
    assert [json.loads(one.content)["items"] for one in service.requests] == [
        ids[:1000],
        ids[1000:],
    ]


def test_a_pool_is_made_and_named_by_its_name(kind: str) -> None:
    service = Service(httpx.Response(201, json=pool()), page(pool()), ok(pool()))
    ask = Asked(kind, service, key="qk_secret")
    made = ask.create_pool("birds", classes=["owl"], transform={"modality": "image"})
    assert made.id == POOL
    assert ask.pool("birds") == made
    create, look, get = service.requests
    said = {"name": "birds", "classes": ["owl"], "transform": {"modality": "image"}}
    assert json.loads(create.content) == said
    assert (look.url.path, dict(look.url.params)) == ("/v1/pools", {"name": "birds"})
    assert get.url.path == f"/v1/pools/{POOL}"
    keys = {request.headers["authorization"] for request in service.requests}
    assert keys == {"Bearer qk_secret"}


def test_a_name_that_is_none_is_a_sentence(kind: str) -> None:
    with pytest.raises(errors.NotFound, match="no pool named 'brids'"):
        Asked(kind, Service(page())).pool("brids")


def test_ids_cannot_lead_elsewhere(kind: str) -> None:
    service = Service(problem(404, "There is no such item."))
    with pytest.raises(errors.NotFound, match="no such item"):
        Asked(kind, service).item(POOL, "../../keys?x=")
    assert service.requests[0].url.raw_path.endswith(b"/items/..%2F..%2Fkeys%3Fx%3D")


def test_what_is_lost_is_sent_again_with_the_same_key(kind: str) -> None:
    lost = httpx.ReadTimeout("no answer")
    service = Service(lost, httpx.Response(503), problem(429, "slow"), ok(job()))
    assert Asked(kind, service).add(POOL, "photos/").id == JOB
    keys = {request.headers["idempotency-key"] for request in service.requests}
    assert (len(service.requests), len(keys)) == (4, 1)


def test_another_call_has_another_key_unless_it_is_given(kind: str) -> None:
    service = Service(*[ok(job()) for _ in range(4)])
    ask = Asked(kind, service)
    for once in ("", "", "monday", "monday"):
        ask.add(POOL, ["a", "b"], once=once)
    keys = [request.headers["idempotency-key"] for request in service.requests]
    assert keys[0] != keys[1]
    assert keys[2:] == ["monday", "monday"]


def test_a_change_without_a_key_is_sent_once(kind: str) -> None:
    service = Service(httpx.ReadTimeout("no answer"))
    with pytest.raises(errors.Unavailable, match="cannot be reached: no answer"):
        Asked(kind, service).set_quota("tnt_x", {"jobs": 3})
    assert len(service.requests) == 1


def test_a_lost_deletion_that_was_done_is_done(kind: str) -> None:
    service = Service(httpx.ReadError("reset"), problem(404, "no such pool"))
    assert Asked(kind, service).delete_pool(POOL) is None
    with pytest.raises(errors.NotFound):
        Asked(kind, Service(problem(404, "no such pool"))).delete_pool(POOL)


def test_a_service_that_stays_away_is_a_sentence(kind: str) -> None:
    service = Service(*[httpx.ConnectError("refused")] * 4)
    with pytest.raises(errors.Unavailable, match=r"http://127\.0\.0\.1:8600 cannot be reached"):
        Asked(kind, service).pool(POOL)
    assert len(service.requests) == 4


def test_who_asks_to_wait_for_long_is_not_waited_for(kind: str) -> None:
    answer = problem(429, "The quota is used up.")
    answer.headers["retry-after"] = "3600"
    service = Service(answer)
    with pytest.raises(errors.TooMany, match="quota is used up"):
        Asked(kind, service).usage()
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, errors.BadRequest),
        (401, errors.NotAllowed),
        (403, errors.NotAllowed),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (422, errors.BadRequest),
        (500, errors.Unavailable),
    ],
)
def test_a_problem_is_an_error_with_its_sentence(kind: str, status: int, error: type) -> None:
    faults = [{"pointer": "/budget", "detail": "should be at least 1"}]
    service = Service(problem(status, "Wrong.", errors=faults, instance="req_1"))
    with pytest.raises(error, match=r"Wrong\.\n  - /budget: should be at least 1") as caught:
        Asked(kind, service).usage()
    assert isinstance(caught.value, QueristError)
    assert ("req_1" in str(caught.value)) is (status == 500)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (error, str(caught.value))


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"text": "<html>hello</html>", "headers": {"content-type": "text/html"}}),
        (302, {"headers": {"location": "https://elsewhere/"}}),
        (404, {"text": "nginx"}),
        (200, {"json": {"id": 3}}),
    ],
)
def test_an_answer_of_something_else_is_a_sentence(kind: str, status: int, answer: dict) -> None:
    with pytest.raises(errors.ServiceError, match="none of a Querist service"):
        Asked(kind, Service(httpx.Response(status, **answer))).pool(POOL)


def test_arguments_that_cannot_be_right_are_not_sent(kind: str) -> None:
    with pytest.raises(errors.BadRequest, match="nothing was sent") as caught:
        Asked(kind, Service()).start_query(POOL, budget=-1)
    assert "/budget" in str(caught.value)


def test_lists_are_read_page_by_page(kind: str) -> None:
    items = [{"id": str(number), "uri": f"a/{number}"} for number in range(5)]
    service = Service(page(*items[:3], next="3"), page(*items[3:]))
    found = Asked(kind, service).items(POOL, where="unlabelled")
    assert [item.id for item in found] == list("01234")
    assert [dict(request.url.params) for request in service.requests] == [
        {"where": "unlabelled"},
        {"where": "unlabelled", "after": "3"},
    ]


def test_a_page_is_asked_for_when_it_is_needed() -> None:
    service = Service(page({"id": "0", "uri": "a"}, next="1"))
    with Client(transport=httpx.MockTransport(service.read)) as client:
        assert next(client.items(POOL)).id == "0"
    assert len(service.requests) == 1


def test_labels_go_in_pieces_that_the_service_takes(kind: str) -> None:
    def recorded(request: httpx.Request) -> httpx.Response:
        return ok({"labels": len(json.loads(request.content)["labels"])})

    service = Service(recorded, recorded)
    values = {str(number): "owl" for number in range(10_001)}
    assert Asked(kind, service).label(POOL, values, by="ada").labels == 10_001
    first = json.loads(service.requests[0].content)
    assert (len(first["labels"]), first["by"]) == (10_000, "ada")
    assert first["labels"][0] == {"id": "0", "value": "owl"}


def test_files_go_up_and_come_down(kind: str, tmp_path: Path) -> None:
    source = tmp_path / "items.csv"
    source.write_bytes(b"id,uri\n" + b"a,b\n" * 200_000)
    written = httpx.Response(200, content=b"id,label\n1,owl\n")
    service = Service(httpx.ReadError("reset"), ok(job()), written)
    ask = Asked(kind, service)
    ask.add_manifest(POOL, source, "csv")
    assert service.requests[1].content == source.read_bytes()
    target = tmp_path / "out.csv"
    assert ask.export(POOL, target, "csv") == target
    assert target.read_text() == "id,label\n1,owl\n"
    with pytest.raises(ConfigError, match=r"nothing\.csv cannot be read"):
        ask.add_manifest(POOL, tmp_path / "nothing.csv", "csv")


def test_a_refused_download_leaves_no_file(kind: str, tmp_path: Path) -> None:
    with pytest.raises(errors.BadRequest):
        Asked(kind, Service(problem(400, "No such format."))).export(POOL, tmp_path / "out", "cvs")
    assert list(tmp_path.iterdir()) == []


def test_a_job_is_followed_over_a_broken_stream(kind: str) -> None:
    service = Service(
        stream(event(1), event(2)[:30], breaks=True),
        httpx.ConnectError("refused"),
        httpx.Response(503),
        stream(b": still here\n\n", event(3), event(4, "end", state="done")),
        ok(job(state="done")),
    )
    seen = []
    done = Asked(kind, service).wait(JOB, progress=lambda job: seen.append(job.state))
    assert done.state == "done"
    assert seen == ["running", "running", "done"]
    last = [request.headers.get("last-event-id") for request in service.requests]
    assert last == [None, "1", "1", "1", None]


def test_who_follows_a_job_waits_for_a_service_that_starts_again(kind: str) -> None:
    away = [httpx.Response(502)] * 6 + [httpx.ConnectError("refused")] * 4
    end = stream(event(2, "end", state="done"))
    service = Service(stream(event(1), breaks=True), *away, end, ok(job(state="done")))
    assert Asked(kind, service).wait(JOB).state == "done"
    silent = Service(stream(event(1), breaks=True), *[httpx.ConnectError("refused")] * 30)
    with pytest.raises(errors.Unavailable, match="refused"):
        Asked(kind, silent).wait(JOB)
    assert len(silent.requests) == 15


def test_a_download_that_breaks_leaves_no_file(kind: str, tmp_path: Path) -> None:
    broken = [httpx.Response(200, stream=Pieces(b"id,uri\n", breaks=True)) for _ in range(4)]
    with pytest.raises(errors.Unavailable, match="reset"):
        Asked(kind, Service(*broken)).export(POOL, tmp_path / "out.csv", "csv")
    assert list(tmp_path.iterdir()) == []


def test_a_stream_that_says_nothing_is_given_up(kind: str) -> None:
    service = Service(*[stream(b": hello\n\n", breaks=True) for _ in range(9)])
    with pytest.raises(errors.Unavailable, match="reset"):
        Asked(kind, service).wait(JOB)
    assert len(service.requests) == 4


def test_a_stream_that_ends_without_a_word_is_given_up(kind: str) -> None:
    service = Service(*[stream(b"data: {}\n\n") for _ in range(9)])
    with pytest.raises(errors.Unavailable, match="without a word"):
        Asked(kind, service).wait(JOB)
    assert len(service.requests) == 5


def test_a_job_that_fails_says_why(kind: str) -> None:
    gone = job(state="failed", error="31 % of the items are broken.")
    service = Service(stream(event(1, "end", state="failed")), ok(gone))
    with pytest.raises(errors.JobFailed, match=r"failed: 31 % of the items") as caught:
        Asked(kind, service).wait(JOB)
    assert pickle.loads(pickle.dumps(caught.value)).job == JOB


def test_an_unknown_job_is_not_waited_for(kind: str) -> None:
    with pytest.raises(errors.NotFound, match="no such job"):
        Asked(kind, Service(problem(404, "There is no such job."))).wait(JOB)


def test_a_deadline_ends_a_stream(kind: str) -> None:
    ask = Asked(kind, Service(lambda _: time.sleep(0.06) or stream(event(1))))
    ask.within = 0.05
    with pytest.raises(errors.DeadlinePassed, match="The job goes on"):
        ask.wait(JOB)


def test_nothing_is_tried_again_beyond_a_deadline(kind: str) -> None:
    service = Service(*[httpx.Response(503)] * 4)
    ask = Asked(kind, service, retries=Retries(9, 10, 10))
    ask.within = 0.05
    with pytest.raises(errors.Unavailable):
        ask.pool(POOL)
    assert len(service.requests) == 1
    with Client() as client, pytest.raises(ConfigError, match="above 0"):
        client.within(-1)


def test_a_query_in_one_call(kind: str) -> None:
    query = job(id="job_q", kind="query", asked={"budget": 2}, state="done")
    picks = [{"rank": rank, "id": str(rank), "uri": f"u/{rank}", "score": 0.5} for rank in (0, 1)]
    model = {"id": "mod_" + "c" * 20, "name": "x", "settings": {}, "created": AT}
    ended = stream(event(1, "end", state="done"))
    service = Service(page(), ok(model), ok(query), ended, ok(query), ok(query), page(*picks))
    seen: list[object] = []
    said = {"model": {"use": "features"}, "budget": 2, "strategy": "typiclust"}
    picked = Asked(kind, service).query(POOL, progress=seen.append, **said)
    assert isinstance(picked, Picked)
    assert (picked.ids, picked.uris, len(picked)) == (["0", "1"], ["u/0", "u/1"], 2)
    assert len(seen) == 1
    sent = json.loads(service.requests[2].content)
    assert sent == {"budget": 2, "strategy": "typiclust", "model": model["id"]}


def test_the_key_comes_from_the_environment_and_is_never_shown(monkeypatch) -> None:
    monkeypatch.setenv("QUERIST_API_KEY", "qk_secret")
    monkeypatch.setenv("QUERIST_SERVER", "https://al.example.org/")
    with Client() as client:
        assert client.url == "https://al.example.org"
        assert client._transport.http.headers["authorization"] == "Bearer qk_secret"
        transport = client._transport
        shown = f"{client!r} {transport.address!r} {vars(client)} {transport.http.headers!r}"
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("url", "key", "sentence"),
    [
        ("http://al.example.org", "qk_1", "would travel unencrypted to al.example.org"),
        ("ftp://host", "", "a URL such as"),
        ("127.0.0.1:8600", "", "a URL such as"),
        ("http://ada:pass@127.0.0.1", "", "holds no user, password"),
        ("http://127.0.0.1", "qk_1\n", "was it copied whole"),
        ("http://127.0.0.1", "qk 1", "was it copied whole"),
    ],
)
def test_an_address_is_checked_before_a_key_is_sent(url: str, key: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        Client(url, key)
    assert "qk_1" not in str(caught.value)
    assert "pass@" not in str(caught.value)


def test_a_key_may_go_unencrypted_where_one_says_so() -> None:
    Client("http://al.example.org", "qk_1", insecure=True).close()
    Client("http://[::1]:8600", "qk_1").close()
    Client("http://al.example.org").close()


class Empty(BaseHTTPRequestHandler):
    """A service without pools."""

    def do_GET(self) -> None:
        body = json.dumps({"items": [], "next": None}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_service_on_this_machine_is_asked_past_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with HTTPServer(("127.0.0.1", 0), Empty) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with Client(f"http://{host}:{server.server_port}", "", retries=Retries(tries=1)) as client:
            assert list(client.pools()) == []
        server.shutdown()
        thread.join()
