"""An MLflow server or folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from querist.core.errors import RunError, require
from querist.integrations.trackers.points import Point

BATCH = 500
_ENDED = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED", "unfinished": "RUNNING"}


class MLflow:
    """Logs into one MLflow run, which is made anew.

    Args:
        uri: Of the tracking server, or of a folder where MLflow takes one (recent versions want
            ``MLFLOW_ALLOW_FILE_STORE=true``); "" for what the environment says.
        experiment: Its name; made where there is none.
        name: Of the run.

    Raises:
        MissingExtra: If mlflow is not installed.
        RunError: If MLflow does not take it, now or later; the sentence is MLflow's.
    """

    def __init__(self, uri: str = "", experiment: str = "querist", name: str = "") -> None:
        mlflow = require("mlflow", "mlflow", "MLflow")
        self._entities = require("mlflow.entities", "mlflow", "MLflow")
        self._refusal: Any = require("mlflow.exceptions", "mlflow", "MLflow").MlflowException
        self._uri = uri or "the address that the environment says"
        with self._heard():
            self._client: Any = mlflow.tracking.MlflowClient(tracking_uri=uri or None)
            found = self._client.get_experiment_by_name(experiment)
            number = self._client.create_experiment(experiment) if found is None else None
            number = number if found is None else found.experiment_id
            tags = {"mlflow.runName": name} if name else {}
            self.run: str = self._client.create_run(number, tags=tags).info.run_id
        self._told: dict[str, str] = {}

    def about(self, told: dict[str, str]) -> None:
        """As parameters."""
        for name in told.keys() - self._told.keys():  # MLflow lets none be changed
            with self._heard():
                self._client.log_param(self.run, name, told[name])
        self._told |= told

    def points(self, points: list[Point]) -> None:
        """As metrics, by labels."""
        for start in range(0, len(points), BATCH):
            part = [
                self._entities.Metric(one.name, one.value, int(1000 * one.wall), one.step)
                for one in points[start : start + BATCH]
            ]
            with self._heard():
                self._client.log_batch(self.run, metrics=part)

    def file(self, path: Path) -> None:
        """As an artefact."""
        with self._heard():
            self._client.log_artifact(self.run, str(path))

    def close(self, status: str) -> None:
        """The end."""
        with self._heard():
            self._client.set_terminated(self.run, _ENDED.get(status, "FINISHED"))

    @contextmanager
    def _heard(self) -> Iterator[None]:
        try:
            yield
        except self._refusal as error:
            raise RunError(f"MLflow at {self._uri} refuses: {error}") from error
