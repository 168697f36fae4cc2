"""Picks go to Label Studio and annotations come back, over a fake server."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from fake_studio import LEGACY
from PIL import Image

from querist.cli.label_studio import push
from querist.cli.suggest import suggest
from querist.integrations.label_studio import exchange as exchanging
from querist.integrations.label_studio.exchange import Exchange, Suggestion, take
from querist.pool.errors import UnknownItem
from querist.pool.pool import Pool


def test_a_project_is_made_once_and_attached_to(pool, studio, held) -> None:
    first = Exchange.connect(pool, studio)
    assert Exchange.connect(pool, studio).project == first.project
    assert [one["title"] for one in held.projects] == ["pets"]
    assert '<Choice value="cat"/>' in held.projects[0]["label_config"]


def test_picks_become_tasks_with_predictions_once(pool, studio, held, monkeypatch) -> None:
    monkeypatch.setattr(exchanging, "BATCH", 2)
    there = Exchange.connect(pool, studio)
    done = there.push([f"t{n}" for n in range(5)], {"t1": Suggestion("dog", 0.75)}, "round-3")
    assert (done.sent, done.there, done.left_out, held.largest) == (5, 0, {}, 2)
    assert there.push(["t0", "t5"])[:2] == (1, 1)
    task = held.tasks[2]
    assert task["data"] == {"text": "pet 1"}
    assert task["predictions"][0]["model_version"] == "round-3"
    assert task["predictions"][0]["score"] == 0.75
    assert task["predictions"][0]["result"][0]["value"] == {"choices": ["dog"]}
    with pytest.raises(UnknownItem):
        there.push(["nobody"])


def test_annotations_come_back_under_their_annotators(pool, studio, held) -> None:
    there = Exchange.connect(pool, studio)
    there.push([f"t{n}" for n in range(5)])
    held.choose(1, "cat")
    held.choose(2, "cat")
    held.choose(2, "dog")  # the same one thinks again
    held.choose(3, "dog", completed_by={"id": 8, "email": "bob@example.com"})
    held.annotate(4, [], was_cancelled=True)
    held.annotate(5, [])
    done = there.pull()
    assert (done.labels, done.skips, done.unknown, list(done.broken)) == (4, 1, 0, [])
    found = {item.id: (item.state, item.label) for item in pool.items()}
    assert found["t0"] == ("labelled", "cat")
    assert found["t1"] == ("labelled", "dog")
    assert found["t3"][0] == "skipped"
    assert found["t4"] == ("empty", [])
    assert pool.history("t0")[0].annotator == "ada@example.com"
    assert pool.history("t2")[0].annotator == "bob@example.com"
    assert there.pull()[:2] == (0, 0)


class Sure:
    """A model that takes every text for a dog."""

    digest, provides, classes = "sure", frozenset({"probabilities"}), ("cat", "dog")

    def infer(self, batch, wanted):
        return {"probabilities": np.tile([0.25, 0.75], (len(batch), 1))}

    def close(self) -> None:
        pass


def test_what_a_model_says_is_kept_and_sent_from_the_command_line(
    pool, served, held, monkeypatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", LEGACY)
    sure = ["-m", "use=python", "-m", f"object={__name__}:Sure"]
    to = [str(pool.folder), "--url", served[0], "--where"]

    def run(command, *texts: str) -> str:
        result = CliRunner().invoke(command, [*texts], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    assert "dog" in run(suggest, str(pool.folder), *sure, "--limit", "2")
    run(push, *to, "all", "--limit", "3")  # what was kept
    said = [task.get("predictions") for task in held.tasks.values()]
    assert [bool(one) for one in said] == [True, True, False]
    assert (said[0][0]["score"], said[0][0]["result"][0]["value"]) == (0.75, {"choices": ["dog"]})
    run(push, *to, "unlabelled", *sure)  # what the model says of these
    assert all(task.get("predictions") for number, task in held.tasks.items() if number > 3)


def test_what_is_deleted_there_is_taken_back_here(pool, studio, held) -> None:
    there = Exchange.connect(pool, studio)
    there.push(["t0", "t1", "t2", "t3", "t4"])
    for task in (1, 2, 3, 4):
        held.choose(task, "cat")
    held.choose(2, "dog")  # a second one of the same annotator
    held.annotate(5, [], was_cancelled=True)
    assert there.pull()[:2] == (4, 1)
    for task in (1, 2, 3, 5):
        held.tasks[task]["annotations"].pop()
    pool.label({"t2": "dog"}, "ada@example.com")  # said on the page since
    held.tasks[4]["created_at"] = "another server's, which counts from 1, too"
    held.tasks[4]["annotations"] = []
    done = there.pull()
    assert (done.labels, done.withdrawn) == (1, 2)
    found = {item.id: (item.state, item.label) for item in pool.items()}
    assert found["t0"] == ("unlabelled", None)
    assert found["t1"] == ("labelled", "cat")  # the first of the two stands again
    assert found["t2"] == ("labelled", "dog")
    assert found["t3"] == ("labelled", "cat")
    assert found["t4"] == ("unlabelled", None)
    assert [one.kind for one in pool.history("t0")] == ["label", "withdraw"]
    assert pool.history("t0")[1].annotator == "ada@example.com"
    assert there.pull() == (0, 0, 0, [], 0)
    held.choose(1, "dog")
    assert there.pull().labels == 1  # said anew


def test_what_is_pulled_twice_is_recorded_once(pool, studio, held) -> None:
    there = Exchange.connect(pool, studio)
    there.push(["t0"])
    held.choose(1, "cat")
    assert [there.pull().labels for _ in range(3)] == [1, 0, 0]
    assert len(pool.history("t0")) == 1


def test_what_cannot_be_used_is_told_and_the_rest_counts(pool, studio, held) -> None:
    there = Exchange.connect(pool, studio)
    there.push(["t0", "t1"])
    held.choose(1, "unicorn")
    held.annotate(2, [{"value": {"choices": 3}}])
    held.choose(2, "dog")
    held.choose(held.add(there.project, data={"text": "somebody's own"}), "cat")
    done = there.pull()
    assert (done.labels, done.unknown, len(done.broken)) == (1, 1, 2)
    assert any("unicorn" in why for why in done.broken)


def test_tasks_that_are_not_wanted_any_more_are_withdrawn(pool, studio, held) -> None:
    there = Exchange.connect(pool, studio)
    there.push(["t0", "t1", "t2", "t3"])
    held.choose(1, "cat")
    held.tasks[2]["drafts"] = [{"result": []}]  # somebody is at it
    assert there.withdraw(["t3"]) == 1
    assert sorted(held.tasks) == [1, 2, 4]


def test_items_that_came_from_an_export_are_known_by_their_number(pool, held) -> None:
    pool.add_items([{"id": "task-41", "text": "exported before"}])
    task = {"id": 41, "annotations": [{"result": [{"value": {"choices": ["cat"]}}]}]}
    assert take(pool, [task]).labels == 1


def test_pictures_travel_in_their_tasks_or_as_links(tmp_path: Path, studio, held) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (4, 4), (255, 0, 0)).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"x" * (exchanging.LARGEST + 1))
    with Pool.create(tmp_path / "pool", {"classes": ["r"]}) as pool:
        pool.add(folder)
        pool.add_items([{"uri": "https://example.com/c.png", "id": "c"}])
        ids = {Path(item.uri).name: item.id for item in pool.items()}
        done = Exchange.connect(pool, studio).push(ids.values())
        assert list(done.left_out) == [ids["b.png"]]
        assert "links" in done.left_out[ids["b.png"]]
        inline, linked = (task["data"]["image"] for task in held.tasks.values())
        assert (
            base64.b64decode(inline.removeprefix("data:image/png;base64,"))
            == (folder / "a.png").read_bytes()
        )
        assert linked == "https://example.com/c.png"
        links = {folder.as_uri() + "/": "/data/local-files/?d=photos/"}
        Exchange(pool, studio, 1, links).push([ids["b.png"]])
        assert held.tasks[3]["data"]["image"] == "/data/local-files/?d=photos/b.png"


def test_rows_of_tables_and_their_numbers(tmp_path: Path, studio, held) -> None:
    with Pool.create(
        tmp_path / "pool", {"task": "regression", "transform": {"modality": "table"}}
    ) as pool:
        pool.add_items([{"id": "r", "table": {"x": 1, "y": 2}}])
        there = Exchange.connect(pool, studio)
        there.push(["r"], {"r": Suggestion(3.5)})
        assert held.tasks[1]["data"] == {"table": {"x": 1, "y": 2}}
        assert held.tasks[1]["predictions"][0]["result"][0]["value"] == {"number": 3.5}
        held.annotate(1, [{"type": "number", "value": {"number": 4}}])
        there.pull()
        assert pool.item("r").label == 4
