"""The script's side of an external model; needs NumPy only, so it works in any environment.

    import querist_side

    def fit(samples, labels, request):
        ...  # write files into request["folder"]
        return {"loss": 0.1}

    def load(folder):
        ...
        return lambda samples: [{"energy": ..., "forces": ...} for sample in samples]

    querist_side.main(fit, load)

``samples`` and ``labels`` are lists of dicts of arrays. ``request`` has ``folder`` (where the files
of this member are to be written), ``seed`` (of this member), ``member``, ``previous`` (a folder
with the files of its last fit, or None) and ``options``. ``load`` is given a folder that ``fit``
wrote.

A message is its length (8 bytes, little endian), a JSON header of one line, and the bytes of the
arrays named there, one after the other.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

Rows = list[dict[str, Any]]
Fit = Callable[[Rows, Rows, dict[str, Any]], Any]
Predictor = Callable[[Rows], Sequence[Mapping[str, Any]]]


def pack(head: Mapping[str, Any], arrays: Mapping[str, Any]) -> bytes:
    """A message."""
    held = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    shapes = {name: [array.dtype.str, list(array.shape)] for name, array in held.items()}
    line = json.dumps({**head, "arrays": shapes}).encode() + b"\n"
    body = line + b"".join(array.tobytes() for array in held.values())
    return len(body).to_bytes(8, "little") + body


def unpack(body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a message says: header and arrays."""
    line, _, rest = body.partition(b"\n")
    head, arrays, at = json.loads(line), {}, 0
    for name, (kind, shape) in head.pop("arrays").items():
        dtype = np.dtype(kind)
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(rest, dtype, count, at).reshape(shape)
        at += count * dtype.itemsize
    return head, arrays


def rows_as_arrays(rows: Sequence[Mapping[str, Any]], mark: str) -> dict[str, Any]:
    """Fields back to back, with the shape of each row."""
    made = {}
    for name in rows[0] if rows else ():
        items = [np.asarray(row[name]) for row in rows]
        made[f"{mark}{name}"] = np.concatenate([item.reshape(-1) for item in items])
        made[f"{mark}{name}.shapes"] = np.array([item.shape for item in items], np.int64)
    return made


def arrays_as_rows(arrays: Mapping[str, Any], mark: str, count: int) -> Rows:
    """The rows that :func:`rows_as_arrays` put together."""
    rows: Rows = [{} for _ in range(count)]
    for name, data in arrays.items():
        if not name.startswith(mark) or name.endswith(".shapes"):
            continue
        at = 0
        for row, shape in zip(rows, arrays[f"{name}.shapes"].tolist(), strict=True):
            size = int(np.prod(shape, dtype=np.int64))
            row[name[len(mark) :]] = data[at : at + size].reshape(shape)
            at += size
    return rows


def main(fit: Fit, load: Callable[[str], Predictor]) -> None:
    """Answer until the other side closes; what is printed goes to the error stream."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    predictors: list[Predictor] = []
    while (body := _read(sys.stdin.buffer)) is not None:
        head, arrays = unpack(body)
        try:
            said = _answer(head, arrays, fit, load, predictors)
        except BaseException as error:  # whatever it is, the other side tells it
            if isinstance(error, KeyboardInterrupt):
                raise
            said = pack({"error": traceback.format_exc()}, {})
        answers.write(said)
        answers.flush()


def _answer(
    head: dict[str, Any],
    arrays: dict[str, Any],
    fit: Fit,
    load: Callable[[str], Predictor],
    predictors: list[Predictor],
) -> bytes:
    count = head.get("count", 0)
    if head["do"] == "fit":
        rows, labels = (arrays_as_rows(arrays, mark, count) for mark in ("in:", "out:"))
        metrics = fit(rows, labels, head["request"]) or {}
        return pack({"metrics": {name: float(value) for name, value in metrics.items()}}, {})
    if head["do"] == "load":
        predictors[:] = [load(folder) for folder in head["folders"]]
        return pack({}, {})
    rows, made = arrays_as_rows(arrays, "in:", count), {}
    for number, predict in enumerate(predictors):
        found = list(predict(rows))
        if len(found) != count:
            raise ValueError(f"predict gave {len(found)} answers to {count} samples")
        made.update(rows_as_arrays(found, f"{number}:"))
    return pack({"members": len(predictors)}, made)


def _read(stream: BinaryIO) -> bytes | None:
    size = stream.read(8)
    if len(size) < 8:
        return None
    return stream.read(int.from_bytes(size, "little"))
