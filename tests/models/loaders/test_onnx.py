from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

from querist.core.errors import ConfigError, ShapeError
from querist.models.inference import Inference, open_inference
from querist.testing.inference import INFERENCE_CHECKS, InferenceCase

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper, numbers = onnx.helper, onnx.numpy_helper
OWN = frozenset({"probabilities", "embeddings", "gradients"})
NORMALISE = {"mean": 0.5, "std": 0.25}


@cache
def folder() -> Path:
    return Path(mkdtemp())


def convolution(seed: int, rows: Any = "n", softmax: bool = False) -> Path:
    """Convolution, mean over places, a linear layer: written out, as no torch is needed."""
    rng = np.random.default_rng(seed)
    shapes = {"k": (6, 3, 3, 3), "w": (6, 4), "b": (4,)}
    held = [numbers.from_array(rng.normal(size=s).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["pixels", "k"], ["c"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"], "pool"),
        helper.make_node("Flatten", ["g"], ["h"]),
        helper.make_node("Gemm", ["h", "w", "b"], ["z"], "last"),
        *([helper.make_node("Softmax", ["z"], ["p"], axis=1)] if softmax else []),
    ]
    name = "p" if softmax else "z"
    kind = onnx.TensorProto.FLOAT
    given = helper.make_tensor_value_info("pixels", kind, [rows, 3, 8, 8])
    made = helper.make_tensor_value_info(name, kind, [rows, 4])
    graph = helper.make_graph(nodes, "test", [given], [made], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    file = folder() / f"{seed}-{rows}-{softmax}.onnx"
    onnx.save(model, file)
    return file


def images(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(0, 256, (count, 8, 8, 3), np.uint8)


def wrong() -> np.ndarray:
    return np.zeros((2, 9, 9, 3), np.uint8)


def opened(file: Path | list[Path], threads: int = 1, **more: Any) -> Inference:
    told = {"use": "onnx", "file": file, "normalise": NORMALISE, **more}
    return open_inference(told, threads=threads)


def case(name: str, provides: frozenset[str] = OWN, members: int = 1, **more: Any) -> InferenceCase:
    options = {key: more.pop(key) for key in ("rows", "softmax") if key in more}

    def made(threads: int = 1, seed: int = 0) -> Inference:
        files = [convolution(seed + i, **options) for i in range(members)]
        return opened(files, threads, **more)

    return InferenceCase(name, made, images, provides, lambda: made(seed=7), wrong)


CASES = [
    case("onnxruntime"),
    case("onnxruntime-fixed-rows", rows=4),
    case("onnxruntime-committee", OWN | {"member_probabilities"}, members=2, softmax=True),
]
SLOW = [
    case("openvino", backend="openvino"),
    case("openvino-fixed-rows", backend="openvino", rows=4),
]


@pytest.mark.parametrize("check", INFERENCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(check: Any, case: InferenceCase) -> None:
    check(case)


@pytest.mark.slow
@pytest.mark.parametrize("check", INFERENCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", SLOW, ids=lambda case: case.name)
def test_contract_where_compilation_takes_time(check: Any, case: InferenceCase) -> None:
    check(case)


def test_backends_agree_and_softmax_is_seen() -> None:
    batch = images(np.random.default_rng(0), 9)
    logits, softmax = convolution(0), convolution(0, softmax=True)
    first = opened(logits).infer(batch, OWN)
    for other in (opened(softmax), opened(logits, backend="openvino")):
        made = other.infer(batch, OWN)
        for name in OWN:
            np.testing.assert_allclose(made[name], first[name], atol=1e-5)
    x = (batch.transpose(0, 3, 1, 2) / 255.0 - 0.5) / 0.25
    held = {t.name: numbers.to_array(t) for t in onnx.load(logits).graph.initializer}
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3)
    )
    h = np.maximum(np.einsum("ncijkl,fckl->nfij", windows, held["k"]), 0.0).mean((2, 3))
    np.testing.assert_allclose(first["embeddings"], h, rtol=1e-4, atol=1e-4)


def test_layers_and_outputs_by_name() -> None:
    batch = images(np.random.default_rng(0), 3)
    pool = opened(convolution(0), embedding="pool").infer(batch, frozenset({"embeddings"}))
    auto = opened(convolution(0)).infer(batch, frozenset({"embeddings"}))
    np.testing.assert_allclose(pool["embeddings"], auto["embeddings"], atol=1e-6)
    assert opened(convolution(0), embedding="").provides == {"probabilities"}
    with pytest.raises(ConfigError, match=r"no node or tensor 'poool'. Did you mean 'pool'"):
        opened(convolution(0), embedding="poool")
    with pytest.raises(ConfigError, match="has no output 'q'"):
        opened(convolution(0), scores="q")


def test_what_cannot_be_used_is_explained(tmp_path: Path) -> None:
    model = opened(convolution(0))
    with pytest.raises(
        ShapeError, match=r"takes items of the shape 3 x 8 x 8, but got \(3, 9, 9\)"
    ):
        model.infer(wrong(), OWN)
    (tmp_path / "a.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match="is no valid ONNX file"):
        opened(tmp_path / "a.onnx")
    with pytest.raises(ConfigError, match="cannot be read"):
        opened(tmp_path / "b.onnx")
    with pytest.raises(ConfigError, match="not run by torch"):
        opened(convolution(0), backend="torch")
    with pytest.raises(ConfigError, match="onnxruntime has no bfloat16"):
        opened(convolution(0), precision="bf16").infer(images(np.random.default_rng(0), 1), OWN)


@pytest.mark.filterwarnings("ignore")  # the quantiser's own
def test_a_file_of_eight_bit_integers_runs_as_it_is() -> None:
    quantisation = pytest.importorskip("onnxruntime.quantization")
    plain, batch = convolution(3), images(np.random.default_rng(0), 40)
    pixels = ((batch.transpose(0, 3, 1, 2) / 255.0 - 0.5) / 0.25).astype(np.float32)
    some = iter([{"pixels": pixels}])

    class Some(quantisation.CalibrationDataReader):
        def get_next(self) -> Any:
            return next(some, None)

    small = folder() / "int8.onnx"
    quantisation.quantize_static(plain, small, Some())
    assert "DequantizeLinear" in {node.op_type for node in onnx.load(small).graph.node}
    wanted = opened(plain).infer(batch, OWN)
    for backend in ("onnxruntime", "openvino"):
        model = opened(small, backend=backend)
        assert model.provides == OWN
        made = model.infer(batch, OWN)
        np.testing.assert_allclose(made["probabilities"], wanted["probabilities"], atol=0.1)
        assert not np.array_equal(made["probabilities"], wanted["probabilities"])
