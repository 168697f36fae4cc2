"""A run's questions and a project: questions go there as tasks, annotations come back as answers.

Nothing is kept here of what was sent: each task carries its question's id in ``meta``. Whatever is
repeated, or was killed in between, does nothing twice. A run must be there while this goes on, but
it need not run: answers lie in its inbox.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import quoteattr

import numpy as np

from querist.campaign.asked import Asked, Questions
from querist.core.errors import ConfigError, RunError
from querist.integrations.label_studio.api import LabelStudio
from querist.integrations.label_studio.errors import LabelStudioError
from querist.integrations.label_studio.exchange import annotator_of, batches, when_of
from querist.oracles.human import pixels_of
from querist.sources.transforms.image import as_png

LEASE_S = 300.0
LONGEST_S = 86_400.0
_REASONS = 20
_NUMBERS = 200  # of an input that are shown
_SAID = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED")


class Step(NamedTuple):
    """What one look did.

    Attributes:
        answers: That went to the run's inbox.
        declined: Questions that somebody skipped there: they are closed without a label.
        sent: Tasks that were made.
        withdrawn: Tasks that were removed, since their questions wait no more.
        broken: Why annotations are no answers, the first twenty.
    """

    answers: int = 0
    declined: int = 0
    sent: int = 0
    withdrawn: int = 0
    broken: Sequence[str] = ()


class Asking:
    """Sends the questions of an oracle to a project, and takes answers back.

    Args:
        questions: Of the run.
        studio: The server.
        project: Its number there.
        oracle: Whose questions.
    """

    def __init__(
        self, questions: Questions, studio: LabelStudio, project: int, oracle: str
    ) -> None:
        self.questions, self.studio, self.project = questions, studio, project
        self.oracle = oracle
        self._outputs: Sequence[Mapping[str, Any]] = questions.form(oracle)["outputs"]
        self._people: dict[int, str] = {}
        self._lock = threading.Lock()  # a webhook may come while it is polled

    @classmethod
    def connect(cls, questions: Questions, studio: LabelStudio, oracle: str = "") -> Asking | None:
        """Attach to the project of a run's questions, or make it.

        Args:
            questions: Of the run.
            studio: The server.
            oracle: Whose questions; "" where there is one that people answer.

        Returns:
            None where there is no project yet, and no question that shows what is asked.

        Raises:
            ConfigError: If no such oracle asks people.
        """
        name = _oracle(questions, oracle)
        title = f"{questions.folder.name}: {name}"[:50]
        known = [one["id"] for one in studio.projects() if one["title"] == title]
        waiting = questions.waiting(name)
        if not known and not waiting:
            return None
        project = known[0] if known else _made(questions, studio, title, waiting[0])
        return cls(questions, studio, project, name)

    def step(self) -> Step:
        """Take answers, remove what waits no more, send what is new; a number of each.

        Raises:
            LabelStudioError: If it is refused; what was done before stays.
        """
        tasks = list(self.studio.tasks(self.project))
        taken = self.take(tasks)
        waiting = {one.id: one for one in self.questions.waiting(self.oracle)}
        gone = 0
        for task in tasks:
            if task.get("drafts") and question_of(task) in waiting:
                self.questions.lend(question_of(task), "Label Studio", LEASE_S)
            elif question_of(task) not in waiting and not task.get("annotations"):
                self.studio.remove_task(task["id"])
                gone += 1
        there = {question_of(task) for task in tasks}
        made = (self._task(one) for id, one in waiting.items() if id not in there)
        sent = sum(self.studio.add_tasks(self.project, batch) for batch in batches(made))
        return taken._replace(sent=sent, withdrawn=gone)

    def take(self, tasks: Iterable[Mapping[str, Any]]) -> Step:
        """Send the annotations of tasks to the run: the first one of each question that waits."""
        answers = declined = 0
        broken: list[str] = []
        with self._lock:
            waiting = {one.id for one in self.questions.waiting(self.oracle)}
            for task in tasks:
                said = sorted(task.get("annotations") or (), key=when_of)
                if not said or question_of(task) not in waiting:
                    continue
                try:
                    closed = self._say(question_of(task), said)
                except RunError:
                    continue  # withdrawn just now
                except (ConfigError, AttributeError, KeyError, TypeError, ValueError) as error:
                    broken.append(f"task {task.get('id')}: {error}")
                    continue
                answers, declined = answers + (not closed), declined + closed
        return Step(answers, declined, broken=broken[:_REASONS])

    def _say(self, question: str, said: Sequence[Mapping[str, Any]]) -> bool:
        """Answer a question; whether it was skipped."""
        given = [one for one in said if not one.get("was_cancelled")]
        by = annotator_of((given or said)[-1], self._named((given or said)[-1]))
        if not given:
            self.questions.abstain(question, "skipped in Label Studio", by)
            return True
        seconds = float(given[-1].get("lead_time") or 0.0)
        outputs = dict(self._read(given[-1]["result"]))
        self.questions.answer(question, outputs, by, min(max(0.0, seconds), LONGEST_S))
        return False

    def _named(self, annotation: Mapping[str, Any]) -> Mapping[int, str]:
        by = annotation.get("completed_by")
        if isinstance(by, int) and by not in self._people:
            self._people = {by: str(by), **self.studio.people()}
        return self._people

    def _read(self, result: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
        """By output what was said, as the run's oracle reads it."""
        names = {f"output{n}": one for n, one in enumerate(self._outputs, 1)}
        for part in result:
            output = names.get(part["from_name"])
            if output is None:
                continue
            value = part["value"]
            if output["classes"]:
                yield output["name"], value["choices"][0]
            elif "number" in value:
                yield output["name"], np.reshape(float(value["number"]), output["shape"]).tolist()
            else:
                yield output["name"], _numbers(value["text"], output)

    def _task(self, asked: Asked) -> dict[str, Any]:
        shown = self.questions.shown(asked)
        data = {field: made for field, _, made in _fields(asked, shown)}
        return {"data": data, "meta": {"querist": {"question": asked.id, "why": asked.why}}}

    def answer(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        """What a request of Label Studio's webhook is answered: status and JSON."""
        if (method, path.strip("/")) != ("POST", "webhook"):
            return (200, {"status": "UP"}) if path.strip("/") == "health" else (404, {})
        task = body.get("task") if isinstance(body, Mapping) else None
        if not isinstance(task, Mapping) or body.get("action") not in _SAID:
            return 200, {"answers": 0}
        done = self.take([{**task, "annotations": [body.get("annotation") or {}]}])
        return 200, {"answers": done.answers, "broken": list(done.broken)}


def question_of(task: Mapping[str, Any]) -> str:
    """The question of a task, by its meta; "" of a task that is somebody else's."""
    meta = task.get("meta")
    ours = meta.get("querist") if isinstance(meta, Mapping) else None
    return str(ours.get("question") or "") if isinstance(ours, Mapping) else ""


def follow(
    connect: Callable[[], Asking | None], tell: Callable[[Step], None], sleep: Callable[[], bool]
) -> None:
    """Ask until the run has finished.

    Args:
        connect: Gives the project, once there is something to ask.
        tell: Is told what each look did.
        sleep: Waits until the next look; False ends it.
    """
    asking = None
    while True:
        asking = asking or connect()
        if asking is not None:
            tell(asking.step())
            if asking.questions.over:
                return
        if not sleep():
            return


def _oracle(questions: Questions, wanted: str) -> str:
    known = [name for name in questions.oracles if questions.form(name)]
    if wanted in known:
        return wanted
    if wanted or len(known) != 1:
        shown = ", ".join(known) or "none"
        raise ConfigError(
            f"Name an oracle of {questions.folder} that asks people (`use: human`): {shown}."
        )
    return known[0]


def _made(questions: Questions, studio: LabelStudio, title: str, first: Asked) -> int:
    config = config_of(questions, first)
    try:
        return int(studio.create_project(title, config)["id"])
    except (KeyError, TypeError, ValueError):
        raise LabelStudioError(f"{studio.url} made no project that can be understood.") from None


def config_of(questions: Questions, asked: Asked) -> str:
    """A labelling configuration that shows a question's inputs and asks for its outputs."""
    form = questions.form(asked.oracle)
    fields = list(_fields(asked, questions.shown(asked)))
    parts = [f"<Header value={quoteattr(form['instructions'])}/>"] if form["instructions"] else []
    for field, tag, _ in fields:
        parts.append(f'<{tag} name="{field}" value="${field}"/>')
    for number, output in enumerate(form["outputs"], 1):
        unit = f" ({output['unit']})" if output["unit"] else ""
        parts.append(f"<Header size='4' value={quoteattr(output['title'] + unit)}/>")
        parts.append(_asks(f"output{number}", fields[0][0], output))
    return "<View>\n  " + "\n  ".join(parts) + "\n</View>\n"


def _asks(name: str, to: str, output: Mapping[str, Any]) -> str:
    about = f'name="{name}" toName="{to}" required="true"'
    if output["classes"]:
        inner = "".join(f"<Choice value={quoteattr(one)}/>" for one in output["classes"])
        return f'<Choices {about} choice="single" showInLine="true">{inner}</Choices>'
    if _size(output) > 1:
        return f'<TextArea {about} maxSubmissions="1"/>'
    limits = {"min": output.get("low"), "max": output.get("high")}
    said = "".join(f' {key}="{one}"' for key, one in limits.items() if one is not None)
    return f"<Number {about}{said}/>"


def _fields(asked: Asked, shown: Mapping[str, str]) -> Iterator[tuple[str, str, Any]]:
    """Of a question's inputs: the field of the task, the tag that shows it, what stands in it."""
    table: dict[str, str] = {"uri": asked.sample.uri} if asked.sample.uri else {}
    place = 0
    for name, array in asked.sample.arrays.items():
        how = shown.get(name, "numbers")
        pixels = pixels_of(array) if how == "image" else None
        if how == "hidden":
            continue
        if pixels is not None:
            place += 1
            png = base64.b64encode(as_png(pixels)).decode()
            yield f"input{place}", "Image", f"data:image/png;base64,{png}"
        elif array.dtype.kind in "US":
            place += 1
            yield f"input{place}", "Text", "\n".join(map(str, np.ravel(array).tolist()))
        else:
            table[name] = _written(array)
    if table or not place:
        yield "numbers", "Table", table or {"question": asked.id}


def _written(array: np.ndarray[Any, Any]) -> str:
    flat = array.ravel()
    shown = " ".join(
        f"{one:.6g}" if one.dtype.kind in "fc" else str(one) for one in flat[:_NUMBERS]
    )
    return f"{shown} ... ({flat.size} numbers)" if flat.size > _NUMBERS else shown


def _numbers(text: Any, output: Mapping[str, Any]) -> Any:
    said = " ".join(text) if isinstance(text, list) else str(text)
    words = said.replace(",", " ").replace(";", " ").split()
    if len(words) != _size(output):
        raise ConfigError(f"{output['name']!r} takes {_size(output)} numbers, got {len(words)}.")
    return np.reshape([float(word) for word in words], output["shape"]).tolist()


def _size(output: Mapping[str, Any]) -> int:
    return int(np.prod(output["shape"], dtype=np.int64))
