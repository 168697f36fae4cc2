"""An MLflow folder, read back by MLflow; where that is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist.integrations.trackers.points import Point


@pytest.mark.filterwarnings("ignore")
def test_a_run_is_logged(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    from querist.integrations.trackers.mlflow import MLflow

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
