"""Label Studio's protocol for models: it asks for predictions, and tells of annotations.

Annotations become labels of the pool; a linear head on features learns from them, and its
probabilities go back as predictions, whose score is that of the likeliest class. Label Studio's
order "lowest prediction score first" then shows what the model is least certain of.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from querist.core.errors import QueristError
from querist.integrations.label_studio.errors import LabelStudioError
from querist.integrations.label_studio.exchange import id_of, take
from querist.integrations.label_studio.form import read
from querist.integrations.label_studio.taken import Register
from querist.pool.errors import PoolError, UnknownItem
from querist.pool.items import Item
from querist.pool.manifests.label_studio import result_of
from querist.pool.manifests.record import Record
from querist.pool.pool import Pool
from querist.pool.rounds_settings import RoundsSettings
from querist.pool.rounds_training import Watch, lesson_of, train
from querist.pool.suggested import Suggestion
from querist.pool.suggesting import ASKED, suggest
from querist.store.files import atomic_write

FOLDER = "label-studio"
RETRAIN = 1.1  # when there are so many times the labels of the last training
_SAID = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED")
_NOTHING: dict[str, Any] = {"result": [], "score": 0.0}


class Backend:
    """Answers Label Studio for one pool; several threads may ask.

    What was learned is kept in the pool's folder, so that a restart goes on with it.

    Args:
        pool: Of classes; of numbers or of several classes an item, with a model that gives them.
        model: Settings of the model whose features are learned on; None for built-in ones. Of
            numbers and of several classes it predicts as it is.
        people: Gives addresses of users by their numbers, which is all that a webhook tells;
            without it annotators are known by their numbers.

    Raises:
        PoolError: If it is of another task, or such a model is missing.
    """

    def __init__(
        self,
        pool: Pool,
        model: Mapping[str, Any] | None = None,
        people: Callable[[], Mapping[int, str]] | None = None,
    ) -> None:
        self._task = pool.settings.task
        self._learns = self._task == "classification"
        if not self._learns and (model is None or self._task not in ASKED):
            raise PoolError(
                f"Predictions for Label Studio are learned of classes, not of {self._task}. A "
                "model of numbers, or of several classes an item, can be named: it predicts as it "
                "is."
            )
        self.pool, self._folder = pool, pool.folder / FOLDER
        self._settings = RoundsSettings(
            rounds=1, budget=1, model=None if model is None else dict(model)
        )
        self._lock = threading.Lock()
        self._ask_people, self._people = people, dict[int, str]()

    # ------------------------------------------------------------------------------- the protocol

    def answer(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        """What a request is answered: status and JSON.

        Args:
            method: "GET" or "POST".
            path: Of the request.
            body: Its JSON; None where there is none.
        """
        handler = _ROUTES.get((method, "/" + path.strip("/")))
        if handler is None:
            return 404, {"detail": f"There is no {method} {path} here."}
        if method == "POST" and not isinstance(body, Mapping):
            return 422, {"detail": "The body should be a JSON object."}
        try:
            return 200, handler(self, body or {})
        except QueristError as error:
            return 422, {"detail": str(error)}

    def health(self, _: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """That it is there."""
        return {"status": "UP", "model_class": "Querist"}

    def setup(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """A project wants predictions. The token that comes with it is not looked at, nor kept."""
        return {"model_version": self.version}

    def versions(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Versions that there are."""
        return {"versions": [self.version]}

    def predict(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Predictions for tasks, in order; empty ones before anything was learned."""
        tasks = [one for one in body.get("tasks") or () if isinstance(one, Mapping)]
        form = read(str(body.get("label_config") or ""), self._task)
        self.learn()
        with self._lock:
            items = [self._item(task) for task in tasks]
            said = self._said([item for item in items if item is not None])
        results = []
        for item in items:
            found = None if item is None else said.get(item.row)
            if item is None or found is None:
                results.append({**_NOTHING, "model_version": self.version})
                continue
            record = Record(item.row, item.uri, item.id)
            parts = result_of(found.value, record, self._task, form.shows)
            score = {} if found.score is None else {"score": found.score}
            result = [{**part, "from_name": form.asks, **score} for part in parts]
            results.append({"result": result, **score, "model_version": self.version})
        return {"results": results, "model_version": self.version}

    def webhook(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """An annotation was made, changed or deleted, or somebody wants a training now."""
        action, task = body.get("action"), body.get("task")
        if action == "ANNOTATIONS_DELETED":
            gone = [one["id"] for one in body.get("annotations") or () if "id" in one]
            with self._lock:
                number = Register(self.pool).withdraw(gone)
            return {"labels": 0, "withdrawn": number, "model_version": self.version}
        if action == "START_TRAINING":
            self.learn(at_once=True)
        if action not in _SAID or not isinstance(task, Mapping):
            return {"labels": 0, "model_version": self.version}
        annotation = body.get("annotation") or {}
        names = self._names(annotation.get("completed_by"))
        done = take(self.pool, [{**task, "annotations": [annotation]}], names)
        return {"labels": done.labels, "broken": list(done.broken), "model_version": self.version}

    def _names(self, by: Any) -> Mapping[int, str]:
        """Addresses of users; asked for anew where somebody is unknown."""
        if self._ask_people is not None and isinstance(by, int) and by not in self._people:
            with suppress(LabelStudioError):  # it counts under the number, then
                self._people = dict(self._ask_people())
        return self._people

    # ------------------------------------------------------------------------------------ learning

    @property
    def version(self) -> str:
        """The model's version, by how many labels it has learned from."""
        kept = self._kept()
        return kept.get("version", f"querist-{kept['labels']}") if self._learns else "querist"

    def learn(self, at_once: bool = False) -> bool:
        """Train anew where there are enough new labels; whether there is another model now."""
        if not self._learns:
            return False
        with self._lock:
            lesson = lesson_of(self.pool, np.zeros(0, np.int64))
            kept, count = self._kept(), len(lesson.rows)
            if not lesson.teaches or lesson.digest == kept.get("lesson"):
                return False
            if not at_once and kept["labels"] / RETRAIN < count < kept["labels"] * RETRAIN:
                return False
            name, version = f"head-{count}", f"querist-{count}"
            if version == self.version:  # other labels, as many: Label Studio asks by version
                version = f"{version}-{lesson.digest}"
            learned = train(self.pool, lesson, self._settings, self._folder, name, Watch())
            if learned is None or learned.model is None:
                return False
            kept = {"labels": count, "model": dict(learned.model), "version": version}
            kept["lesson"] = lesson.digest
            atomic_write(self._folder / "model.json", json.dumps(kept).encode())
            return True

    def _kept(self) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads((self._folder / "model.json").read_text("utf-8"))
            return kept
        except (OSError, ValueError):
            return {"labels": 0, "model": None}

    def _item(self, task: Mapping[str, Any]) -> Item | None:
        try:
            return self.pool.item(id_of(task))
        except UnknownItem:
            return None

    def _said(self, items: Sequence[Item]) -> dict[int, Suggestion]:
        """What the model says, by row: the likeliest class and its probability, or what it is."""
        model = self._kept()["model"] if self._learns else self._settings.model
        if model is None or not items:
            return {}
        return suggest(self.pool, model, [item.row for item in items])


_ROUTES = {
    ("GET", "/"): Backend.health,
    ("GET", "/health"): Backend.health,
    ("GET", "/versions"): Backend.versions,
    ("POST", "/setup"): Backend.setup,
    ("POST", "/predict"): Backend.predict,
    ("POST", "/webhook"): Backend.webhook,
}
