"""Querist as a model of Label Studio: it learns from annotations and predicts."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.integrations.label_studio.backend import Backend
from querist.integrations.label_studio.exchange import take
from querist.integrations.label_studio.form import made_for
from querist.integrations.label_studio.serving import server_of
from querist.pool.errors import PoolError
from querist.pool.pool import Pool

WORDS = {"cat": "purring soft cat number", "dog": "barking loud dog number"}
CONFIG = made_for("classification", "text", ("cat", "dog"))


@pytest.fixture
def pets(tmp_path: Path):
    settings = {"classes": ("cat", "dog"), "transform": {"modality": "text"}}
    with Pool.create(tmp_path / "pool", settings) as made:
        made.add_items(
            {"id": f"{kind}{n}", "text": f"{words} {n}"}
            for kind, words in WORDS.items()
            for n in range(12)
        )
        yield made


def task(id: str) -> dict:
    return {"id": 1, "data": {"text": ""}, "meta": {"querist": {"id": id}}}


def annotated(id: str, name: str) -> dict:
    value = {"value": {"choices": [name]}}
    annotation = {"id": 5, "result": [value], "completed_by": 3}
    return {"action": "ANNOTATION_CREATED", "task": task(id), "annotation": annotation}


def predicted(backend: Backend, *ids: str) -> dict:
    status, said = backend.answer(
        "POST", "/predict", {"tasks": [task(id) for id in ids], "label_config": CONFIG}
    )
    assert status == 200, said
    return said


def test_it_learns_from_annotations_and_predicts(pets: Pool) -> None:
    backend = Backend(pets)
    assert backend.answer("GET", "/health", None) == (
        200,
        {"status": "UP", "model_class": "Querist"},
    )
    assert predicted(backend, "cat9")["results"][0]["result"] == []
    for n in range(6):
        for kind in WORDS:
            assert (
                backend.answer("POST", "/webhook", annotated(f"{kind}{n}", kind))[1]["labels"] == 1
            )
    said = predicted(backend, "cat9", "dog11", "nobody")
    assert said["model_version"] == "querist-12"
    chosen = [one["result"][0]["value"]["choices"] for one in said["results"][:2]]
    assert chosen == [["cat"], ["dog"]]
    assert said["results"][0]["result"][0]["from_name"] == "label"
    assert all(0.5 < one["score"] <= 1 for one in said["results"][:2])
    assert said["results"][2]["result"] == []
    assert Backend(pets).version == "querist-12"  # kept over a restart


def test_a_training_is_asked_for(pets: Pool) -> None:
    backend = Backend(pets)
    pets.label({f"{kind}{n}": kind for kind in WORDS for n in range(6)})
    assert backend.learn()
    pets.label({"cat7": "cat"})
    assert not backend.learn()  # one more of twelve is too few
    said = backend.answer("POST", "/webhook", {"action": "START_TRAINING"})
    assert said[1]["model_version"] == "querist-13"


def test_labels_that_were_changed_or_taken_back_are_learned_from(pets: Pool) -> None:
    backend = Backend(pets)
    labels = {f"{kind}{n}": kind for kind in WORDS for n in range(6)}
    pets.label(labels)
    assert backend.learn()
    assert not backend.learn(at_once=True)
    pets.label({id: "dog" if name == "cat" else "cat" for id, name in labels.items()})
    said = backend.answer("POST", "/webhook", {"action": "START_TRAINING"})[1]["model_version"]
    assert said.startswith("querist-12-")  # Label Studio asks again where it is another one
    chosen = [one["result"][0]["value"]["choices"] for one in predicted(backend, "cat9")["results"]]
    assert chosen == [["dog"]]
    pets.unlabel(list(labels)[:4])
    assert backend.learn()
    assert backend.version == "querist-8"


def test_what_is_deleted_is_taken_back_under_the_address_of_who_said_it(pets: Pool) -> None:
    backend = Backend(pets, people=lambda: {3: "ada@example.com"})
    body = annotated("cat1", "cat")
    assert backend.answer("POST", "/webhook", body)[1]["labels"] == 1
    deleted = {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 5}, {"id": 99}]}
    assert backend.answer("POST", "/webhook", deleted)[1]["withdrawn"] == 1
    said = [(one.kind, one.annotator) for one in pets.history("cat1")]
    assert said == [("label", "ada@example.com"), ("withdraw", "ada@example.com")]
    assert Backend(pets).answer("POST", "/webhook", deleted)[1]["withdrawn"] == 0


def test_an_annotator_has_one_name_by_webhook_and_by_polling(pets: Pool) -> None:
    body = annotated("cat1", "cat")
    assert Backend(pets).answer("POST", "/webhook", body)[1]["labels"] == 1  # nobody to ask
    polled = [{**body["task"], "annotations": [body["annotation"]]}]
    assert take(pets, polled, {3: "ada@example.com"}).labels == 0
    assert [one.annotator for one in pets.history("cat1")] == ["3"]


def test_the_token_that_comes_with_the_setup_is_not_kept(pets: Pool) -> None:
    token = "secret-token-of-label-studio"
    status, _ = Backend(pets).answer("POST", "/setup", {"access_token": token, "schema": CONFIG})
    assert status == 200
    kept = [path.read_bytes() for path in pets.folder.rglob("*") if path.is_file()]
    assert kept
    assert not [content for content in kept if token.encode() in content]


def test_what_is_not_understood_is_told(pets: Pool) -> None:
    backend = Backend(pets)
    assert backend.answer("GET", "/nothing", None)[0] == 404
    assert backend.answer("POST", "/predict", [1])[0] == 422
    assert backend.answer("POST", "/predict", {"tasks": [], "label_config": "<x"})[0] == 422
    assert backend.answer("POST", "/webhook", annotated("cat1", "unicorn"))[1]["labels"] == 0
    assert backend.answer("POST", "/webhook", {"action": "PROJECT_UPDATED"})[1]["labels"] == 0


def test_over_http_with_a_key(pets: Pool, capfd) -> None:
    with server_of(Backend(pets), key="let-me-in") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            with httpx.Client(base_url=url) as client:
                assert client.get("/health").json()["status"] == "UP"
                assert client.get("/versions").status_code == 401
                assert client.get("/versions", auth=("querist", "wrong")).status_code == 401
                good = client.get("/versions", auth=("querist", "let-me-in"))
                assert good.json() == {"versions": ["querist-0"]}
                bearer = {"Authorization": "Bearer let-me-in"}
                said = client.post("/webhook", json=annotated("cat1", "cat"), headers=bearer)
                assert said.json()["labels"] == 1
                assert client.post("/webhook", content=b"{}", headers=bearer).status_code == 415
        finally:
            server.shutdown()
            thread.join()
    assert pets.item("cat1").label == "cat"
    assert capfd.readouterr() == ("", "")


class Lengths:
    """A model that says how long a text is."""

    digest, provides, classes = "lengths", frozenset({"predictions"}), ()

    def infer(self, batch, wanted):
        return {"predictions": np.array([float(len(text)) for text in batch])}

    def close(self) -> None:
        pass


def test_a_model_of_numbers_predicts_as_it_is(tmp_path: Path) -> None:
    settings = {"task": "regression", "transform": {"modality": "text"}}
    model = {"use": "python", "object": f"{__name__}:Lengths"}
    with Pool.create(tmp_path / "numbers", settings) as pool:
        pool.add_items([{"id": "a", "text": "four"}])
        backend = Backend(pool, model)
        asked = {"tasks": [task("a")], "label_config": made_for("regression", "text", ())}
        status, said = backend.answer("POST", "/predict", asked)
        assert (status, said["model_version"]) == (200, "querist")
        assert said["results"][0]["result"][0]["value"] == {"number": 4.0}
        part = {"type": "number", "value": {"number": 5}}
        body = {"action": "ANNOTATION_CREATED", "task": task("a")}
        body["annotation"] = {"id": 1, "result": [part], "completed_by": 3}
        assert backend.answer("POST", "/webhook", body)[1]["labels"] == 1
        assert pool.item("a").label == 5
        assert not backend.learn(at_once=True)


def test_strangers_are_not_let_in_without_a_key(pets: Pool, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="QUERIST_LABEL_STUDIO_KEY"):
        server_of(Backend(pets), host="0.0.0.0")
    with (
        Pool.create(tmp_path / "other", {"task": "regression"}) as other,
        pytest.raises(PoolError, match="not of regression"),
    ):
        Backend(other)


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python speaks no IPv6")
def test_it_listens_where_only_ipv6_is_spoken(pets) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server_of(Backend(pets), host="::1") as server:
        assert server.server_address[0] == "::1"
