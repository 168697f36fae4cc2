"""What is known of a model without opening it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from querist.pool.pool import Pool
from querist.pool.scan import place

TABLE = {"modality": "table", "columns": {"a": "number", "b": "number"}}


@pytest.fixture
def pool(tmp_path: Path):
    with Pool.create(tmp_path / "pool", {"transform": TABLE}) as made:
        made.add_items([{"table": {"a": n / 10, "b": 1 - n / 10}} for n in range(20)])
        yield made


def linear(folder: Path, factor: float) -> None:
    """``model.onnx``, whose weights lie in ``w.bin``."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weights = np.zeros((2, 64), np.float32)
    weights[:, :2] = factor * np.eye(2)
    ends = [
        helper.make_tensor_value_info(name, kind, ["n", 64 if name == "y" else 2]) for name in "xy"
    ]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    held = [onnx.numpy_helper.from_array(weights, "w")]
    graph = helper.make_graph(nodes, "linear", [ends[0]], [ends[1]], held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (folder / "w.bin").unlink(missing_ok=True)
    onnx.save(
        made,
        folder / "model.onnx",
        save_as_external_data=True,
        location="w.bin",
        size_threshold=0,
    )


def inferred(pool: Pool, model: dict[str, str]) -> int:
    return int(pool.query(3, model=model, strategy="margin").counts["inferred"])


def test_weights_in_a_file_that_an_onnx_file_names_count(pool: Pool, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = {"use": "onnx", "file": str(tmp_path / "model.onnx")}
    linear(tmp_path, 9.0)
    os.replace(tmp_path / "w.bin", tmp_path / "other.bin")
    linear(tmp_path, 1.0)
    assert (inferred(pool, model), inferred(pool, model)) == (20, 0)
    os.replace(tmp_path / "other.bin", tmp_path / "w.bin")
    assert inferred(pool, model) == 20


def test_a_file_that_is_changed_in_place_is_another_one(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"one")
    told = file.stat()
    model = {"use": "torch", "builder": "nobody:builds", "weights": str(file)}
    first = place.fingerprint(model)
    assert place.fingerprint(model) == first
    file.write_bytes(b"two")  # of the same size, and it is said to be as old
    os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert place.fingerprint(model) != first


def test_modules_that_a_builder_imports_count(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "placed_net.py").write_text("import placed_layers\n")
    (tmp_path / "placed_layers.py").write_text("DEPTH = 1\n")
    model = {"use": "torch", "builder": "placed_net:build"}
    first = place.fingerprint(model)
    assert place.fingerprint(model) == first
    (tmp_path / "placed_layers.py").write_text("DEPTH = 2\n")
    assert place.fingerprint(model) != first
    assert "placed_net" not in sys.modules  # nothing is run to know it
