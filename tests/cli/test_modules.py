"""Code of one's own beside the file that names it: found by `querist`, from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MODEL = """
import numpy as np

def bright(batch):
    light = batch.reshape(len(batch), -1).mean(axis=1) / 255
    return np.stack([light, 1 - light], axis=1)
"""


def querist(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as it is installed: without the current folder on Python's path."""
    code = "import sys; sys.path = [p for p in sys.path if p]; from querist.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Photographs, a model in Python, and a pool.yaml that names it."""
    folder = tmp_path / "project"
    (folder / "photos").mkdir(parents=True)
    for number in range(12):
        pixels = np.full((8, 8, 3), 20 * number, np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
    (folder / "my_eyes.py").write_text(MODEL)
    (folder / "pool.yaml").write_text(
        "data: {from: photos}\nbudget: 3\nmodel: {use: python, function: 'my_eyes:bright'}\n"
    )
    return folder


def test_a_module_beside_the_pool_file_is_found(project: Path, tmp_path: Path) -> None:
    assert querist(tmp_path, "check", "project/pool.yaml").returncode == 0
    ran = querist(tmp_path, "run", "project/pool.yaml")
    assert ran.returncode == 0, ran.stderr
    assert "margin" in ran.stdout


def test_a_module_in_the_current_folder_is_found(project: Path) -> None:
    assert querist(project, "pool", "create", "mine", "photos").returncode == 0
    model = ("-m", "use=python", "-m", "function=my_eyes:bright")
    ran = querist(project, "query", "run", "mine", "-n", "2", *model)
    assert ran.returncode == 0, ran.stderr


def test_a_module_beside_the_models_file_is_found(project: Path, tmp_path: Path) -> None:
    (project / "eyes.yaml").write_text("{use: python, function: 'my_eyes:bright'}")
    assert querist(tmp_path, "pool", "create", "mine", "project/photos").returncode == 0
    ran = querist(tmp_path, "query", "run", "mine", "-n", "2", "-m", "project/eyes.yaml")
    assert ran.returncode == 0, ran.stderr


def test_a_query_is_resumed_with_the_module_beside_its_pool(project: Path, tmp_path: Path) -> None:
    (project / "my_eyes.py").rename(project / "away.py")
    assert querist(tmp_path, "run", "project/pool.yaml").returncode != 0
    (project / "away.py").rename(project / "my_eyes.py")
    (query,) = (project / "pool" / "queries").iterdir()
    resumed = querist(tmp_path, "resume", str(query.relative_to(tmp_path)))
    assert resumed.returncode == 0, resumed.stderr


@pytest.mark.parametrize(
    "model",
    [
        "{use: python, function: 'not_there:bright'}",
        "{use: python, object: 'my_eyes:dark'}",
        "{use: torch, builder: 'not_there:build'}",
    ],
)
def test_check_tells_of_code_that_is_not_there(project: Path, model: str) -> None:
    (project / "pool.yaml").write_text(f"data: {{from: photos}}\nbudget: 3\nmodel: {model}\n")
    checked = querist(project, "check", "pool.yaml")
    assert checked.returncode == 2
    assert "line 3, model" in checked.stderr
    assert "not_there" in checked.stderr or "'dark'" in checked.stderr


def test_check_tells_of_a_file_that_is_not_there(project: Path) -> None:
    model = "{use: sklearn, file: [a.skops, b.skops]}"
    (project / "pool.yaml").write_text(f"data: {{from: photos}}\nbudget: 3\nmodel: {model}\n")
    checked = querist(project, "check", "pool.yaml")
    assert checked.returncode == 2
    assert "line 3, model.file: there is no file" in checked.stderr
    assert "a.skops" in checked.stderr
