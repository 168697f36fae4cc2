"""The tutorial notebook runs from its first cell to its last, and shows what it says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the notebook's own machinery
def test_the_tutorial_runs(tmp_path: Path, monkeypatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient").NotebookClient
    source = NOTEBOOK.parents[1] / "src"
    paths = [str(source), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    client(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", [])]
    shown = [one["data"]["text/html"] for one in outputs if "text/html" in one.get("data", {})]
    campaign, live, report, picks = shown
    assert "Campaign wave" in campaign
    assert "50 of 50" in live  # the last state of the cell that was drawn anew
    assert report.startswith("<iframe")
    assert "Learning" in report
    assert "4 of 24 items picked by" in picks
    assert not any(one.get("name") == "stderr" for one in outputs)
    words = "".join(one["text"] for one in outputs if one["output_type"] == "stream")
    assert "error on the hold-out" in words
