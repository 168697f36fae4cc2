from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("openvino")
pytest.importorskip("openvino_telemetry")

from networks_for_tests import Pixels, images
from openvino_telemetry import Telemetry

from querist.models.inference import open_inference

pytestmark = pytest.mark.torch


def test_nobody_is_told_that_a_network_was_converted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where nobody forbade it
    told: list[str] = []
    monkeypatch.setattr(Telemetry, "__init__", lambda *_, **__: told.append("opened"))
    monkeypatch.setattr(Telemetry, "send_event", lambda *_, **__: told.append("sent"))
    settings = {"use": "torch", "builder": Pixels, "backend": "openvino", "input": [8, 8, 3]}
    model = open_inference(settings)
    made = model.infer(images(np.random.default_rng(0), 5), frozenset({"probabilities"}))
    assert made["probabilities"].shape[0] == 5
    model.close()
    assert told == []
    assert list(tmp_path.iterdir()) == []


def test_an_onnx_file_is_read_without_the_converter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(name, kind, ["n", 3]) for name in ("x", "probabilities")]
    node = helper.make_node("Softmax", ["x"], ["probabilities"], axis=1)
    graph = helper.make_graph([node], "one", ends[:1], ends[1:])
    file = tmp_path / "one.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), file)
    monkeypatch.setattr("openvino.convert_model", lambda *_, **__: pytest.fail("it tells others"))
    told = {"use": "onnx", "file": file, "backend": "openvino", "output": "probabilities"}
    model = open_inference(told)
    made = model.infer(np.zeros((2, 3), np.float32), frozenset({"probabilities"}))
    np.testing.assert_allclose(made["probabilities"], 1 / 3, atol=1e-6)
