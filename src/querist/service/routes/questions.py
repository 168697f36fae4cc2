"""Questions of campaigns to people: what waits, and answers from any program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np

from querist.campaign.asked import Asked, Questions
from querist.core.errors import ConfigError, QueristError, RunError
from querist.oracles.human import pixels_of
from querist.service.asking import lease_key
from querist.service.call import Call, Content
from querist.service.campaigns import folder_of
from querist.service.content import as_shown
from querist.service.problems import Refused, missing
from querist.service.routes.campaigns import RunId
from querist.service.routes.paging import After, Limit, number_of, numbered
from querist.service.wire.base import Name, Page
from querist.service.wire.campaigns import Posted
from querist.service.wire.questions import OpenQuestion, QuestionAnswer, QuestionLease
from querist.sources.opening import Sources
from querist.sources.source import SourceError
from querist.sources.transforms.image import as_png
from querist.sources.uris import scheme_of

_MOST = 4096
_LEASE_S = 300.0


def list_questions(
    call: Call, campaign: RunId, limit: Limit = 100, after: After = ""
) -> Page[OpenQuestion]:
    """What a run asks people and programs now, the oldest first."""
    with _asked(call, campaign) as questions:
        page = numbered(questions.waiting(), number_of(after), limit)
        shown = [_told(call, one, questions) for one in page.items]
    return Page[OpenQuestion](items=shown, next=page.next)


def answer_question(call: Call, campaign: RunId, body: QuestionAnswer) -> Posted:
    """Answer a question, or say that it cannot be told; durable on return."""
    by = body.by or call.who.user
    with _asked(call, campaign) as questions:
        if body.kind == "answer":
            posted = questions.answer(body.question, body.outputs, by, body.seconds)
        elif body.kind == "not-sure":
            posted = questions.abstain(body.question, body.why, by)
        else:
            seconds = _LEASE_S if body.seconds is None else body.seconds
            posted = questions.lend(body.question, by, seconds)
    return Posted(id=posted, campaign=campaign, command=body.kind, at=datetime.now(UTC))


def lease_questions(call: Call, campaign: RunId, body: QuestionLease) -> Page[OpenQuestion]:
    """Questions that nobody else gets for five minutes; those that were lent are renewed.

    Whoever holds some names them in ``first``: what is then missing in the answer was answered by
    somebody else, or withdrawn.
    """
    with _asked(call, campaign) as questions:
        waiting = {one.id: one for one in questions.waiting()}
        key = lease_key(questions.folder)
        call.service.leases.give_back(key, body.holder, [i for i in body.back if i in waiting])
        unwanted = {*body.without, *body.back}
        wanted = dict.fromkeys([id for id in body.first if id in waiting] + list(waiting))
        ids = [id for id in wanted if id not in unwanted]
        taken = call.service.leases.take(key, body.holder, ids, body.number)
        return Page[OpenQuestion](items=[_told(call, waiting[id], questions) for id in taken])


def show_input(call: Call, campaign: RunId, question: Name, input: Name) -> Content:
    """An input of a question that is a picture, as a PNG."""
    with _asked(call, campaign) as questions:
        array = questions.one(question).sample.arrays.get(input)
    if array is None:
        raise missing("input", input)
    pixels = pixels_of(array)
    if pixels is None:
        raise Refused("conflict", "The input is no picture: it has other axes.")
    return Content(as_png(pixels), "image/png")


def question_content(call: Call, campaign: RunId, question: Name) -> Content:
    """What the address of a question's input leads to: a picture, sound or text it may read."""
    with _asked(call, campaign) as questions:
        uri = questions.one(question).sample.uri
    if not uri:
        raise missing("address", "of this question")
    access = call.service.access(call.who.tenant, call.who.tenant_name)
    try:
        with closing(Sources(access.policy())) as sources:
            return as_shown(sources.read(uri, call.service.settings.limits.item_bytes))
    except (SourceError, ConfigError) as error:
        raise Refused("conflict", f"The input cannot be read: {error}") from None


@contextmanager
def _asked(call: Call, campaign: str) -> Iterator[Questions]:
    roots = call.service.settings.campaigns_of(call.who.tenant_name)
    folder = folder_of(roots, campaign)
    try:
        yield call.service.asking.of(folder)
    except ConfigError as error:
        raise Refused("invalid", str(error)) from None
    except RunError:
        raise missing("question", "of this beginning") from None
    except QueristError:
        call.service.asking.drop(folder)
        raise Refused("conflict", "The run's folder cannot be read or written.") from None


def _told(call: Call, asked: Asked, questions: Questions) -> OpenQuestion:
    arrays = asked.sample.arrays
    small = {n: a for n, a in arrays.items() if a.size <= _MOST and a.dtype.kind != "c"}
    return OpenQuestion(
        id=asked.id,
        oracle=asked.oracle,
        why=asked.why,
        purpose=asked.purpose,
        score=asked.score,
        at=asked.at,
        uri=asked.sample.uri or "",
        content=_reaches(call, asked.sample.uri or ""),
        inputs={name: _plain(array) for name, array in small.items()},
        shapes={name: list(array.shape) for name, array in arrays.items()},
        shown=dict(questions.shown(asked)),
        form=dict(questions.form(asked.oracle)),
    )


def _reaches(call: Call, uri: str) -> bool:
    """Whether an address leads to what may be read here, as far as that is seen without asking."""
    if not uri:
        return False
    access = call.service.access(call.who.tenant, call.who.tenant_name)
    if scheme_of(uri) not in ("", "file"):
        return bool(access.hosts)
    try:
        with closing(Sources(access.policy())) as sources:
            return sources.stat(uri).uri != ""
    except (SourceError, ConfigError):
        return False


def _plain(array: np.ndarray[Any, Any]) -> Any:
    """Numbers that JSON has; None for others."""
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8", "replace").tolist()
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        plain = array.astype(object)
        plain[~np.isfinite(array)] = None
        return plain.tolist()
    return array.tolist()
