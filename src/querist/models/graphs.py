"""Fitted models as graphs of ONNX operators, in the order in which they are computed.

Nothing here needs ONNX: :func:`querist.models.backends.onnx.assembled` makes the file. Numbers are
float64, as in the models themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querist.core.errors import ConfigError
from querist.core.roles import ModelState

from .gaussian_process import FORMAT as PROCESS
from .random_features import FORMAT as FEATURES
from .table import Fields, Scaler
from .torch_ensemble import FORMAT as NETWORKS
from .torch_ensemble import PERCEPTRON

_ROOT5 = np.sqrt(5.0)


@dataclass(frozen=True, slots=True)
class Node:
    """One operator."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Graph:
    """Operators, constants, and what goes in and comes out.

    Attributes:
        inputs: Shape of one item, by name; all are float64.
        outputs: Tensor and kind ("float64", "bool") by name.
    """

    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[str, str, tuple[int, ...]]] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)

    def constant(self, value: ArrayLike, kind: Any = np.float64) -> str:
        """Name of a new constant."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, kind)
        return name

    def add(self, operator: str, *inputs: str | ArrayLike, **attributes: Any) -> str:
        """Name of what a new operator gives; inputs that are no names become constants."""
        return self.several(1, operator, *inputs, **attributes)[0]

    def several(
        self, count: int, operator: str, *inputs: str | ArrayLike, **attributes: Any
    ) -> list[str]:
        """Names of all that a new operator gives."""
        names = tuple(one if isinstance(one, str) else self.constant(one) for one in inputs)
        outputs = [f"t{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(Node(operator, names, tuple(outputs), attributes))
        return outputs

    def axes(self, *axes: int) -> str:
        """A constant of axes."""
        return self.constant(axes, np.int64)

    def matrix(self, fields: Fields) -> str:
        """``(n, width)`` of all fields, which become inputs."""
        parts = []
        for name, shape in zip(fields.names, fields.shapes, strict=True):
            self.inputs[name] = shape
            parts.append(self.add("Reshape", name, self.constant([-1, _width(shape)], np.int64)))
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)

    def scaled(self, matrix: str, scaler: Scaler) -> str:
        """Shifted and divided."""
        return self.add("Div", self.add("Sub", matrix, scaler.mean), scaler.std)

    def squared_distances(self, a: str, b: NDArray[np.float64]) -> str:
        """``(n, m)`` between the rows of a tensor and of a constant."""
        squares = self.add("ReduceSumSquare", a, self.axes(1), keepdims=1)
        cross = self.add("MatMul", a, -2.0 * b.T)
        sums = self.add("Add", self.add("Add", cross, squares), (b**2).sum(axis=1)[None])
        return self.add("Max", sums, 0.0)

    def columns(self, matrix: str, start: int, stop: int) -> str:
        """Some columns."""
        return self.add("Slice", matrix, self.axes(start), self.axes(stop), self.axes(1))


def graph_of(state: ModelState, *, noisy: bool = False) -> tuple[Graph, str, str, Fields]:
    """A graph, its ``(n, q)`` mean and standard deviation, and the fields that those hold.

    Args:
        state: Of a fitted model.
        noisy: Whether a Gaussian process has the noise of labels in its standard deviation.

    Raises:
        ConfigError: If it is of a model that cannot be written so.
    """
    kinds = {PROCESS: _process, FEATURES: _features, NETWORKS: _networks}
    make = kinds.get(str(state.data.get("format")))
    if make is None or (make is _networks and state.data.get("network") != PERCEPTRON):
        raise ConfigError(
            "only Gaussian processes, random features and ensembles of the built-in perceptron can "
            "be written as ONNX here; write a .safetensors file for other models."
        )
    held = {name: np.asarray(array, np.float64) for name, array in state.arrays.items()}
    return make({**state.data, "noisy": noisy}, held)


def _process(
    data: Mapping[str, Any], held: Mapping[str, NDArray[np.float64]]
) -> tuple[Graph, str, str, Fields]:
    """Rasmussen & Williams 2006, algorithm 2.1, with the inverse of the Cholesky factor."""
    from scipy.linalg import solve_triangular

    graph, outputs = Graph(), Fields.from_metadata(data["outputs"])
    inputs = Fields.from_metadata(data["inputs"])
    X = graph.scaled(graph.matrix(inputs), Scaler.from_arrays(held, "x_"))
    means, variances = [], []
    for theta, chol, alpha in zip(held["theta"], held["chol"], held["alpha"], strict=True):
        lengths, variance = np.exp(theta[1:-1]), float(np.exp(theta[0]))
        squared = graph.squared_distances(graph.add("Div", X, lengths), held["X"] / lengths)
        cross = graph.add("Mul", _correlation(graph, str(data["kernel"]), squared), variance)
        inverse = solve_triangular(chol, np.eye(len(chol)), lower=True)
        half = graph.add("MatMul", cross, inverse.T)
        explained = graph.add("ReduceSumSquare", half, graph.axes(1), keepdims=1)
        left = graph.add("Max", graph.add("Sub", variance, explained), 0.0)
        noise = float(np.exp(theta[-1])) if data["noisy"] else 0.0
        variances.append(graph.add("Add", left, noise))
        means.append(graph.add("MatMul", cross, alpha[:, None]))
    y = Scaler.from_arrays(held, "y_")
    mean = graph.add("Add", graph.add("Mul", _joined(graph, means), y.std), y.mean)
    std = graph.add("Mul", graph.add("Sqrt", _joined(graph, variances)), y.std)
    return graph, mean, std, outputs


def _correlation(graph: Graph, kernel: str, squared: str) -> str:
    if kernel == "rbf":
        return graph.add("Exp", graph.add("Mul", squared, -0.5))
    scaled = graph.add("Mul", graph.add("Sqrt", squared), _ROOT5)
    third = graph.add("Div", graph.add("Mul", scaled, scaled), 3.0)
    polynomial = graph.add("Add", graph.add("Add", scaled, 1.0), third)
    return graph.add("Mul", polynomial, graph.add("Exp", graph.add("Neg", scaled)))


def _features(
    data: Mapping[str, Any], held: Mapping[str, NDArray[np.float64]]
) -> tuple[Graph, str, str, Fields]:
    """Cosines and sines of random phases, weighted; mean and deviation over the members."""
    graph, outputs = Graph(), Fields.from_metadata(data["outputs"])
    matrix = graph.matrix(Fields.from_metadata(data["inputs"]))
    said = []
    for member in range(int(data["members"])):
        prefix = f"m{member}/"
        own = {k.removeprefix(prefix): v for k, v in held.items() if k.startswith(prefix)}
        said.append(_member(graph, matrix, own, outputs))
    mean, std = _over_members(graph, said)
    return graph, mean, std, outputs


def _over_members(graph: Graph, said: list[str], ddof: int = 0) -> tuple[str, str]:
    """``(n, q)`` mean and standard deviation of what members say."""
    count = len(said)
    stacked = graph.add(
        "Concat", *[graph.add("Unsqueeze", one, graph.axes(0)) for one in said], axis=0
    )
    mean = graph.add("ReduceMean", stacked, graph.axes(0), keepdims=0)
    away = graph.add("Sub", stacked, mean)
    square = graph.add("ReduceMean", graph.add("Mul", away, away), graph.axes(0), keepdims=0)
    square = graph.add("Mul", square, count / max(1, count - ddof))
    return mean, graph.add("Sqrt", square)


def _networks(
    data: Mapping[str, Any], held: Mapping[str, NDArray[np.float64]]
) -> tuple[Graph, str, str, Fields]:
    """Perceptrons with SiLU (x times its logistic function) between the layers."""
    first = data["m0"]
    graph, outputs = Graph(), Fields.from_metadata(first["outputs"])
    matrix = graph.matrix(Fields.from_metadata(first["inputs"]))
    said = []
    for member in range(int(data["members"])):
        prefix = f"m{member}/"
        own = {k.removeprefix(prefix): v for k, v in held.items() if k.startswith(prefix)}
        values = graph.scaled(matrix, Scaler.from_arrays(held, f"m{member}.x_"))
        layers = sorted(int(name.split(".")[0]) for name in own if name.endswith("weight"))
        for layer in layers:
            values = graph.add("MatMul", values, own[f"{layer}.weight"].T)
            values = graph.add("Add", values, own[f"{layer}.bias"])
            if layer != layers[-1]:
                values = graph.add("Mul", values, graph.add("Sigmoid", values))
        y = Scaler.from_arrays(held, f"m{member}.y_")
        said.append(graph.add("Add", graph.add("Mul", values, y.std), y.mean))
    mean, std = _over_members(graph, said, ddof=1)
    return graph, mean, std, outputs


def _member(
    graph: Graph, matrix: str, own: Mapping[str, NDArray[np.float64]], outputs: Fields
) -> str:
    """``(n, q)`` of one draw."""
    X, y = graph.scaled(matrix, Scaler.from_arrays(own, "x_")), Scaler.from_arrays(own, "y_")
    phases = graph.add("MatMul", X, own["frequencies"])
    groups, start = [], 0
    for width, length in zip(outputs.widths, own["lengths"], strict=True):
        weights = own["weights"][:, start : start + width] / np.sqrt(own["frequencies"].shape[1])
        scaled = graph.add("Div", phases, float(length))
        waves = graph.add("Concat", graph.add("Cos", scaled), graph.add("Sin", scaled), axis=1)
        groups.append(graph.add("MatMul", waves, weights))
        start += width
    return graph.add("Add", graph.add("Mul", _joined(graph, groups), y.std), y.mean)


def _joined(graph: Graph, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def _width(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))
