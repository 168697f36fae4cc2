"""Rounds at a real server: from the command line, and over its death."""

from __future__ import annotations

import csv
import signal
from pathlib import Path

import numpy as np
import pytest
from command_line import call
from PIL import Image

from querist import Client

NETWORK = """
import time

def stripes():
    import torch

    class Slow(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layer = torch.nn.Linear(3 * 16 * 16, 2)

        def forward(self, x):
            time.sleep(0.05)  # an epoch takes long enough to be interrupted
            return self.layer(x.flatten(1))

    return Slow()
"""


@pytest.fixture
def stripes(tmp_path: Path) -> Path:
    """Forty pictures, lying or standing by their numbers."""
    folder = tmp_path / "stripes"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(40):
        pixels = rng.integers(0, 60, (16, 16, 3), np.uint8)
        part = pixels[::4] if number % 2 else pixels[:, ::4]
        part += 150
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    return folder


def kind(uri: str) -> str:
    return ("standing", "lying")[int(Path(uri).stem) % 2]


@pytest.mark.slow
def test_rounds_at_a_service_from_the_command_line(serve, stripes: Path, tmp_path: Path) -> None:
    server = serve(tenants={"default": {"roots": [str(stripes)]}})
    at, todo = ("--server", server.url), tmp_path / "todo.csv"
    said = ["-n", 6, "--progress", "none", "-o", todo, *at]
    call("pool", "create", "birds", stripes, "--classes", "lying,standing", *at)
    result = call("pool", "rounds", "birds", *said)
    assert result.exit_code == 0, result.output
    assert "6 items without a label" in result.stderr
    assert f"querist label birds --from {todo} --server {server.url}" in result.stderr
    again = call("pool", "rounds", "birds", *said)  # no new round while labels are awaited
    assert again.stdout == result.stdout
    with todo.open() as file:
        rows = list(csv.DictReader(file))
    call("label", "birds", "--skip", rows[0]["id"], *at)
    with todo.open("w") as file:
        lines = [f"{row['id']},{kind(row['item'])}" for row in rows[1:]]
        file.write("\n".join(["id,label", *lines]))
    assert call("label", "birds", "--from", todo, *at).stdout == "5 labels recorded\n"
    result = call("pool", "rounds", "birds", *said)
    lines = result.stdout.splitlines()
    assert lines[1].split()[:4] == ["1", "done", "0", "6"]
    assert lines[2].split()[:4] == ["2", "done", "5", "6"]
    assert "mod_" in lines[2]
    assert '"p_value"' in call("pool", "drift", "birds", "--json", *at).stdout
    refused = call("pool", "rounds", "birds", *said, "--start", "random")
    assert (refused.exit_code, "--start" in refused.stderr) == (2, True)
    with Client(server.url) as client:
        first = rows[0]["id"]
        assert [one.kind for one in client.history("birds", first)] == ["skip"]
        assert client.unlabel("birds", [first]).labels == 1
        assert [one.kind for one in client.history("birds", first)] == ["skip", "withdraw"]


@pytest.mark.slow
def test_rounds_with_a_file_of_labels_and_a_holdout(serve, stripes: Path, tmp_path: Path) -> None:
    server = serve(tenants={"default": {"roots": [str(tmp_path)]}})
    at = ("--server", server.url, "--progress", "none")
    names = [f"{path},{kind(path)}" for path in map(str, sorted(stripes.iterdir()))]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *names[:8]]))
    call("pool", "create", "birds", stripes, "--classes", "lying,standing", *at[:2])
    said = ["-n", 5, "--rounds", 3, "--holdout", 12, "--labels", tmp_path / "labels.csv"]
    result = call("pool", "rounds", "birds", *said, *at)  # the file has labels of few items
    assert result.stdout.splitlines()[-1].split()[:2] == ["1", "done"]
    assert "has no label of" in result.stderr
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *names]))
    result = call("pool", "rounds", "birds", *said, *at)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    told = [line.split() for line in result.stdout.splitlines()]
    assert [line[:5] for line in told[1:]] == [
        [str(number), "done", str(5 * (number - 1)), "5", "5"] for number in (1, 2, 3)
    ]
    assert "hold-out" in " ".join(told[3]), result.stdout
    again = call("pool", "rounds", "birds", *said, *at)  # there are three: nothing is to be done
    assert again.stdout == result.stdout


@pytest.mark.slow
def test_people_label_the_holdout_first(serve, stripes: Path, tmp_path: Path) -> None:
    server = serve(tenants={"default": {"roots": [str(stripes)]}})
    at, todo = ("--server", server.url), tmp_path / "todo.csv"
    said = ["-n", 6, "--holdout", 8, "--progress", "none", "-o", todo, *at]
    call("pool", "create", "birds", stripes, "--classes", "lying,standing", *at)
    for missing, rounds in ((8, 0), (6, 1), (6, 2)):
        result = call("pool", "rounds", "birds", *said)
        assert f"{missing} items without a label" in result.stderr, result.output
        assert len(result.stdout.splitlines()) == (1 + rounds if rounds else 0)
        with todo.open() as file:
            lines = [f"{row['id']},{kind(row['item'])}" for row in csv.DictReader(file)]
        todo.write_text("\n".join(["id,label", *lines]))
        call("label", "birds", "--from", todo, *at)
    assert "hold-out" in result.stdout.splitlines()[2]


@pytest.mark.slow
@pytest.mark.kill
def test_a_round_goes_on_after_the_server_was_killed_in_its_training(serve, stripes: Path) -> None:
    models = {"use": ["features", "head", "torch"], "builders": ["nets_of_rounds:stripes"]}
    server = serve(tenants={"default": {"roots": [str(stripes)]}}, models=models)
    (server.folder / "nets_of_rounds.py").write_text(NETWORK)
    transform = {"modality": "image", "size": 16}
    with Client(server.url) as client:
        client = client.within(120)
        client.create_pool("birds", classes=["lying", "standing"], transform=transform)
        client.wait(client.add("birds", str(stripes)))
        items = list(client.items("birds"))[:20]
        client.label("birds", {item.id: kind(item.uri) for item in items})
        network = {"use": "torch", "builder": "nets_of_rounds:stripes"}
        trainer = {"use": "fine_tune", "epochs": 10, "patience": 10, "batch_size": 4}
        begun = client.start_round("birds", budget=5, model=network, trainer=trainer)
        for event in client.events(begun):
            progress = event.job.progress
            if progress.stage.startswith("training") and progress.done >= 2:
                break
        server.end(signal.SIGKILL)
        server.start()
        told = []
        done = client.wait(begun, lambda job: told.append(job.progress))
        assert (done.state, done.attempts) == ("done", 2)
        trained = [one.done for one in told if one.stage.startswith("training")]
        assert min(trained) >= 2  # it went on from its checkpoint
        seen = client.round(begun)
        assert seen.metrics["train.epochs"] == 10
        assert (seen.picked, seen.labelled) == (5, 0)
        assert client.model(seen.trained).settings["weights"].startswith("upload:")
        assert len(list(client.picks(begun))) == 5
