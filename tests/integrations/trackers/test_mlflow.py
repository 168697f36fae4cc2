"""An MLflow folder, read back by MLflow; where that is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from querist.core.errors import RunError
from querist.integrations.trackers.mlflow import MLflow
from querist.integrations.trackers.points import Point


@pytest.mark.filterwarnings("ignore")
def test_a_run_is_logged(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # needs no database, nor a server
    (tmp_path / "config.json").write_text("{}")
    uri = (tmp_path / "mlruns").as_uri()
    logged = MLflow(uri, "depths", "run 1")
    logged.about({"run.engine": "inline"})
    logged.about({"run.engine": "inline"})
    logged.points([Point("learning/y.mae", 1 / n, 10 * n, 1000.0 + n) for n in range(1, 4)])
    logged.file(tmp_path / "config.json")
    logged.close("finished")
    client = MlflowClient(tracking_uri=uri)
    found = client.get_run(logged.run)
    assert (found.info.status, found.data.params) == ("FINISHED", {"run.engine": "inline"})
    history = client.get_metric_history(logged.run, "learning/y.mae")
    assert [(one.step, one.value) for one in history] == [(10, 1.0), (20, 0.5), (30, 1 / 3)]
    assert [one.path for one in client.list_artifacts(logged.run)] == ["config.json"]
    again = MLflow(uri, "depths")
    assert client.get_run(again.run).info.experiment_id == found.info.experiment_id


def test_what_mlflow_refuses_is_a_sentence(monkeypatch) -> None:
    """A folder is refused by recent versions; a stand-in refuses as they do."""

    class Refusal(Exception):
        pass

    def refusing(tracking_uri: str) -> None:
        raise Refusal(f"{tracking_uri} is in maintenance mode.")

    stand_in = SimpleNamespace(
        tracking=SimpleNamespace(MlflowClient=refusing), MlflowException=Refusal
    )
    for name in ("mlflow", "mlflow.entities", "mlflow.exceptions"):
        monkeypatch.setitem(sys.modules, name, stand_in)
    with pytest.raises(RunError, match="refuses: mlruns is in maintenance mode"):
        MLflow("mlruns")
