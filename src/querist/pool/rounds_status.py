"""How far some rounds are, as a person and a program are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

LABELLING, READY, RUNNING, DONE = "labelling", "ready", "running", "done"


class RoundsStatus(NamedTuple):
    """How far some rounds are.

    Attributes:
        id: Of the rounds.
        state: "labelling" (labels are awaited), "ready" (call again to go on), "running" (another
            process does), or "done".
        number: The present round, from 1; 0 while the hold-out is labelled.
        rounds: How many there will be.
        picked, missing: Ids of the items that it asks about, and of those without an answer.
        model: Settings of the newest model; None before there is one.
        metrics: Of each training, in order, with "labels" and "round".
        note: For people: what is waited for, or why rounds ended early.
    """

    id: str
    state: str
    number: int
    rounds: int
    picked: tuple[str, ...]
    missing: tuple[str, ...]
    model: Mapping[str, Any] | None
    metrics: tuple[Mapping[str, float], ...]
    note: str = ""
