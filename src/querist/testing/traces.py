"""Traces of a controller: every event with its time and what it made of it, as lines of JSON.

A trace that was recorded once replays to the same commands, or the controller's decisions have
changed. The codec knows a closed table of types and makes nothing else.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

import numpy as np

from querist.control.sketch import QuantileSketch
from querist.core import answers, batch, events, prediction, roles, tasks
from querist.core.events import Command, Event

Step = tuple[Event | None, float, Sequence[Command]]
"""An event (None for the beginning), its time, and the commands that followed."""

_MODULES = (answers, batch, events, prediction, roles, tasks)
_KNOWN: dict[str, Any] = {
    name: thing
    for module in _MODULES
    for name, thing in vars(module).items()
    if isinstance(thing, type)
    and (dataclasses.is_dataclass(thing) or issubclass(thing, Enum) or hasattr(thing, "_fields"))
} | {"QuantileSketch": QuantileSketch}


class Replayable(Protocol):
    """A controller that begins."""

    def begin(self, now: float, header: Mapping[str, Any]) -> Sequence[Command]:
        """First call."""

    def handle(self, event: Event, now: float) -> Sequence[Command]:
        """React to one event."""


def encode(value: Any) -> Any:
    """A JSON-able form of events, commands and all that they may hold."""
    if value is None or isinstance(value, bool | int | float) or type(value) is str:
        return value
    if isinstance(value, Enum):
        return {"!": type(value).__name__, "value": value.value}
    if isinstance(value, QuantileSketch):
        return {"!": "QuantileSketch", **value.to_json()}
    if isinstance(value, np.ndarray):
        data = base64.b64encode(value.tobytes()).decode()
        return {"!": "array", "dtype": value.dtype.str, "shape": list(value.shape), "data": data}
    if isinstance(value, np.generic):
        return encode(value.item())
    if type(value).__name__ in _KNOWN:
        names = _field_names(value)
        return {"!": type(value).__name__, **{n: encode(getattr(value, n)) for n in names}}
    if isinstance(value, tuple):
        return {"!": "tuple", "items": [encode(item) for item in value]}
    if isinstance(value, Mapping):
        return {"!": "dict", "items": [[encode(k), encode(v)] for k, v in value.items()]}
    if isinstance(value, Sequence):
        return [encode(item) for item in value]
    raise TypeError(f"a trace cannot hold {type(value).__name__}.")


def _field_names(value: Any) -> Sequence[str]:
    if dataclasses.is_dataclass(value):
        return [f.name for f in dataclasses.fields(value) if f.init]
    names: Sequence[str] = value._fields  # of a named tuple
    return names


def decode(value: Any) -> Any:
    """Read back what :func:`encode` gave."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind, rest = value["!"], {key: item for key, item in value.items() if key != "!"}
    if kind == "dict":
        return {decode(key): decode(item) for key, item in rest["items"]}
    if kind == "tuple":
        return tuple(decode(item) for item in rest["items"])
    if kind == "array":
        flat = np.frombuffer(base64.b64decode(rest["data"]), np.dtype(rest["dtype"]))
        return flat.reshape(rest["shape"])
    if kind == "QuantileSketch":
        return QuantileSketch.from_json(rest)
    if issubclass(_KNOWN[kind], Enum):
        return _KNOWN[kind](rest["value"])
    return _KNOWN[kind](**{key: decode(item) for key, item in rest.items()})


def record_trace(steps: Iterable[Step]) -> Iterator[str]:
    """One line of JSON for each step."""
    for event, now, commands in steps:
        line = {"now": now, "event": encode(event), "commands": encode(list(commands))}
        yield json.dumps(line)


def replay_trace(
    make: Callable[[], Replayable], lines: Iterable[str], header: Mapping[str, Any] | None = None
) -> int:
    """Give a fresh controller the events of a trace and compare its commands.

    Args:
        make: Makes a controller that has not begun.
        lines: What :func:`record_trace` gave, from the beginning on.
        header: What the recorded controller's ``begin`` was given.

    Returns:
        The number of steps.

    Raises:
        AssertionError: At the first command that differs.
    """
    controller, count = make(), 0
    for line in lines:
        step = json.loads(line)
        event, now = decode(step["event"]), step["now"]
        if event is None:
            commands = controller.begin(now, header or {})
        else:
            commands = controller.handle(event, now)
        got = json.loads(json.dumps(encode(list(commands))))
        wanted = step["commands"]
        assert _same(got, wanted), f"step {count} at {now}: {got} instead of {wanted}"
        count += 1
    return count


def _same(got: Any, wanted: Any) -> bool:
    return json.dumps(got) == json.dumps(wanted)  # which takes NaN for NaN
