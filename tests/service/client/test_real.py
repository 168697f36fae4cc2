"""Clients and the command line against a real server in a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import numpy as np
import pytest
from command_line import call
from PIL import Image

from querist import AsyncClient, Client
from querist.service.client import errors


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        pixels = rng.integers(0, 255, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


def test_a_first_query_at_a_service(serve, photos: Path, tmp_path: Path) -> None:
    server = serve(tenants={"default": {"roots": [str(photos)]}})
    with Client(server.url) as client:
        client = client.within(60)
        assert client.health().status == "ok"
        made = client.create_pool("birds", classes=["owl", "robin"], once="the-first")
        assert client.create_pool("birds", classes=["owl", "robin"], once="the-first") == made
        seen: list[str] = []
        added = client.wait(client.add("birds", str(photos)), lambda job: seen.append(job.state))
        assert (added.state, added.progress.done, seen[-1]) == ("done", 13, "done")
        assert (added.added.new, added.added.broken) == (13, 0)
        picked = client.query("birds", budget=4, strategy="typiclust")
        assert len(picked) == 4
        assert picked.query.counts.picked == 4
        (failure,) = client.failures(picked.query)
        assert failure.uri.endswith("broken.png")
        assert client.label("birds", dict.fromkeys(picked.ids, "owl"), by="ada").labels == 4
        assert {label.value for label in client.labels("birds")} == {"owl"}
        (lent,) = client.lease("birds", "ada", 1, among=[*picked.ids, failure.id])
        assert lent.id == failure.id
        assert failure.id not in {item.id for item in client.lease("birds", "bob", 100)}
        assert client.content("birds", lent.id, tmp_path / "word").read_text() == "no image"
        left = client.items("birds", where="unlabelled")
        assert len({item.id for item in left} & set(picked.ids)) == 0
        path = client.save_picks(picked.query, tmp_path / "picks.csv")
        assert picked.ids[0] in path.read_text()
        assert next(iter(client.jobs("birds"))).kind == "query"
        with pytest.raises(errors.BadRequest, match="nightingale"):
            client.label("birds", {picked.ids[0]: "nightingale"})
        with pytest.raises(errors.NotFound):
            client.item("birds", "../../secrets")
        with pytest.raises(errors.Conflict):
            client.create_pool("birds")
        assert client.forget("birds", picked.ids[0]).ids == [picked.ids[0]]
        with pytest.raises(errors.NotFound):
            client.item("birds", picked.ids[0])
        assert client.export("birds", tmp_path / "all.csv", "csv").read_text().count(",owl,") == 3
        assert client.estimate("birds", budget=2).labels == 2


@pytest.mark.slow
def test_the_same_for_asyncio_at_once(serve, photos: Path) -> None:
    server = serve(tenants={"default": {"roots": [str(photos)]}})

    async def asked() -> list[list[str]]:
        async with AsyncClient(server.url) as client:
            pool = await client.create_pool("birds")
            await client.wait(await client.add(pool, str(photos)))
            queries = [client.query(pool, budget=3, strategy="random", seed=s) for s in (1, 1, 2)]
            return [picked.ids for picked in await asyncio.gather(*queries)]

    first, same, other = asyncio.run(asked())
    assert first == same != other


@pytest.mark.slow
@pytest.mark.kill
def test_a_job_is_followed_over_the_death_of_the_server(serve, photos: Path) -> None:
    server = serve(tenants={"default": {"roots": [str(photos)]}})
    with Client(server.url) as client:
        client = client.within(60)
        client.create_pool("birds")
        client.wait(client.add("birds", str(photos)))
        begun = client.start_query("birds", budget=3, strategy="typiclust")
        events = client.events(begun)
        next(events)
        server.end(signal.SIGKILL)
        server.start()
        assert [event.event for event in events][-1] == "end"
        assert client.wait(begun).state == "done"


@pytest.mark.slow
def test_the_command_line_says_the_same_of_a_service(serve, photos: Path, tmp_path: Path) -> None:
    server = serve(tenants={"default": {"roots": [str(photos)]}})
    at = ("--server", server.url)
    created = call("pool", "create", "birds", photos, *at)
    assert (created.exit_code, created.stdout) == (0, "birds: 13 new\n")
    shown = json.loads(call("pool", "show", "birds", "--json", *at).stdout)
    assert (shown["items"], shown["states"]["unlabelled"]) == (13, 13)
    result = call("query", "run", "birds", "-n", 3, *at, "-o", tmp_path / "picks.csv")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 4
    assert "1 item failed; see: querist query failures" in result.stderr
    query = result.stderr.partition("query: ")[2].split()[0]
    assert "broken.png" in call("query", "failures", query, *at).stdout
    status = json.loads(call("query", "status", query, "--json", *at).stdout)
    assert (status["state"], status["picked"]) == ("done", 3)
    first = (tmp_path / "picks.csv").read_text().splitlines()[1].split(",")[1]
    assert call("label", "birds", f"{first}=owl", *at).stdout == "1 label recorded\n"
    assert "query" in call("jobs", "list", *at).stdout
    assert call("pool", "list", *at).stdout.splitlines()[1].startswith("birds ")
    wrong = call("pool", "show", "brids", *at)
    assert (wrong.exit_code, "no pool named 'brids'" in wrong.stderr) == (1, True)


@pytest.mark.slow
def test_a_pool_file_with_a_server(serve, photos: Path, tmp_path: Path) -> None:
    server = serve(tenants={"default": {"roots": [str(photos)]}})
    path = tmp_path / "pool.yaml"
    path.write_text(f"name: birds\ndata:\n  from: photos\nbudget: 25 %\nserver: {server.url}\n")
    for _ in range(2):
        result = call("run", path)
        assert result.exit_code == 0, result.output
        assert len([line for line in result.stdout.splitlines() if ".png" in line]) == 3


def test_another_file_with_a_scripts_key_is_not_taken_for_the_first(serve, tmp_path: Path) -> None:
    file = tmp_path / "texts.jsonl"
    with Client(serve().url) as client:
        pool = client.create_pool("texts")
        file.write_text('{"id": "a", "text": "one"}\n')
        first = client.add_manifest(pool, file, "jsonl", once="monday")
        assert client.add_manifest(pool, file, "jsonl", once="monday").id == first.id
        file.write_text('{"id": "a", "text": "one"}\n{"id": "b", "text": "two"}\n')
        with pytest.raises(errors.ServiceError, match="new Idempotency-Key"):
            client.add_manifest(pool, file, "jsonl", once="monday")
