"""A model with its gate in one file, and back: safetensors (any model) or ONNX.

The ONNX file computes each output, ``score`` (the uncertainty in units of the tolerance) and
``trusted`` (whether the gate lets the model answer), so that another program needs nothing of
Querist to obey the gate. All numbers are float64.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.errors import ConfigError, ShapeError
from querist.core.roles import ModelState
from querist.models.backends.onnx import assembled, metadata_of
from querist.models.failing import MAJORITY, NEIGHBOURS
from querist.models.graphs import Graph, graph_of
from querist.models.table import Fields
from querist.store.arrays import load_arrays, save_arrays
from querist.store.errors import DamagedFile
from querist.store.files import atomic_write
from querist.surrogate.fixed import slack
from querist.surrogate.shelf import FAILING, FIXED, MODEL
from querist.surrogate.voices import FILE

FORMAT = "querist.surrogate/1"
SAFETENSORS, ONNX = ".safetensors", ".onnx"
SCORE, TRUSTED = "score", "trusted"


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """What a file holds.

    Attributes:
        about: ``settings``, ``model`` (its kind), ``gate``, and where ``simulation`` and model
            (``use``) are found.
        states: By part.
    """

    about: Mapping[str, Any]
    states: Mapping[str, ModelState]


def write(path: Path, exported: Exported, *, noisy: bool) -> None:
    """Write a file, by its suffix.

    Raises:
        ConfigError: If the suffix is neither, or the model cannot be written as ONNX.
        MissingExtra: If ONNX is wanted and not installed.
    """
    about = {"format": FORMAT, **exported.about}
    if path.suffix == ONNX:
        graph = gated_graph(exported, noisy=noisy)
        atomic_write(path, assembled(graph, {"querist": json.dumps(about)}))
        return
    if path.suffix != SAFETENSORS:
        raise ConfigError(f"{path} should end in {SAFETENSORS} or {ONNX}.")
    arrays = {
        f"{part}/{name}": array
        for part, state in exported.states.items()
        for name, array in state.arrays.items()
    }
    data = {part: dict(state.data) for part, state in exported.states.items()}
    save_arrays(path, arrays, {**about, "data": data})


def read(path: Path) -> Exported:
    """Read what :func:`write` wrote.

    Raises:
        DamagedFile: If it is no such file.
        FileNotFoundError: If there is none.
    """
    if path.suffix == ONNX:
        content = path.read_bytes()
        about = _checked(json.loads(metadata_of(content).get("querist", "{}")), path)
        held = {"onnx": np.frombuffer(content, np.uint8)}
        return Exported({**about, "model": FILE}, {MODEL: ModelState(held)})
    file = load_arrays(path)
    about = _checked(file.metadata, path)
    states = {}
    for part, data in about.pop("data").items():
        prefix = f"{part}/"
        items = file.arrays.items()
        arrays = {k.removeprefix(prefix): v for k, v in items if k.startswith(prefix)}
        states[part] = ModelState(arrays, data)
    return Exported(about, states)


def _checked(about: Any, path: Path) -> dict[str, Any]:
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise DamagedFile(f"{path} holds no surrogate that Surrogate.export wrote.")
    return dict(about)


def gated_graph(exported: Exported, *, noisy: bool) -> Graph:
    """The graph of the model's outputs, of the score and of the gate's verdict."""
    graph, mean, std, outputs = graph_of(exported.states[MODEL], noisy=noisy)
    tolerance = exported.about["settings"]["tolerance"]
    if not isinstance(tolerance, dict):
        tolerance = dict.fromkeys(outputs.names, tolerance)
    scores, start = [], 0
    for name, shape, width in zip(outputs.names, outputs.shapes, outputs.widths, strict=True):
        whole = graph.constant([-1, *shape], np.int64)
        for kind, tensor in (("", mean), (".std", std)):
            cut = graph.add("Reshape", graph.columns(tensor, start, start + width), whole)
            graph.outputs[f"{name}{kind}"] = cut, "float64", shape
        if name in tolerance:
            spread = graph.columns(std, start, start + width)
            scores.append(_largest(graph, spread, shape, tolerance[name]))
        start += width
    score = graph.add("Max", *scores) if len(scores) > 1 else scores[0]
    if FAILING in exported.states:
        score = _unless_failing(graph, exported.states[FAILING], score)
    if FIXED in exported.states:
        score = _unless_moved(graph, exported.states[FIXED], score)
    score = graph.add("Squeeze", score, graph.axes(1))
    threshold = exported.about["gate"]["threshold"]
    limit = -1.0 if threshold is None else threshold  # a closed gate trusts nothing
    graph.outputs[SCORE] = score, "float64", ()
    graph.outputs[TRUSTED] = graph.add("LessOrEqual", score, limit), "bool", ()
    return graph


def _largest(graph: Graph, spread: str, shape: tuple[int, ...], allowed: float) -> str:
    """``(n, 1)`` largest uncertainty, by the rule of :func:`querist.core.prediction.largest`."""
    if len(shape) >= 2 and shape[-1] == 3:
        vectors = graph.add("Reshape", spread, graph.constant([0, -1, 3], np.int64))
        spread = graph.add("ReduceL2", vectors, graph.axes(2), keepdims=0)
    return graph.add("Div", graph.add("ReduceMax", spread, graph.axes(1), keepdims=1), allowed)


def _unless_failing(graph: Graph, state: ModelState, score: str) -> str:
    """The score, infinite where most neighbours failed."""
    fields = Fields.from_metadata(state.data["inputs"])
    if any(graph.inputs.get(n) != s for n, s in zip(fields.names, fields.shapes, strict=True)):
        raise ShapeError("the model and the classifier of failures want different inputs.")
    held = {name: np.asarray(array, np.float64) for name, array in state.arrays.items()}
    X = graph.matrix(fields)
    scaled = graph.add("Div", graph.add("Sub", X, held["x_mean"]), held["x_std"])
    distances = graph.squared_distances(scaled, held["X"])
    count = graph.constant([min(NEIGHBOURS, len(held["X"]))], np.int64)
    _, near = graph.several(2, "TopK", distances, count, axis=1, largest=0)
    failed = graph.add("Gather", held["failed"], near)
    share = graph.add("ReduceMean", failed, graph.axes(1), keepdims=1)
    return graph.add("Where", graph.add("Less", share, MAJORITY), score, np.inf)


def _unless_moved(graph: Graph, state: ModelState, score: str) -> str:
    """The score, infinite where an input differs that was the same in all labels.

    Fields that the model does not want are no inputs of the file.
    """
    for name, array in state.arrays.items():
        if graph.inputs.get(name) != array.shape:
            continue
        wanted = np.asarray(array, np.float64).reshape(1, -1)
        known = np.flatnonzero(~np.isnan(wanted[0]))
        flat = graph.add("Reshape", name, graph.constant([-1, wanted.size], np.int64))
        values = graph.add("Gather", flat, graph.constant(known, np.int64), axis=1)
        beyond = graph.add("Abs", graph.add("Sub", values, wanted[:, known]))
        beyond = graph.add("Sub", beyond, slack(wanted)[:, known])
        farthest = graph.add("ReduceMax", beyond, graph.axes(1), keepdims=1)
        score = graph.add("Where", graph.add("LessOrEqual", farthest, 0.0), score, np.inf)
    return score
