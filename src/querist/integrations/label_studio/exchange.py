"""A pool and a project: picks go there as tasks with predictions, annotations come back as labels.

Nothing is kept here of what was sent: each task carries its item's id in ``meta``, which Label
Studio keeps. So whatever is repeated, or was killed in between, does nothing twice.
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from querist.core.errors import ConfigError
from querist.integrations.label_studio.api import LabelStudio
from querist.integrations.label_studio.errors import LabelStudioError
from querist.integrations.label_studio.form import Form, made_for, read
from querist.integrations.label_studio.taken import Register, Taken, known_as
from querist.pool.errors import BadLabel, Forgotten, UnknownItem
from querist.pool.guessing import guess_transform
from querist.pool.items import Item
from querist.pool.manifests.label_studio import result_of, said_of, task_of
from querist.pool.manifests.record import Record, Said
from querist.pool.pool import Pool
from querist.pool.suggested import Suggestion as Suggestion
from querist.sources.source import SourceError

BATCH_BYTES = 8 << 20
BATCH = 500
LARGEST = 4 << 20  # of a file that travels within its task
_REASONS = 20


class Pushed(NamedTuple):
    """What a push did.

    Attributes:
        sent: Tasks that were made.
        there: Items that had one.
        left_out: By id, why an item could not be sent.
    """

    sent: int
    there: int
    left_out: Mapping[str, str]


class Pulled(NamedTuple):
    """What a pull did.

    Attributes:
        labels: Labels that the pool did not have.
        skips: Items that were skipped.
        unknown: Annotated tasks of items that the pool does not have.
        broken: Why annotations could not be used, the first twenty.
        withdrawn: Labels that were taken back, since their annotations were deleted.
    """

    labels: int
    skips: int
    unknown: int
    broken: Sequence[str]
    withdrawn: int = 0


class Exchange:
    """Sends items of a pool to a project, and takes annotations back.

    Args:
        pool: The pool.
        studio: The server.
        project: Its number there.
        links: Beginnings of URIs and what Label Studio is to be given instead, such as
            ``{"file:///photos/": "/data/local-files/?d=photos/"}``. Files that neither these nor
            http reach travel within their tasks.

    Raises:
        ConfigError: If the project has no place for labels of the pool's task.
        LabelStudioError: If there is no such project.
    """

    def __init__(
        self, pool: Pool, studio: LabelStudio, project: int, links: Mapping[str, str] | None = None
    ) -> None:
        self.pool, self.studio, self.project = pool, studio, project
        self.modality = _modality(pool)
        self._links = dict(links or {})
        self.form: Form = read(studio.project(project)["label_config"], pool.settings.task)

    @classmethod
    def connect(
        cls,
        pool: Pool,
        studio: LabelStudio,
        project: int | None = None,
        links: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Attach to a project, or to the one that has the pool's name, or make that.

        Args:
            pool: The pool.
            studio: The server.
            project: Its number; None looks for the pool's name.
            links: As of :class:`Exchange`.
        """
        if project is None:
            title = pool.name[:50]
            known = [one["id"] for one in studio.projects() if one["title"] == title]
            project = known[0] if known else _made(pool, studio, title)
        return cls(pool, studio, project, links)

    # -------------------------------------------------------------------------------------- push

    def push(
        self,
        ids: Iterable[str],
        suggestions: Mapping[str, Suggestion] | None = None,
        version: str = "querist",
    ) -> Pushed:
        """Make a task of each item that has none.

        Args:
            ids: Of items, the most useful first.
            suggestions: By id, what a model says; shown as predictions.
            version: Of that model.

        Raises:
            UnknownItem: For an id that the pool does not have.
            LabelStudioError: If it is refused; what was sent before stays.
        """
        known = {id for id, _ in self._tasks()}
        wanted = list(dict.fromkeys(ids))
        fresh = [id for id in wanted if id not in known]
        left_out: dict[str, str] = {}
        sent = 0
        made = self._made_tasks(fresh, suggestions or {}, version, left_out)
        for batch in batches(made):
            sent += self.studio.add_tasks(self.project, batch)
        return Pushed(sent, len(wanted) - len(fresh), left_out)

    def _made_tasks(
        self,
        ids: Sequence[str],
        suggestions: Mapping[str, Suggestion],
        version: str,
        left_out: dict[str, str],
    ) -> Iterator[dict[str, Any]]:
        for id in ids:
            item = self.pool.item(id)
            try:
                made = self._task(item)
            except (SourceError, ConfigError) as error:
                left_out[id] = str(error)
                continue
            if id in suggestions:
                made["predictions"] = [self.prediction(item, suggestions[id], version)]
            yield made

    def _task(self, item: Item) -> dict[str, Any]:
        made = task_of(_record(item), self.pool.settings.task, self.modality)
        ((_, payload),) = made["data"].items()
        shown = payload if item.inline is not None else self._link(item)
        return {"data": {self.form.field: shown}, "meta": made["meta"]}

    def _link(self, item: Item) -> str:
        for before, after in self._links.items():
            if item.uri.startswith(before):
                return after + item.uri[len(before) :]
        if item.uri.startswith(("http://", "https://")):
            return item.uri
        if item.size is not None and item.size > LARGEST:
            raise ConfigError(
                f"{item.size:,} bytes are too much for a task. Let Label Studio reach the file, "
                "and say by 'links' what its address begins with there."
            )
        data = self.pool.sources.read(item.uri)
        kind = mimetypes.guess_type(item.uri)[0] or "application/octet-stream"
        return f"data:{kind};base64,{base64.b64encode(data).decode()}"

    def prediction(self, item: Item, said: Suggestion, version: str) -> dict[str, Any]:
        """What a model says of an item, as Label Studio shows it."""
        task = self.pool.settings.task
        result = result_of(said.value, _record(item), task, self.form.shows)
        made = {
            "result": [{**part, "from_name": self.form.asks} for part in result],
            "model_version": version,
        }
        return made if said.score is None else {**made, "score": float(said.score)}

    def withdraw(self, keep: Iterable[str]) -> int:
        """Remove tasks that nobody has annotated and that are no longer wanted; how many.

        Args:
            keep: Ids of items that are still wanted.
        """
        kept, gone = set(keep), 0
        for id, task in list(self._tasks()):
            if id not in kept and not task.get("annotations") and not task.get("drafts"):
                self.studio.remove_task(task["id"])
                gone += 1
        return gone

    # -------------------------------------------------------------------------------------- pull

    def pull(self) -> Pulled:
        """Record annotations that the pool does not have, under the address of who made them.

        Of those that were recorded earlier and are deleted there, the labels are taken back.
        """
        people, register = self.studio.people(), Register(self.pool)
        tasks = [_without_data(task) for _, task in self._tasks()]
        done = take(self.pool, tasks, people)
        return done._replace(withdrawn=register.withdraw(register.missing(tasks)))

    def _tasks(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for task in self.studio.tasks(self.project):
            yield id_of(task), task


def take(
    pool: Pool, tasks: Iterable[Mapping[str, Any]], people: Mapping[int, str] | None = None
) -> Pulled:
    """Record the annotations of tasks in a pool.

    Args:
        pool: The pool.
        tasks: As Label Studio tells them.
        people: Addresses of users by their numbers.
    """
    said: dict[str, dict[str, Said]] = {}  # by annotator and item, what was said last
    broken: list[str] = []
    taken: list[Taken] = []
    known = Register(pool).known()
    for task in tasks:
        for annotation in sorted(task.get("annotations") or (), key=when_of):
            one = _taken(task, annotation, annotator_of(annotation, people or {}))
            before = known.get(one.id)
            if before is not None and before.task == one.task:
                one = one._replace(by=before.by)  # by webhook it may have been a number
            by = one.by
            try:
                found = said_of(pool.settings.task, annotation, by)
            except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
                broken.append(f"task {task.get('id')}: {type(error).__name__}: {error}")
                continue
            said.setdefault(by, {})[id_of(task)] = found
            taken.append(one)
    counts = [_record_all(pool, by, each, broken) for by, each in said.items()]
    labels, skips, unknown = (sum(one[n] for one in counts) for n in range(3))
    Register(pool).note(one for one in taken if one.id)
    return Pulled(labels, skips, unknown, broken[:_REASONS])


def _taken(task: Mapping[str, Any], annotation: Mapping[str, Any], by: str) -> Taken:
    number = int(annotation.get("id") or 0)
    return Taken(number, known_as(task), id_of(task), by, when_of(annotation))


def _without_data(task: Mapping[str, Any]) -> dict[str, Any]:
    """A task without what it shows, which may be a large picture."""
    return {name: value for name, value in task.items() if name not in ("data", "predictions")}


def id_of(task: Mapping[str, Any]) -> str:
    """The item of a task: what its meta says, or ``task-N``, as imported manifests call it."""
    meta = task.get("meta")
    ours = meta.get("querist") if isinstance(meta, Mapping) else None
    known = ours.get("id") if isinstance(ours, Mapping) else None
    return str(known) if known else f"task-{task.get('id')}"


def _record_all(
    pool: Pool, by: str, said: Mapping[str, Said], broken: list[str]
) -> tuple[int, int, int]:
    labels = skips = unknown = 0
    for id, one in said.items():
        try:
            if one.skip:
                skips += pool.skip([id], by, str(one.value))
            else:
                labels += pool.label({id: one.value}, by)
        except (UnknownItem, Forgotten):
            unknown += 1
        except BadLabel as error:
            broken.append(f"{id}: {error}")
    return labels, skips, unknown


def annotator_of(annotation: Mapping[str, Any], people: Mapping[int, str]) -> str:
    """Who made an annotation: an address, or a number where none is known."""
    by = annotation.get("completed_by")
    if isinstance(by, Mapping):
        return str(by.get("email") or by.get("id") or "")
    return "" if by is None else people.get(by, str(by))


def when_of(annotation: Mapping[str, Any]) -> str:
    """When it was made or changed last, to sort by."""
    return str(annotation.get("updated_at") or annotation.get("created_at") or "")


def _record(item: Item) -> Record:
    return Record(item.row, item.uri, item.id, item.inline, item.metadata, item.group)


def _modality(pool: Pool) -> str:
    return str(pool.settings.transform.get("modality") or guess_transform(pool)["modality"])


def _made(pool: Pool, studio: LabelStudio, title: str) -> int:
    config = made_for(pool.settings.task, _modality(pool), pool.classes)
    try:
        return int(studio.create_project(title, config)["id"])
    except (KeyError, TypeError, ValueError):
        raise LabelStudioError(f"{studio.url} made no project that can be understood.") from None


def batches(tasks: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Tasks in parts that are not too large for a request."""
    batch: list[dict[str, Any]] = []
    held = 0
    for task in tasks:
        held += sum(len(one) for one in task["data"].values() if isinstance(one, str))
        batch.append(task)
        if held >= BATCH_BYTES or len(batch) >= BATCH:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
