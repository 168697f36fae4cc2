"""Messages that any process may post: checked before they count, since anyone may write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from querist.control.desk import without_prefix
from querist.core.answers import Abstention, Failure, Label, Outcome, Purpose, Reason, question_id
from querist.core.batch import Array
from querist.core.events import Posted

BUDGETS = ("labels", "cost", "seconds", "threshold")
OUTCOMES = ("answer", "abstain", "withdraw")
COMMANDS = ("pause", "resume", "stop", "lease")
OUTBOX = "outbox:"  # begins the ids of messages from there
ASKED = "asked/"  # before the names of a sample's arrays, in an answer that says what was asked


def problem(event: Posted) -> str | None:
    """Why a message cannot be used, or None."""
    if event.kind in COMMANDS:
        return None
    if event.kind == "set":
        return _problem_of_set(event.data)
    if event.kind == "staff":
        named = all(isinstance(event.data.get(name), str) for name in ("source", "target", "why"))
        return None if named else "it should name source, target and why, each a text"
    if event.kind not in OUTCOMES:
        kinds = ", ".join((*OUTCOMES, "set", "staff", *COMMANDS))
        return f"its kind is {event.kind!r}, not one of {kinds}"
    if not isinstance(event.data.get("question"), str):
        return "it does not name its question"
    if event.kind == "answer" and not event.arrays:
        return "an answer needs its outputs as arrays"
    for name, array in event.arrays.items():
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            return f"its output {name!r} holds values that are not finite"
    wrong = [name for name in ("cost", "seconds") if not _is_limit(event.data.get(name))]
    return f"{wrong[0]!r} should be a number that is not negative" if wrong else None


def _problem_of_set(data: Mapping[str, Any]) -> str | None:
    for name, value in data.items():
        if name not in BUDGETS:
            return f"{name!r} cannot be set, only {', '.join(BUDGETS)}"
        if not _is_limit(value):
            return f"{name!r} should be a number that is not negative, or null for no limit"
    return None


def _is_limit(value: Any) -> bool:
    if value is None:
        return True
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < math.inf


def outcome(event: Posted) -> Outcome:
    """The answer that a message holds."""
    data = event.data
    if event.kind == "withdraw":
        why = str(data.get("message") or "a user withdrew the question")
        return Failure(Reason.CANCELLED, why, transient=False)
    if event.kind == "answer":
        outputs = {k: v for k, v in event.arrays.items() if not k.startswith(ASKED)}
        return Label(outputs, str(data.get("level", "")), data.get("cost"))
    return Abstention(str(data.get("message", "")))


def asked(event: Posted) -> tuple[dict[str, Any], dict[str, Array]]:
    """The question that an answer of the outbox was given to, and its sample's arrays, if it says.

    The question's own record may have been on its way to the disk when its controller died.
    """
    told = event.data.get("asked")
    if not event.id.startswith(OUTBOX) or not isinstance(told, Mapping):
        return {}, {}
    sample, oracle, replicate = told["sample"], told["oracle"], told["replicate"]
    about = {
        "question": question_id(sample, oracle, replicate),
        "sample": sample,
        "oracle": oracle,
        "replicate": replicate,
        "uri": told["uri"],
        "purpose": Purpose.TRAIN.value,
        "priority": None,
        "score": None,
        "why": "answered before it was recorded",
        "slot": -1,
        "walker": -1,
        "version": 0,
    }
    return about, without_prefix(ASKED, event.arrays)


def facts(event: Posted, now: float) -> dict[str, Any]:
    """Who answered, when, and what it cost in seconds."""
    data = event.data
    origin = str(data.get("origin", "outside"))
    instants = dict.fromkeys(("submitted", "started", "finished", "received"), now)
    spans = data.get("spans")
    return {
        "worker": str(data.get("worker", origin)),
        "origin": origin,
        "spans": dict(spans) if isinstance(spans, Mapping) else {**instants, "cpu": 0.0},
        "cost": float(data.get("seconds") or 0.0),
    }
