"""Rounds from the command line: a file of labels, people, and pool.yaml."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import call

from querist.accounting.summary import Summary
from querist.pool.pool import Pool
from querist.testing.jobs import mpiexec

WORDS = {"animal": ("cat", "dog", "horse"), "tool": ("hammer", "saw", "drill")}


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Sixty short texts about animals or tools; their labels are in labels.csv."""
    rows = [
        (f"t{n}-{word}", f"a {word} of size {n}", kind)
        for kind, words in WORDS.items()
        for word in words
        for n in range(10)
    ]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "label"))
        writer.writerows((id, kind) for id, _, kind in rows)
    settings = {"transform": {"modality": "text"}, "classes": tuple(WORDS)}
    with Pool.create(tmp_path / "texts", settings) as made:
        made.add_items([{"id": id, "text": text} for id, text, _ in rows])
    return tmp_path / "texts"


def test_a_file_of_labels_carries_all_rounds(pool: Path) -> None:
    labels = pool.parent / "labels.csv"
    said = ["--rounds", 2, "-n", 12, "--holdout", 20, "--labels", labels, "--progress", "none"]
    result = call("pool", "rounds", pool, *said)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["round", "labels", "accuracy"]
    assert lines[-1] == "main: done, 24 labels"
    folder = pool / "rounds" / "main"
    assert f"The newest model: {folder / 'model.yaml'}" in result.stderr
    # Whatever is said of a run can be said of rounds.
    assert call("status", folder).stdout == result.stdout
    assert call("resume", folder, "--progress", "none").stdout == result.stdout
    summary = Summary.from_json(call("summary", folder).stdout)
    assert summary["run"]["status"] == "finished"
    assert summary["labels"]["by_purpose"] == {"holdout": 20, "train": 24}
    assert summary["learning"]["train"] == [12, 24]
    assert len(summary["learning"]["metrics"]["accuracy"]) == 2
    assert call("report", folder).output.strip().endswith("report.html")
    page = (folder / "report.html").read_text()
    assert 'id="learning"' in page
    assert not [part for part in ("workers", "cost", "uncertainty") if f'id="{part}"' in page]
    assert "accuracy by number of labels." in page
    # The model that came of it asks further queries.
    model = folder / "model.yaml"
    told = call("query", "run", pool, "-n", 3, "-m", model, "--progress", "none", "--json")
    assert len(told.stdout.splitlines()) == 3
    assert "the model says" in told.stdout
    query = next((pool / "queries").iterdir())
    assert call("status", query).stdout.startswith("done, ")
    assert "querist query result" in call("report", query).stderr


def test_people_are_waited_for_and_told_what_to_do(pool: Path, tmp_path: Path) -> None:
    todo = tmp_path / "todo.csv"
    said = ["--progress", "none", "-o", todo]
    result = call("pool", "rounds", pool, "first", "--rounds", 2, "-n", 4, *said)
    assert result.exit_code == 0
    assert "first: round 1 of 2, labelling, 4 of 4 items without a label" in result.stdout
    assert f"querist label {pool} --from {todo}" in result.stderr
    assert f"querist pool rounds {pool} first" in result.stderr
    for number in (1, 2):
        with todo.open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 4
        known = {row["id"]: kind_of(row["id"]) for row in rows}
        with todo.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows({**row, "label": known[row["id"]]} for row in rows)
        assert call("label", pool, "--from", todo).stdout == "4 labels recorded\n"
        result = call("pool", "rounds", pool, "first", *said)
        assert result.exit_code == 0, result.output
        assert (f"round {number + 1} of 2" if number == 1 else "first: done") in result.stdout
    assert call("pool", "rounds", pool, "first", "--rounds", 3, *said).exit_code == 0
    status = json.loads(call("pool", "rounds", pool, "first", "--status", "--json").stdout)
    assert (status["number"], status["rounds"], status["state"]) == (3, 3, "labelling")


def kind_of(id: str) -> str:
    return next(kind for kind, words in WORDS.items() if id.partition("-")[2] in words)


def test_what_cannot_be_is_refused_with_a_sentence(pool: Path) -> None:
    assert "There are no rounds 'main'" in call("pool", "rounds", pool).stderr
    assert call("pool", "rounds", pool, "--status").exit_code == 2
    wrong = ["--rounds", 1, "-n", 2, "--trainer", "linaer_head"]
    assert "Did you mean 'linear_head'" in call("pool", "rounds", pool, *wrong).stderr
    assert not (pool / "rounds").exists()
    for id in ("../evil", "..", ".hidden", "a/b", "x" * 41):
        result = call("pool", "rounds", pool, id, "--rounds", 1, "-n", 2)
        assert (result.exit_code, "Rounds are named by letters" in result.stderr) == (2, True)
    assert "is a pool" in call("status", pool).stderr
    missing = ["--rounds", 1, "-n", 2, "--labels", "nowhere.csv", "--progress", "none"]
    result = call("pool", "rounds", pool, *missing)
    assert (result.exit_code, "nowhere.csv" in result.stderr) == (1, True)
    assert str(pool / "rounds" / "main") in call("report", pool).stderr


def test_the_pool_file_has_rounds(tmp_path: Path) -> None:
    kinds = ["animal", "tool"]
    texts = [f"n{n},a {('cat', 'saw')[n % 2]} of size {n}" for n in range(30)]
    labels = [f"n{n},{kinds[n % 2]}" for n in range(30)]
    (tmp_path / "items.csv").write_text("\n".join(["id,text", *texts]))
    (tmp_path / "labels.csv").write_text("\n".join(["id,label", *labels]))
    path = tmp_path / "pool.yaml"
    said = "data: {from: items.csv, classes: [animal, tool]}\nbudget: 5\n"
    path.write_text(f"{said}rounds: {{count: 2, labels: labels.csv, holdout: 10}}\n")
    assert "5 items of" in call("check", path).stdout
    result = call("run", path, "--progress", "none")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "main: done, 10 labels")
    assert call("pool", "rounds", path, "--progress", "none").exit_code == 0
    path.write_text(f"{said}rounds: {{count: 2, holdot: 3}}\n")
    problems = call("check", path).stderr
    assert "line 3, rounds.holdot: unknown key. Did you mean 'holdout'?" in problems
    path.write_text(f"{said.replace('5', '5 %')}rounds: 2\n")
    assert "line 3, rounds: with rounds, budget should be" in call("check", path).stderr
    path.write_text(f"{said}strategy: margn\nrounds: 2\n")
    assert "Did you mean 'margin'" in call("check", path).stderr
    path.write_text(said)
    assert "has no section rounds" in call("pool", "rounds", path).stderr


SLOW = """
import time
import zlib
import numpy as np
from querist.models.trainers.linear_head import train_linear_head

class Features:
    provides, classes, digest = frozenset({"embeddings"}), (), "slow-features"

    def infer(self, batch, wanted):
        time.sleep(0.01 * len(batch))
        words = [text.split()[1] for text in batch]
        rows = [[zlib.crc32(f"{n}{word}".encode()) / 2**32 for n in range(4)] for word in words]
        return {"embeddings": np.array(rows, np.float32)}

    def close(self):
        pass

def train(*arguments):
    time.sleep(0.5)
    return train_linear_head(*arguments)
"""


@pytest.mark.slow
@pytest.mark.kill
def test_rounds_that_are_killed_end_as_those_that_are_not(pool: Path, tmp_path: Path) -> None:
    (tmp_path / "slow_rounds.py").write_text(SLOW)
    labels = pool.parent / "labels.csv"
    said = ["--rounds", 2, "-n", 8, "--holdout", 10, "--labels", labels, "--progress", "plain"]
    said += ["-m", "use=python", "-m", "object=slow_rounds:Features", "--start", "k-center"]
    said += ["--trainer", "slow_rounds:train"]

    def begun(id: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "querist", "pool", "rounds", pool, id, *said]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
        return subprocess.Popen(
            list(map(str, command)),
            env=env,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    for moment in ("scan of candidates", "training", "scan of candidates", "training"):
        process = begun("killed")
        assert process.stderr is not None
        assert any(moment in line for line in process.stderr), moment
        process.kill()
        process.communicate()
    process = begun("killed")
    told, _ = process.communicate(timeout=120)
    assert (process.returncode, told.splitlines()[-1]) == (0, "killed: done, 16 labels")
    with Pool.open(pool) as opened:
        assert opened.count("labelled") == 26
        opened.unlabel([item.id for item in opened.items("labelled")], by="")
        assert opened.count("unlabelled") == 60
    other, _ = begun("undisturbed").communicate(timeout=120)
    assert other.splitlines()[:-1] == told.splitlines()[:-1]
    for number in range(3):
        picks = [
            call("query", "result", pool / "queries" / f"{id}-{number}", "--json").stdout
            for id in ("killed", "undisturbed")
        ]
        assert picks[0] == picks[1]


@pytest.mark.slow
@pytest.mark.mpi
def test_ranks_answer_a_query_and_play_rounds(pool: Path, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def ranks(*said: object) -> subprocess.CompletedProcess[str]:
        command = [*mpiexec(3), sys.executable, "-m", "querist", *map(str, said)]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)

    said = ["-n", 5, "--strategy", "k-center", "--progress", "none", "--json"]
    told = ranks("query", "run", pool, *said, "--engine", "mpi")
    assert (told.returncode, len(told.stdout.splitlines())) == (0, 5), told.stderr
    assert told.stdout == call("query", "run", pool, *said).stdout
    refused = ranks("query", "run", pool, *said)
    assert refused.returncode != 0
    assert "Use --engine mpi, or start one process" in refused.stderr
    with (tmp_path / "items.csv").open("w") as file:
        file.write(
            "id,text\n" + "".join(f"n{n},a {('cat', 'saw')[n % 2]} {n}\n" for n in range(40))
        )
    with (tmp_path / "labels.csv").open("w") as file:
        file.write("id,label\n" + "".join(f"n{n},{('pet', 'tool')[n % 2]}\n" for n in range(40)))
    path = tmp_path / "pool.yaml"
    path.write_text(
        "data: {from: items.csv, classes: [pet, tool]}\nbudget: 4\nquery: {engine: mpi}\n"
        "rounds: {count: 2, labels: labels.csv}\n"
    )
    told = ranks("run", path, "--progress", "none")
    assert (told.returncode, told.stdout.splitlines()[-1]) == (0, "main: done, 8 labels")
    folder = told.stdout.splitlines()[0].partition(":")[0]
    asked = ["pool", "rounds", folder, "again", "--progress", "none"]
    told = ranks(*asked, "--rounds", 1, "-n", 4, "--labels", tmp_path / "labels.csv",
                 "--engine", "mpi")  # fmt: skip
    assert (told.returncode, told.stdout.splitlines()[-1]) == (0, "again: done, 12 labels")
    told = ranks(*asked, "--rounds", 2)  # of the engine that they were begun with
    assert (told.returncode, told.stdout.splitlines()[-1]) == (0, "again: done, 16 labels")
