"""Messages that any process may post: checked before they count, since anyone may write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from querist.core.answers import Abstention, Failure, Label, Outcome, Reason
from querist.core.events import Posted

BUDGETS = ("labels", "cost", "seconds", "threshold")
OUTCOMES = ("answer", "abstain", "withdraw")
COMMANDS = ("pause", "resume", "stop", "lease")


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
        return Label(event.arrays, str(data.get("level", "")), data.get("cost"))
    return Abstention(str(data.get("message", "")))


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
