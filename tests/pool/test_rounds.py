"""Rounds over a pool of real images: scan, select, label, train, and again."""

from __future__ import annotations

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rounds_models import Counting
from safetensors.numpy import load_file
from sklearn.datasets import load_digits

from querist.core.errors import ConfigError
from querist.models.inference import open_inference
from querist.pool import rounds as rounds_module
from querist.pool.errors import PoolError
from querist.pool.pool import Pool
from querist.pool.query import query_result
from querist.pool.rounds import advance_rounds, embeddings_of, rounds_status, start_rounds
from querist.pool.rounds_oracles import LabelService, LabelsFile
from querist.pool.rounds_report import summary_of_rounds
from querist.pool.rounds_state import RoundsTold, picked_rows
from querist.sources.source import SourceError
from querist.store.run_folder import RunFolder

IMAGES, DIGITS = load_digits(return_X_y=True)
ORDER = np.random.default_rng(0).permutation(len(DIGITS))[:500]
NAMES = tuple(f"{n}" for n in range(10))
ASKED = {"rounds": 4, "budget": 25, "trainer": "rounds_models:train", "strategy": "margin"}


@pytest.fixture
def digits(tmp_path: Path):
    """500 handwritten digits as PNG files; the name of a file does not tell the digit."""
    folder = tmp_path / "images"
    folder.mkdir()
    for n, at in enumerate(ORDER):
        pixels = (IMAGES[at].reshape(8, 8) * 15.9).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{n:04d}.png")
    settings = {"transform": {"modality": "image", "size": 8}, "classes": NAMES}
    with Pool.create(tmp_path / "pool", settings) as pool:
        pool.add(str(folder))
        assert len(pool) == 500
        yield pool


def truth(pool: Pool) -> dict[str, str]:
    items = pool.items(limit=1000)
    return {item.id: str(DIGITS[ORDER[int(Path(item.uri).stem)]]) for item in items}


def labels_file(pool: Pool, path: Path) -> Path:
    lines = [f"{id},{label}" for id, label in truth(pool).items()]
    path.write_text("\n".join(["id,label", *lines]))
    return path


def accuracy(pool: Pool, model) -> float:
    """Of what has no label."""
    known = truth(pool)
    rows = np.concatenate(list(pool.rows("unlabelled")))
    base = model["options"]["base"]
    opened = open_inference(model)
    weights = np.load(model["options"]["file"])
    features = embeddings_of(pool, rows, base)
    said = (features @ weights["weights"].T + weights["bias"]).argmax(axis=1)
    opened.close()
    ids = [item.id for item in pool.fetch(rows)]
    return float(np.mean([NAMES[s] == known[i] for s, i in zip(said, ids, strict=True)]))


def test_rounds_by_a_file_of_labels_make_a_model_that_gets_better(digits, tmp_path) -> None:
    path = labels_file(digits, tmp_path / "labels.csv")
    folder = start_rounds(digits, {**ASKED, "oracle": "file", "labels": str(path)}, "first")
    status = advance_rounds(digits, folder)
    assert (status.state, status.number) == ("done", 4)
    assert digits.count("labelled") == 100
    assert [one["rows"] for one in status.metrics] == [25, 50, 75, 100]
    assert status.model is not None
    best = accuracy(digits, status.model)
    options = status.model["options"]
    first = options["file"].replace("round-4", "round-1")
    began = accuracy(digits, {**status.model, "options": {**options, "file": first}})
    assert best > 0.95
    assert best > began + 0.02  # 93.5 % after the first round, 97.5 % after the last


def test_rounds_by_a_strategy_that_counts_labels(digits, tmp_path) -> None:
    path = labels_file(digits, tmp_path / "labels.csv")
    asked = {**ASKED, "strategy": "mcpal", "rounds": 3, "oracle": "file", "labels": str(path)}
    status = advance_rounds(digits, start_rounds(digits, asked, "counted"))
    assert (status.state, status.number) == ("done", 3)
    assert [one["rows"] for one in status.metrics] == [25, 50, 75]
    assert accuracy(digits, status.model) > 0.8


def test_a_person_is_waited_for_and_what_is_there_is_kept(digits) -> None:
    known = truth(digits)
    folder = start_rounds(digits, {**ASKED, "rounds": 2, "oracle": "person"}, "people")
    status = advance_rounds(digits, folder)
    assert (status.state, status.number, len(status.missing)) == ("labelling", 1, 25)
    some = status.missing[:20]
    digits.label({id: known[id] for id in some}, by="ada")
    again = advance_rounds(digits, folder)
    assert set(again.missing) == set(status.missing) - set(some)
    digits.skip(again.missing, by="ada", reason="cannot tell")
    second = advance_rounds(digits, folder)
    assert (second.state, second.number) == ("labelling", 2)
    assert second.metrics[0]["rows"] == 20
    assert not set(second.picked) & set(status.picked)
    # Another process goes on: everything is in the folder and in the pool.
    with Pool.open(digits.folder) as other:
        assert rounds_status(other, folder) == second
        other.label({id: known[id] for id in second.missing}, by="bob")
        done = advance_rounds(other, folder)
    assert done.state == "done"
    assert advance_rounds(digits, folder) == done


def test_rounds_go_on_after_they_were_cut_off_in_training(digits, tmp_path, monkeypatch) -> None:
    path = labels_file(digits, tmp_path / "labels.csv")
    asked = {**ASKED, "rounds": 1, "oracle": "file", "labels": str(path)}
    folder = start_rounds(digits, asked, "cut")
    with monkeypatch.context() as patch:
        patch.setattr("rounds_models.LogisticRegression", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            advance_rounds(digits, folder)
    picked = rounds_status(digits, folder).picked
    done = advance_rounds(digits, folder)
    assert done.state == "done"
    assert done.picked == picked
    assert digits.count("labelled") == 25


def test_a_kill_after_training_leaves_the_file_of_the_model(digits, tmp_path, monkeypatch) -> None:
    class Killed(BaseException):
        pass

    record = rounds_module._record

    def record_and_die(run, kind: str, data) -> None:
        record(run, kind, data)
        if kind == rounds_module.TRAINED:
            raise Killed

    path = labels_file(digits, tmp_path / "labels.csv")
    asked = {**ASKED, "rounds": 1, "oracle": "file", "labels": str(path)}
    folder = start_rounds(digits, asked, "killed")
    monkeypatch.setattr(rounds_module, "_record", record_and_die)
    with pytest.raises(Killed):
        advance_rounds(digits, folder)
    status = advance_rounds(digits, folder)
    assert status.state == "done"
    assert json.loads((folder / "model.yaml").read_text()) == status.model


class Service(BaseHTTPRequestHandler):
    """Labels all but one of what it is asked, the rest at the second time."""

    known: dict[str, str]
    asked: list[int]

    def do_POST(self) -> None:
        items = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["items"]
        self.asked.append(len(items))
        assert self.headers["Authorization"] == "Bearer let-me-in"
        some = items[1:] if len(items) > 1 else items
        body = json.dumps({"labels": {item["id"]: self.known[item["id"]] for item in some}})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


def test_another_service_labels(digits, monkeypatch) -> None:
    monkeypatch.setenv("QUERIST_LABELS_TOKEN", "let-me-in")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # not for what is on this machine
    monkeypatch.delenv("no_proxy", raising=False)
    Service.known, Service.asked = truth(digits), []
    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/label"
        asked = {**ASKED, "rounds": 1, "oracle": "service", "labels": address}
        folder = start_rounds(digits, asked, "remote")
        assert len(advance_rounds(digits, folder).missing) == 1
        assert advance_rounds(digits, folder).state == "done"
        assert Service.asked == [25, 1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    with pytest.raises(PoolError, match="gave no labels"):
        LabelService(address, 1.0).answer(digits, digits.items(limit=1))


def test_what_cannot_be_is_refused(digits, tmp_path) -> None:
    with pytest.raises(ConfigError, match="budget"):
        start_rounds(digits, {"rounds": 1, "budget": 0})
    with pytest.raises(ConfigError, match="labels: is needed by oracle: file"):
        start_rounds(digits, {**ASKED, "oracle": "file"})
    with pytest.raises(ConfigError, match=r"http\(s\) address"):
        start_rounds(digits, {**ASKED, "oracle": "service", "labels": "ftp://there"})
    with pytest.raises(ConfigError, match="holds no password"):
        start_rounds(digits, {**ASKED, "oracle": "service", "labels": "http://ada:pw@there/x"})
    for trainer, sentence in (
        ("nowhere:train", "trainer: "),
        ("linear_haed", "Did you mean 'linear_head'"),
        ({"use": "linear_head", "l3": 1}, "has no option 'l3'. Did you mean 'l2'"),
        ({"use": "linear_head", "l2": -1}, "l2 is a number from 0"),
        ("fine_tune", "needs one as model"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            start_rounds(digits, {**ASKED, "trainer": trainer})
    with pytest.raises(ConfigError, match=r"rouns: unknown key\. Did you mean 'rounds'"):
        start_rounds(digits, {**ASKED, "rouns": 3})
    with pytest.raises(ConfigError, match=r"Did you mean 'margin'"):
        start_rounds(digits, {**ASKED, "strategy": "margn"})
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("name,label\na,b\n")
    asked = {**ASKED, "oracle": "file", "labels": str(wrong)}
    waiting = digits.rounds("wrong", **asked)
    assert (waiting.state, len(waiting.missing)) == ("labelling", 25)
    assert "has no label of 25 picked items yet. Items are found by the columns" in waiting.note
    with pytest.raises(SourceError, match=r"none\.csv"):
        LabelsFile(tmp_path / "none.csv").answer(digits, [])


def test_in_one_line(digits, tmp_path) -> None:
    asked = {**ASKED, "rounds": 1, "oracle": "person"}
    status = digits.rounds("line", **asked)
    assert digits.rounds("line") == status == digits.rounds("line", **asked)
    with pytest.raises(ConfigError, match="begun with other settings"):
        digits.rounds("line", **{**asked, "budget": 3})
    assert digits.rounds("line", rounds=2).rounds == 2  # more rounds than were asked for at first


def test_a_hold_out_judges_every_model_and_teaches_none(digits, tmp_path) -> None:
    path = labels_file(digits, tmp_path / "labels.csv")
    asked = {"rounds": 3, "budget": 30, "holdout": 100, "oracle": "file", "labels": str(path)}
    status = digits.rounds("judged", **asked)
    assert status.state == "done"
    assert digits.count("labelled") == 190
    assert [one["labels"] for one in status.metrics] == [30, 60, 90]
    assert [one["holdout.rows"] for one in status.metrics] == [100, 100, 100]
    accuracies = [one["holdout.accuracy"] for one in status.metrics]
    assert accuracies[-1] > accuracies[0]
    told = RoundsTold(RunFolder(digits.folder / "rounds" / "judged"))
    aside = set(picked_rows(digits, told.queries[0]).tolist())
    assert len(aside) == 100
    for number in (1, 2, 3):
        assert not aside & set(picked_rows(digits, told.queries[number]).tolist())
    # What the status says of the unlabelled items is near what the hold-out says.
    assert accuracies[-1] == pytest.approx(default_accuracy(digits, status.model), abs=0.05)


def test_labels_that_are_there_already_choose_the_first_round(digits) -> None:
    known = truth(digits)
    some = [item.id for item in digits.items(limit=40)]
    digits.label({id: known[id] for id in some}, by="ada")
    status = digits.rounds("later", rounds=1, budget=5)
    assert [one["labels"] for one in status.metrics] == [40]
    first = digits.folder / "queries" / "later-1"
    assert query_result(first).strategy == "margin"
    digits.label({id: known[id] for id in status.missing}, by="ada")
    digits.rounds("later")
    summary = summary_of_rounds(digits.folder / "rounds" / "later")
    assert (summary["labels"]["imported"], summary["labels"]["charged"]) == (40, 5)
    assert summary["learning"]["labels"] == [40, 45]
    assert summary["labels"]["by_origin"] == {"imported": 40, "person": 5}


def test_rounds_end_when_nothing_is_left(tmp_path) -> None:
    settings = {"transform": {"modality": "text"}, "classes": ("a", "b")}
    with Pool.create(tmp_path / "small", settings) as pool:
        texts = [f"{word} number {n}" for n in range(6) for word in ("cat", "dog")]
        pool.add_items([{"text": text, "id": text} for text in texts])
        path = tmp_path / "labels.csv"
        path.write_text("id,label\n" + "".join(f"{t},{'ab'[t[0] == 'd']}\n" for t in texts))
        asked = {"rounds": 9, "budget": 5, "oracle": "file", "labels": str(path)}
        status = pool.rounds("all", **asked)
        assert (status.state, status.number) == ("done", 3)
        assert "nothing is left to label" in status.note
        assert [one["labels"] for one in status.metrics] == [5, 10, 12]
        pool.add_items([{"text": "cat number 99", "id": "new"}])
        assert pool.rounds("all").missing == ("new",)  # there is something left again


def test_one_class_teaches_nothing_yet(digits) -> None:
    status = digits.rounds("same", rounds=3, budget=4)
    for _ in range(2):
        digits.label(dict.fromkeys(status.missing, "7"), by="ada")
        status = digits.rounds("same")
    assert status.model is None
    assert (status.number, status.state) == (3, "labelling")


def test_features_are_computed_once_for_all_rounds(digits, tmp_path) -> None:
    Counting.seen = 0
    path = labels_file(digits, tmp_path / "labels.csv")
    model = {"use": "python", "object": "rounds_models:Counting"}
    asked = {"rounds": 3, "budget": 20, "model": model, "holdout": 30}
    status = digits.rounds("once", **asked, oracle="file", labels=str(path))
    assert status.state == "done"
    # Every picture once: a head is scanned as its base, whose features are kept.
    assert Counting.seen == 500
    # By these features all rounds are comparable, whatever heads said of them.
    for number in (1, 2, 3):
        drift = digits.drift("once-1" if number > 1 else "once-2", f"once-{number}")
        assert (drift.method, drift.p_value > 0.01) == ("mmd", True)


def test_a_picture_that_is_gone_is_left_out_of_training(digits, tmp_path) -> None:
    status = digits.rounds("gone", rounds=2, budget=20)
    known = truth(digits)
    digits.label({id: known[id] for id in status.missing}, by="ada")
    shutil.rmtree(digits.folder / "cache")
    for id in status.picked[:3]:
        Path(digits.item(id).uri.removeprefix("file://")).unlink()
    status = digits.rounds("gone")
    assert status.metrics[0]["train.rows"] == 17
    assert (status.number, status.state) == (2, "labelling")


NETWORK = {"use": "torch", "builder": "rounds_models:network"}
TUNED = {"use": "fine_tune", "epochs": 8, "batch_size": 16, "learning_rate": 0.02}


@pytest.mark.slow
def test_a_network_is_fine_tuned_in_every_round(digits, tmp_path) -> None:
    path = labels_file(digits, tmp_path / "labels.csv")
    asked = {"rounds": 2, "budget": 60, "model": NETWORK, "trainer": TUNED, "holdout": 60}
    status = digits.rounds("tuned", **asked, oracle="file", labels=str(path))
    assert status.state == "done"
    assert status.model["use"] == "torch"
    assert [one["labels"] for one in status.metrics] == [60, 120]
    accuracies = [one["holdout.accuracy"] for one in status.metrics]
    assert accuracies[-1] > 0.75
    first = RunFolder(digits.folder / "queries" / "tuned-1").config()["settings"]
    assert first["model"] is None  # an untrained network's opinion is noise
    second = RunFolder(digits.folder / "queries" / "tuned-2").config()["settings"]
    assert "round-1" in second["model"]["weights"]


@pytest.mark.slow
def test_fine_tuning_that_is_stopped_goes_on_from_its_checkpoint(digits, tmp_path) -> None:
    path = labels_file(digits, tmp_path / "labels.csv")
    asked = {"rounds": 1, "budget": 60, "model": NETWORK, "trainer": TUNED}
    folder = start_rounds(digits, {**asked, "oracle": "file", "labels": str(path)}, "cut")
    epochs: list[int] = []

    def tell(told) -> None:
        if told.stage.startswith("training"):
            epochs.append(told.done)

    stopped = advance_rounds(digits, folder, lambda: len(epochs) >= 3, tell)
    assert (stopped.state, stopped.metrics) == ("ready", ())
    done = advance_rounds(digits, folder, progress=tell)
    assert done.state == "done"
    assert epochs == list(range(1, int(done.metrics[0]["train.epochs"]) + 1))


def default_accuracy(pool: Pool, model) -> float:
    """Of what has no label, by a model that the default trainer wrote."""
    known = truth(pool)
    rows = np.concatenate(list(pool.rows("unlabelled")))
    features = embeddings_of(pool, rows, model["base"])
    head = load_file(model["weights"])
    said = (features @ head["weight"][0] + head["bias"][0]).argmax(axis=1)
    names = {item.row: known[item.id] for item in pool.fetch(rows)}
    right = [NAMES[s] == names[row] for s, row in zip(said, rows.tolist(), strict=True)]
    return float(np.mean(right))


def test_the_default_trainer_learns_and_its_model_asks_the_next_round(digits, tmp_path) -> None:
    path = labels_file(digits, tmp_path / "labels.csv")
    asked = {"rounds": 3, "budget": 40, "oracle": "file", "labels": str(path)}
    status = digits.rounds("default", **asked)
    assert status.state == "done"
    assert [one["train.rows"] for one in status.metrics] == [40, 80, 120]
    assert status.model["base"] == {"use": "features", "modality": "image"}
    asked_by = RunFolder(digits.folder / "queries" / "default-3").config()
    assert "round-2.safetensors" in json.dumps(asked_by)  # the head of a round asks the next one
    assert default_accuracy(digits, status.model) > 0.95  # 99.2 %
    first = status.model["weights"].replace("round-3", "round-1")
    began = default_accuracy(digits, {**status.model, "weights": first})
    assert default_accuracy(digits, status.model) > began
