"""ONNX models changed before they run (extra ``onnx``): bytes of images in, embeddings out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, ShapeError, require

from ..graphs import Graph
from ..inference_settings import Normalise, OnnxSettings, suggest

PREFIX = "querist_"
PRODUCTS = ("Gemm", "MatMul")
_REARRANGE = ("Constant", "Transpose", "Reshape", "Cast", "Identity", "DequantizeLinear")


def onnx() -> Any:
    """The package of the format.

    Raises:
        MissingExtra: If it is not installed.
    """
    return require("onnx", "onnx", "reading an ONNX file")


@dataclass(frozen=True, slots=True, eq=False)
class OnnxModel:
    """A model of a file, of which scores and embeddings are known by name.

    Attributes:
        data: The model with its weights.
        input: Name of its one input.
        shape: Of that, None where any number is allowed.
        kind: Number of its type.
        scores: Name of an output.
        embeddings: Name of a tensor, or empty.
        softmax: Whether scores are probabilities already, as far as can be seen.
        normalise: What to do to inputs.
        beside: Files of weights that the model's file names.
    """

    data: bytes
    input: str
    shape: tuple[int | None, ...]
    kind: int
    scores: str
    embeddings: str
    softmax: bool
    normalise: Normalise | None
    beside: tuple[Path, ...] = ()

    def fit_to(self, example: Mapping[str, NDArray[Any]]) -> bytes:
        """The model for inputs of this type and shape: normalised inside, outputs in order.

        Raises:
            ShapeError: If the model takes items of another shape.
        """
        (array,) = example.values()
        steps = _Steps(self, array)
        self._check(array, steps.transposes)
        model = onnx().load_model_from_string(self.data)
        if steps.needed:
            steps.insert(model)
        _outputs(model, self)
        made: bytes = model.SerializeToString()
        return made

    def _check(self, array: NDArray[Any], transposes: bool) -> None:
        item = array.shape[1:]
        seen = (item[2], item[0], item[1]) if transposes else item
        wanted = self.shape[1:]
        fits = len(seen) == len(wanted) and all(
            want in (None, got) for want, got in zip(wanted, seen, strict=True)
        )
        if self.shape and not fits:
            text = " x ".join("any" if size is None else str(size) for size in wanted)
            raise ShapeError(
                f"the ONNX model takes items of the shape {text}, but got {seen} (a batch of the "
                f"shape {array.shape}); set the transform's size, or the layout of 'normalise'."
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """What comes before a model's own input."""

    model: OnnxModel
    array: NDArray[Any]

    @property
    def transposes(self) -> bool:
        """Whether channels go first."""
        told = self.model.normalise or Normalise()
        return self.array.ndim == 4 and told.layout == "channels-first"

    @property
    def kind(self) -> int:
        """Number of the type that comes in."""
        return int(onnx().helper.np_dtype_to_tensor_dtype(self.array.dtype))

    @property
    def affine(self) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Factor and shift of ``(x / scale - mean) / std``; None where they change nothing."""
        told = self.model.normalise or Normalise()
        float_wanted = self.model.kind in _float_kinds()
        usual = 255.0 if self.array.dtype == np.uint8 and float_wanted else 1.0
        scale, std = told.scale or usual, np.array(told.std or (1.0,), np.float32)
        mean = np.array(told.mean or (0.0,), np.float32)
        factor, shift = (1.0 / (scale * std)).astype(np.float32), -mean / std
        plain = bool((factor == 1.0).all() and (shift == 0.0).all())
        return None if plain else (factor, shift.astype(np.float32))

    @property
    def needed(self) -> bool:
        """Whether anything is to be done."""
        return self.transposes or self.kind != self.model.kind or self.affine is not None

    def insert(self, model: Any) -> None:
        """Put the steps between a new input and the old one."""
        helper, graph = onnx().helper, model.graph
        old = next(each for each in graph.input if each.name == self.model.input)
        first = old.type.tensor_type.shape.dim[0]
        rows = first.dim_value or "rows"
        name = f"{PREFIX}x"
        value = helper.make_tensor_value_info(name, self.kind, [rows, *self.array.shape[1:]])
        nodes = list(self._nodes(graph, name))
        nodes[-1].output[0] = old.name
        graph.input.remove(old)
        graph.input.insert(0, value)
        for at, node in enumerate(nodes):
            graph.node.insert(at, node)

    def _nodes(self, graph: Any, name: str) -> Iterator[Any]:
        helper, numbers = onnx().helper, onnx().numpy_helper
        affine = self.affine
        kinds = [int(onnx().TensorProto.FLOAT)] if affine else []
        steps: list[tuple[str, list[str], dict[str, Any]]] = [
            ("Cast", [], {"to": kind}) for kind in kinds
        ]
        for operator, constant in zip(("Mul", "Add"), affine or (), strict=False):
            held = f"{PREFIX}{operator.lower()}"
            graph.initializer.append(numbers.from_array(constant, held))
            steps.append((operator, [held], {}))
        steps.append(("Cast", [], {"to": self.model.kind}))
        if self.transposes:
            steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
        for at, (operator, more, options) in enumerate(steps):
            made = f"{PREFIX}{at}"
            yield helper.make_node(operator, [name, *more], [made], f"{PREFIX}{at}", **options)
            name = made


def _float_kinds() -> tuple[int, ...]:
    proto = onnx().TensorProto
    return int(proto.FLOAT), int(proto.FLOAT16), int(proto.DOUBLE), int(proto.BFLOAT16)


def _outputs(model: Any, told: OnnxModel) -> None:
    """Let the outputs be scores, and embeddings as ``(n, d)``."""
    helper, graph = onnx().helper, model.graph
    scores = next(each for each in graph.output if each.name == told.scores)
    kept = [scores]
    if told.embeddings:
        flat = f"{PREFIX}embeddings"
        graph.node.append(helper.make_node("Flatten", [told.embeddings], [flat], axis=1))
        kept.append(helper.make_tensor_value_info(flat, onnx().TensorProto.FLOAT, None))
    del graph.output[:]
    graph.output.extend(kept)


def read(path: Path, settings: OnnxSettings) -> OnnxModel:
    """A model of a file, weights beside it included.

    Raises:
        ConfigError: If it cannot be read, has several inputs, or no output or tensor of a name.
        MissingExtra: If the package is not installed.
    """
    package = onnx()
    try:
        model = package.load(path, load_external_data=False)
        beside = _beside(model.graph, path.parent)
        package.external_data_helper.load_external_data_for_model(model, str(path.parent))
        package.checker.check_model(model)
    except OSError as error:
        raise ConfigError(f"the ONNX file {path} cannot be read: {error}.") from error
    except Exception as error:  # protobuf's and the checker's own kinds
        raise ConfigError(f"{path} is no valid ONNX file: {error}") from error
    graph = model.graph
    constants = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    if len(inputs) != 1:
        raise ConfigError(
            f"an ONNX model of a pool has one input, but {path} has "
            f"{', '.join(each.name for each in inputs) or 'none'}."
        )
    kind = inputs[0].type.tensor_type
    dims = tuple(dim.dim_value or None for dim in kind.shape.dim)
    scores = _scores(graph, settings.scores, path)
    embeddings = _embeddings(graph, settings.embedding, constants)
    softmax = _softmax(graph, scores)
    data = model.SerializeToString()
    name = inputs[0].name
    return OnnxModel(
        data, name, dims, kind.elem_type, scores, embeddings, softmax, settings.normalise, beside
    )


def _beside(graph: Any, folder: Path) -> tuple[Path, ...]:
    """The files that hold weights of a graph whose own file does not."""
    tensors = (one for one in _tensors(graph) if one.data_location == one.EXTERNAL)
    names = {pair.value for one in tensors for pair in one.external_data if pair.key == "location"}
    return tuple(folder / name for name in sorted(names))


def _tensors(graph: Any) -> Iterator[Any]:
    """All tensors that a graph holds, those of the graphs within its nodes too."""
    yield from graph.initializer
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)


def assembled(graph: Graph, metadata: Mapping[str, str]) -> bytes:
    """A model of any number of rows, as a file holds it.

    Args:
        graph: Its operators.
        metadata: Texts that the file carries.

    Raises:
        MissingExtra: If ONNX is not installed.
    """
    package = onnx()
    helper, kinds = package.helper, {"float64": 11, "bool": 9}  # of ONNX's table of types
    double = kinds["float64"]
    inputs = [
        helper.make_tensor_value_info(name, double, ["rows", *shape])
        for name, shape in graph.inputs.items()
    ]
    ends = [helper.make_node("Identity", [t], [name]) for name, (t, _, _) in graph.outputs.items()]
    outputs = [
        helper.make_tensor_value_info(name, kinds[kind], ["rows", *shape])
        for name, (_, kind, shape) in graph.outputs.items()
    ]
    nodes = [
        helper.make_node(node.operator, list(node.inputs), list(node.outputs), **node.attributes)
        for node in graph.nodes
    ]
    constants = [package.numpy_helper.from_array(v, name) for name, v in graph.constants.items()]
    made = helper.make_graph([*nodes, *ends], "querist", inputs, outputs, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, dict(metadata))
    package.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def metadata_of(data: bytes) -> dict[str, str]:
    """The texts that :func:`assembled` put into a file."""
    model = onnx().load_model_from_string(data)
    return {one.key: one.value for one in model.metadata_props}


def _scores(graph: Any, wanted: str, path: Path) -> str:
    names = [each.name for each in graph.output]
    if wanted:
        if wanted not in names:
            raise ConfigError(f"{path} has no output {wanted!r}. {suggest(wanted, names)}")
        return wanted
    floats = _float_kinds()
    for each in graph.output:
        if each.type.tensor_type.elem_type in floats:
            return str(each.name)
    raise ConfigError(
        f"{path} has no output of floating-point numbers, only {', '.join(names)}. A scikit-learn "
        "classifier is exported with options={'zipmap': False}."
    )


def _softmax(graph: Any, scores: str) -> bool:
    """Whether scores look like probabilities: a softmax made them, or their name says so."""
    makers = {out: node.op_type for node in graph.node for out in node.output}
    return makers.get(scores) in ("Softmax", "Sigmoid") or "probab" in scores.lower()


def _embeddings(graph: Any, wanted: str, constants: set[str]) -> str:
    """Name of the tensor to take; of "auto" the input of the last product with weights."""
    if not wanted:
        return ""
    if wanted == "auto":
        held = constants | {
            out for node in graph.node if _is_constant(node, constants) for out in node.output
        }
        products = [node for node in graph.node if node.op_type in PRODUCTS]
        with_weights = [node for node in products if node.input[1] in held]
        return str(with_weights[-1].input[0]) if with_weights else ""
    by_node = {node.name: node.output[0] for node in graph.node if node.name}
    tensors = [out for node in graph.node for out in node.output]
    if wanted in by_node or wanted in tensors:
        return str(by_node.get(wanted, wanted))
    raise ConfigError(
        f"the ONNX model has no node or tensor {wanted!r}. {suggest(wanted, [*by_node, *tensors])}"
    )


def _is_constant(node: Any, constants: set[str]) -> bool:
    """Whether a node only rearranges weights, or makes numbers of those of eight bits."""
    rearranges = node.op_type in _REARRANGE
    return rearranges and all(name in constants for name in _inputs(node))


def _inputs(node: Any) -> Sequence[str]:
    return [name for name in node.input if name]
