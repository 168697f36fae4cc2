"""The round trip with a real Label Studio: 200 pictures go there, come back, and teach a model.

They are drawn here; where QUERIST_CIFAR names an archive of CIFAR-10 as JPEG files
(``test/CLASS/NUMBER.jpg``), they are twenty of each of its classes.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from querist.integrations.label_studio.api import LabelStudio
from querist.integrations.label_studio.asking import Asking, question_of
from querist.integrations.label_studio.backend import Backend
from querist.integrations.label_studio.exchange import Exchange, Suggestion, id_of
from querist.integrations.label_studio.serving import server_of
from querist.pool.pool import Pool

sys.path.insert(0, str(Path(__file__).parent))
from asked_run import Run

pytestmark = [pytest.mark.labelstudio, pytest.mark.timeout(1800)]
PYTHON = os.environ.get("QUERIST_LABEL_STUDIO_PYTHON", "")
CIFAR = os.environ.get("QUERIST_CIFAR", "")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PICTURES = 200
BETTER_THAN = 0.13 if CIFAR else 0.8
"""Share of right guesses, learned from a hundred; chance gives 0.1."""
ADA = "ada@example.com"


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Iterator[tuple[str, str]]:
    """Address and token of a Label Studio that was started for this."""
    if not PYTHON:
        pytest.skip("no Label Studio: `make labelstudio` installs one")
    folder, token = tmp_path_factory.mktemp("studio"), secrets.token_hex(20)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(PYTHON).parent / "label-studio"), "start", "--no-browser"]
    command += ["--port", str(port), "--username", "ada@example.com"]
    told = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_PASSWORD": secrets.token_hex(12),
        "LABEL_STUDIO_USER_TOKEN": token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "SSRF_PROTECTION_ENABLED": "false",  # the model is on this machine, too
        "ML_BLOCK_LOCAL_IP": "false",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "WEBHOOK_TIMEOUT": "30",
    }
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | told
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process, folder / "output")
        yield url, token
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(url: str, process: subprocess.Popen, output: Path) -> None:
    while True:
        assert process.poll() is None, output.read_text()[-3000:]
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Pool]:
    """Pictures of 32 x 32 pixels of ten classes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (real_pictures if CIFAR else drawn_pictures)(folder)
    settings = {"classes": CLASSES, "transform": {"modality": "image"}, "name": "cifar-like"}
    with Pool.create(tmp_path / "pool", settings) as pool:
        pool.add(folder)
        yield pool


def real_pictures(folder: Path) -> None:
    """The same number of each class of CIFAR-10."""
    with tarfile.open(CIFAR) as archive:
        for n in range(PICTURES):
            name = CLASSES[n % len(CLASSES)]
            held = archive.extractfile(f"test/{name}/{n // len(CLASSES):04}.jpg")
            assert held is not None
            (folder / f"{n:03}-{name}.jpg").write_bytes(held.read())


def drawn_pictures(folder: Path) -> None:
    """Each class with colours of its own, and noise."""
    rng = np.random.default_rng(0)
    colours = rng.integers(40, 215, (len(CLASSES), 2, 3))
    for n in range(PICTURES):
        upper, lower = colours[n % len(CLASSES)]
        picture = np.concatenate([np.tile(upper, (16, 32, 1)), np.tile(lower, (16, 32, 1))])
        noisy = np.clip(picture + rng.normal(0, 25, picture.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{n:03}-{CLASSES[n % len(CLASSES)]}.png")


def truth_of(pool: Pool) -> dict[str, str]:
    return {item.id: Path(item.uri).stem.partition("-")[2] for item in pool.items()}


def choice(exchange: Exchange, name: str) -> list[dict]:
    about = {"from_name": exchange.form.asks, "to_name": exchange.form.shows, "type": "choices"}
    return [{**about, "value": {"choices": [name]}}]


def delete_annotations(studio: LabelStudio, exchange: Exchange, item: str) -> None:
    for task in studio.tasks(exchange.project):
        for annotation in task["annotations"] if id_of(task) == item else ():
            studio._ask("DELETE", f"/api/annotations/{annotation['id']}/")


def test_the_round_trip(real, photos: Pool) -> None:
    url, token = real
    truth = truth_of(photos)
    key = "a-key-of-the-model"
    with (
        LabelStudio(url, token) as studio,
        server_of(Backend(photos, people=lambda: studio.people()), key=key) as server,
    ):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            exchange = Exchange.connect(photos, studio)
            done = exchange.push(truth, {next(iter(truth)): Suggestion("cat", 0.5)})
            assert (done.sent, done.left_out) == (PICTURES, {})
            assert exchange.push(truth)[:2] == (0, PICTURES)
            tasks = {id_of(task): task for task in studio.tasks(exchange.project)}
            assert set(tasks) == set(truth)
            assert sum(bool(task["predictions"]) for task in tasks.values()) == 1

            # By webhook: annotations of the first half arrive by themselves.
            model = f"http://127.0.0.1:{server.server_port}"
            bearer = {"Authorization": f"Bearer {key}"}
            studio.add_webhook(exchange.project, f"{model}/webhook", bearer)
            studio.add_backend(exchange.project, model, key)
            half = list(truth)[: PICTURES // 2]
            for id in half:
                studio.annotate(tasks[id]["id"], choice(exchange, truth[id]))
            _wait_until(lambda: photos.count("labelled") == len(half))
            assert {one.id: one.value for one in photos.labels()} == {id: truth[id] for id in half}
            assert photos.history(half[0])[0].annotator == ADA

            # One is deleted, and said anew.
            delete_annotations(studio, exchange, half[0])
            _wait_until(lambda: photos.item(half[0]).label is None)
            studio.annotate(tasks[half[0]]["id"], choice(exchange, truth[half[0]]))
            _wait_until(lambda: photos.item(half[0]).label is not None)

            # Label Studio asks for predictions of the rest, and gets those of what was learned.
            with httpx.Client(base_url=model, auth=("querist", key), timeout=600) as asking:
                config = studio.project(exchange.project)["label_config"]
                rest = [id for id in truth if id not in half]
                asked = {"tasks": [tasks[id] for id in rest], "label_config": config}
                said = asking.post("/predict", json=asked).json()["results"]
            guessed = [one["result"][0]["value"]["choices"][0] for one in said]
            right = np.mean([name == truth[id] for id, name in zip(rest, guessed, strict=True)])
            print(f"{right:.0%} of the others guessed rightly, of {len(half)} labels")
            assert right > BETTER_THAN
        finally:
            server.shutdown()
            server.server_close()  # else Label Studio waits for it at each annotation
            thread.join()

        # By polling: what was annotated while the model was away.
        for id in rest:
            studio.annotate(tasks[id]["id"], choice(exchange, truth[id]))
        assert exchange.pull().labels == len(rest)
        assert {one.id: one.value for one in photos.labels()} == truth
        delete_annotations(studio, exchange, rest[0])
        assert exchange.pull()[:1] + exchange.pull()[4:] == (0, 0)
        assert photos.item(rest[0]).label is None
        assert photos.history(rest[0])[-1].kind == "withdraw"
        photos.label({rest[0]: truth[rest[0]]})

    backend = Backend(photos)
    assert backend.learn(at_once=True)
    assert backend.version == f"querist-{PICTURES}"
    kept = [path.read_bytes() for path in photos.folder.rglob("*") if path.is_file()]
    assert not [content for content in kept if token.encode() in content]


def test_what_a_run_asks_people(real, tmp_path: Path) -> None:
    url, token = real
    outputs = {
        "kind": {"classes": ["cat", "dog <&"], "title": "What is it?"},
        "size": {"shape": [1], "unit": "m", "low": 0, "high": 9},
        "place": [2],
    }
    run = Run(tmp_path / "pets", outputs, instructions="Look at it & say.")
    asked = [
        run.ask(n, photo=np.full((9, 9, 3), 50 * n, np.uint8), words=np.array("<b>"))
        for n in range(3)
    ]
    with LabelStudio(url, token) as studio:
        there = Asking.connect(run.questions, studio)
        assert there is not None
        assert there.step().sent == 3
        tasks = {question_of(task): task["id"] for task in studio.tasks(there.project)}
        assert set(tasks) == set(asked)
        about = {"to_name": "input1"}
        result = [
            {**about, "from_name": "output1", "type": "choices", "value": {"choices": ["dog <&"]}},
            {**about, "from_name": "output2", "type": "number", "value": {"number": 2.5}},
            {**about, "from_name": "output3", "type": "textarea", "value": {"text": ["1 2"]}},
        ]
        studio.annotate(tasks[asked[0]], result)
        run.withdraw(asked[1])
        done = there.step()
        assert (done.answers, done.withdrawn, done.broken) == (1, 1, [])
        (answer,) = run.posted("answer")
        assert {name: one.tolist() for name, one in answer.arrays.items()} == {
            "kind": 1,
            "size": [2.5],
            "place": [1, 2],
        }
        assert answer.data["worker"] == ADA
        assert there.step() == (0, 0, 0, 0, [])
    run.writer.close()


def _wait_until(holds) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("waited in vain")
