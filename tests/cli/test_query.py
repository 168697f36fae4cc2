"""Queries from the command line, on a folder: run, look, resume, cancel, label, and pool.yaml."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from querist.cli import main
from querist.pool.pool import Pool

SLOW_MODEL = """
import time
import numpy as np

def slow(batch):
    time.sleep(0.02 * len(batch))
    odds = np.full((len(batch), 2), 0.5)
    return {"probabilities": odds}
"""


def call(*arguments: object, input: str | None = None) -> Result:
    said = [str(argument) for argument in arguments]
    result = CliRunner().invoke(main, said, input=input)
    assert "Traceback" not in result.output
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Thirty stripes of three kinds, and one file that is no image."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(30):
        pixels = rng.integers(0, 40, (16, 16, 3), np.uint8)
        if number % 3 == 0:
            pixels[::4] += 200
        elif number % 3 == 1:
            pixels[:, ::4] += 200
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def made(photos: Path, tmp_path_factory) -> tuple[Path, Path, Result]:
    """A pool, a query that is done, and what it printed; nobody may change them."""
    folder = tmp_path_factory.mktemp("pools") / "stripes"
    assert call("pool", "create", folder, photos).exit_code == 0
    result = call("query", "run", folder, "-n", 6, "--progress", "plain")
    assert result.exit_code == 0, result.output
    (query,) = (folder / "queries").iterdir()
    return folder, query, result


def test_picks_are_shown_and_failures_are_told(made) -> None:
    _, query, result = made
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["rank", "id", "score", "item", "why"]
    assert [line.split()[0] for line in lines[1:]] == list("012345")
    assert f"query: {query}\n" in result.stderr
    assert f"1 item failed; see: querist query failures {query}" in result.stderr
    failed = call("query", "failures", query).stdout
    assert "broken.png" in failed


def test_the_picks_are_of_every_kind(made) -> None:
    _, query, _ = made
    lines = call("query", "result", query, "--json").stdout.splitlines()
    numbers = [int(Path(json.loads(line)["uri"]).stem) for line in lines]
    assert {number % 3 for number in numbers} == {0, 1, 2}


def test_picks_are_written_and_drawn(made, tmp_path: Path) -> None:
    _, query, _ = made
    said = ["-o", tmp_path / "picks.csv", "--sheet", tmp_path / "picks.png"]
    result = call("query", "result", query, *said)
    assert f"wrote {tmp_path / 'picks.png'}" in result.stderr
    with (tmp_path / "picks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == list("012345")
    assert np.asarray(Image.open(tmp_path / "picks.png")).std() > 10
    call("query", "result", query, "-o", tmp_path / "picks.jsonl")
    lines = (tmp_path / "picks.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [row["id"] for row in rows]


def test_status_and_lists(made) -> None:
    folder, query, _ = made
    record = json.loads(call("query", "status", query, "--json").stdout)
    assert (record["state"], record["done"], record["failed"]) == ("done", 31, 1)
    (line,) = call("query", "list", folder, "--json").stdout.splitlines()
    listed = json.loads(line)
    assert (listed["query"], listed["strategy"]) == (str(query), "typiclust")


def test_a_query_that_is_done_is_resumed_at_once(made) -> None:
    _, query, first = made
    again = call("resume", query, "--progress", "none")
    assert (again.exit_code, again.stdout) == (0, first.stdout)


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["-n", "0"], 2, "neither a number of items"),
        (["-n", "500"], 2, "only 31 are 'unlabelled'"),
        (["-n", "3", "--strategy", "margn"], 1, "margin"),
        (["-n", "3", "--strategy", "margin"], 1, "probabilities"),
        (["-n", "3", "--where", "labelled"], 2, "has no item that is 'labelled'"),
        (["-n", "3", "--scan", "memory=3"], 2, "Did you mean 'memory_mb'?"),
        (["-n", "3", "--model", "nobody"], 2, "a model of this machine is"),
        (["-n", "3", "--model", "use=onx"], 1, "onnx"),
        (["-n", "3", "-o", "nowhere/a.csv"], 2, "does not exist; make it first"),
    ],
)
def test_what_is_wrong_is_a_sentence(made, arguments, status: int, sentence: str) -> None:
    result = call("query", "run", made[0], *arguments, "--progress", "none")
    assert sentence in result.stderr
    assert result.exit_code == status


def test_labels_are_recorded_by_id_and_by_asking(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    call("pool", "create", folder, photos, "--classes", "across,down,none")
    with Pool.open(folder) as pool:
        first, second = (item.id for item in pool.items(limit=2))
    assert call("label", folder, f"{first}=across", "--by", "ada").stdout == "1 label recorded\n"
    asked = call("label", folder, "--ask", "--limit", 5, input="2\ns\nnone\n\nq\n")
    assert asked.stdout == "2 labels recorded, 1 item skipped\n"
    assert "1: across  2: down  3: none" in asked.stderr
    with Pool.open(folder) as pool:
        labels = {label.id: label.value for label in pool.labels()}
    assert labels[first] == "across"
    assert labels[second] == "down"
    assert sorted(labels.values()) == ["across", "down", "none"]
    with Pool.open(folder) as pool:
        assert pool.counts()["skipped"] == 1
    wrong = call("label", folder, f"{second}=sideways")
    assert (wrong.exit_code, "sideways" in wrong.stderr) == (1, True)
    assert call("label", folder).exit_code == 2
    assert call("label", folder, "nonsense").exit_code == 2


def test_what_is_no_label_is_asked_again_and_the_end_of_the_input_ends_in_order(
    photos: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pool"
    call("pool", "create", folder, photos, "--classes", "across,down")
    asked = call("label", folder, "--ask", input="dwn\n2\n1\n")
    assert (asked.exit_code, asked.stdout) == (0, "2 labels recorded\n")
    assert "Did you mean 'down'?" in asked.stderr
    assert "Aborted" not in asked.stderr


def test_ctrl_c_while_labels_are_asked_for_says_what_is_recorded(
    photos: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pool"
    call("pool", "create", folder, photos, "--classes", "across,down")
    command = [sys.executable, "-m", "querist", "label", str(folder), "--ask"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write("1\n")
        process.stdin.flush()
        while "[2/" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert (process.returncode, said.splitlines()[-1]) == (130, "interrupted; 1 label recorded")


def test_picks_of_a_query_are_asked_for_in_their_order(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    call("pool", "create", folder, photos)
    call("query", "run", folder, "-n", 2, "--progress", "none")
    (query,) = (folder / "queries").iterdir()
    ids = [
        json.loads(line)["id"]
        for line in call("query", "result", query, "--json").stdout.splitlines()
    ]
    call("label", folder, "--ask", "--query", query, input="cat\ndog\n")
    with Pool.open(folder) as pool:
        assert [pool.item(id).label for id in ids] == ["cat", "dog"]


def test_a_new_class_is_told_and_has_a_number_at_once(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    call("pool", "create", folder, photos)
    said = call("label", folder, "--ask", "--limit", 4, input="cat\n1\nctt\n2\n")
    assert "a new class: cat\n1: cat\n" in said.stderr
    assert "a new class: ctt\n1: cat  2: ctt\n" in said.stderr
    with Pool.open(folder) as pool:
        assert [item.label for item in pool.items("labelled")] == ["cat", "cat", "ctt", "ctt"]


def test_from_a_file_to_picks(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "pool.yaml"
    path.write_text(f"name: stripes\ndata:\n  from: {photos}\nbudget: 10 %\n")
    checked = call("check", path)
    assert checked.stdout == f"{path} is sound: 10 % of {photos}, in {tmp_path / 'stripes'}.\n"
    result = call("run", path, "--progress", "none")
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'stripes'}: 31 new" in result.stdout
    assert len([line for line in result.stdout.splitlines() if ".png" in line]) == 3
    again = call("run", path, "--progress", "none")
    assert f"{tmp_path / 'stripes'}: 31 unchanged" in again.stdout
    path.write_text(path.read_text().replace("data:", "data:\n  task: multi-label"))
    other = call("run", path, "--progress", "none")
    assert other.exit_code == 2
    assert "task: the pool has 'classification', the file 'multi-label'" in other.stderr


def test_settings_may_change_while_the_pool_is_empty(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "pool.yaml"
    path.write_text("data: {from: nowhere}\nbudget: 2\n")
    assert call("run", path).exit_code == 1  # the folder is misspelt, and the pool is made
    path.write_text(f"data: {{from: {photos}, classes: [cat, dog]}}\nbudget: 2\n")
    ran = call("run", path)
    assert ran.exit_code == 0, ran.output
    assert json.loads(call("pool", "show", tmp_path / "pool", "--json").stdout)["classes"] == [
        "cat",
        "dog",
    ]


def test_queries_are_listed_with_what_they_picked(made: tuple[Path, Path, Result]) -> None:
    folder, _, _ = made
    found = list(map(json.loads, call("query", "list", folder, "--json").stdout.splitlines()))
    assert {(one["picked"], one["budget"]) for one in found if one["state"] == "done"} == {(6, 6)}


def test_check_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "pool.yaml"
    path.write_text("data:\n  from: photos\nbudget: 3\n")
    result = call("check", path)
    assert (result.exit_code, "photos of data.from" in result.stderr) == (2, True)
    path.write_text("data:\n  form: photos\nbudget: 3\n")
    assert "line 2, data.form: unknown key. Did you mean 'from'?" in call("check", path).stderr


def test_a_cancelled_query_is_not_resumed(photos: Path, tmp_path: Path) -> None:
    from querist.pool.query import start_query

    folder = tmp_path / "pool"
    call("pool", "create", folder, photos)
    query = start_query(folder, {"budget": 3})
    assert json.loads(call("query", "cancel", query, "--json").stdout)["state"] == "cancelled"
    result = call("resume", query, "--progress", "none")
    assert (result.exit_code, "cancelled" in result.stderr) == (1, True)
    assert call("query", "result", query).exit_code == 1


@pytest.mark.kill
def test_an_interrupted_query_says_how_to_go_on(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "slow_model.py").write_text(SLOW_MODEL)
    call("pool", "create", tmp_path / "pool", photos)
    model = ["use=python", "function=slow_model:slow", "provides=[probabilities]"]
    said = [part for text in model for part in ("--model", text)]
    said += ["--scan", "chunk=4", "--scan", "batch=2", "--progress", "plain"]
    command = [sys.executable, "-m", "querist", "query", "run", "pool", "-n", "3", *said]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    journal = tmp_path / "pool" / "queries"
    for _ in range(600):
        if any("scan" in path.read_text() for path in journal.glob("*/status.json")):
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    (query,) = journal.iterdir()
    assert f"continue with: querist resume {query}" in errors
    done = subprocess.run(
        [sys.executable, "-m", "querist", "resume", str(query), "--progress", "none"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.splitlines() if ".png" in line]) == 3


def test_a_dry_run_says_the_cost_and_runs_nothing(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    call("pool", "create", folder, photos)
    for command in (["run", folder, "--dry-run"], ["estimate", folder]):
        said = json.loads(call("query", *command, "-n", 4, "--json").stdout)
        assert (said["items"], said["requests"], said["labels"]) == (31, 31, 4)
    assert not list((folder / "queries").glob("*"))


def test_labels_go_out_and_come_in_and_items_are_forgotten(photos: Path, tmp_path: Path) -> None:
    folder, other = tmp_path / "pool", tmp_path / "other"
    call("pool", "create", folder, photos)
    call("pool", "create", other, photos)
    with Pool.open(folder) as pool:
        first, second = (item.id for item in pool.items(limit=2))
    call("label", folder, f"{first}=owl", f"{second}=robin")
    labels = tmp_path / "labels.csv"
    assert "2 items as csv" in call("pool", "export", folder, labels, "--which", "labelled").stdout
    assert call("pool", "import", other, labels).stdout == "2 labels recorded\n"
    assert call("label", other, "--from", labels).stdout == "0 labels recorded\n"
    assert call("pool", "forget", other, first, input="n\n").exit_code == 1
    assert call("pool", "forget", other, first, "--yes").stdout == "1 item forgotten\n"
    outputs = other / "queries" / "begun" / "outputs"
    outputs.mkdir(parents=True)
    (outputs / "part").touch()  # as of a query that is not done
    left = call("pool", "forget", other, first, "--yes").stderr
    assert left.startswith(f"left: {outputs}: an unfinished query")
    again = call("pool", "forget", other, "nobody", "--yes")
    assert (again.exit_code, "nobody" in again.stderr) == (1, True)
    assert json.loads(call("pool", "show", other, "--json").stdout)["items"] == 30


def test_texts_are_shown_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("id,text\n" + "".join(f"t{n},storm number {n} of many\n" for n in range(9)))
    call("pool", "create", tmp_path / "pool", path)
    result = call("query", "run", tmp_path / "pool", "-n", 2)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("storm number") == 2


def test_a_query_that_fails_says_where_the_reasons_are(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(8):
        (tmp_path / "photos" / f"{number}.png").write_text(f"no image {number}")
    call("pool", "create", tmp_path / "pool", tmp_path / "photos")
    result = call("query", "run", tmp_path / "pool", "-n", 2)
    (query,) = (tmp_path / "pool" / "queries").iterdir()
    assert result.exit_code == 1
    assert f"see: querist query failures {query}\n" in result.stderr
    assert "Traceback" not in result.stderr
    assert "0.png" in call("query", "failures", query).stdout
