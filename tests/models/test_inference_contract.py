from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

from querist.models.inference import Inference, open_inference
from querist.testing.inference import INFERENCE_CHECKS, InferenceCase

pytest.importorskip("torch")
pytest.importorskip("openvino")
pytest.importorskip("onnxruntime")

from networks_for_tests import Curve, Pixels, images, rows, written

pytestmark = pytest.mark.torch

OWN = frozenset({"probabilities", "embeddings", "gradients"})
MEMBERS = OWN | {"member_probabilities"}
NUMBERS = frozenset({"predictions", "embeddings", "gradients"})


@cache
def folder() -> Path:
    return Path(mkdtemp())


@cache
def weights(kind: type, seed: int) -> Path:
    return written(folder(), kind(), seed)


def torch_case(name: str, kind: type, provides: frozenset[str], **more: Any) -> InferenceCase:
    batch = images if kind is Pixels else rows
    count = more.pop("members", 1)

    def opened(threads: int = 1, seed: int = 0) -> Inference:
        files = [weights(kind, seed + i) for i in range(count)]
        return open_inference(
            {"use": "torch", "builder": kind, "weights": files, **more}, threads=threads
        )

    def wrong() -> Any:
        return np.zeros((2, 8, 8, 1), np.uint8) if kind is Pixels else np.zeros((2, 5), np.float32)

    tolerance = 2e-2 if more.get("precision") == "bf16" else 2e-5
    return InferenceCase(
        name, opened, batch, provides, lambda: opened(seed=5), wrong, tolerance=tolerance
    )


REGRESSION = {"task": "regression"}
LABELS = frozenset({"label_probabilities", "embeddings"})
SPREAD = NUMBERS | {"member_predictions", "std"}
OPENVINO = {"backend": "openvino"}
PASSES = {"mc_dropout": {"passes": 4}}
RESIDUAL = {"residual": True}
CASES = [
    torch_case("torch", Pixels, OWN, normalise={"mean": 0.5, "std": 0.25}),
    torch_case("torch-bf16", Pixels, OWN, precision="bf16"),
    torch_case("torch-committee", Pixels, MEMBERS, members=3),
    torch_case("torch-dropout", Pixels, MEMBERS, **PASSES),
    torch_case("torch-named-layer", Pixels, OWN - {"gradients"}, embedding="features"),
    torch_case("torch-multi-label", Pixels, LABELS, task="multi-label"),
    torch_case("torch-regression", Curve, NUMBERS, **REGRESSION),
    torch_case("torch-regression-dropout", Curve, SPREAD, **REGRESSION, **PASSES),
]


@pytest.mark.parametrize("check", INFERENCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(check: Any, case: InferenceCase) -> None:
    check(case)


SLOW_TO_COMPILE = [
    torch_case("openvino", Pixels, OWN, **OPENVINO),
    torch_case("openvino-bf16", Pixels, OWN, **OPENVINO, precision="bf16"),
    torch_case("openvino-dropout", Pixels, MEMBERS, **OPENVINO, **PASSES, options=RESIDUAL),
    torch_case("openvino-committee", Curve, SPREAD, **OPENVINO, **REGRESSION, members=2),
    torch_case("onnxruntime", Pixels, OWN, backend="onnxruntime"),
    torch_case(
        "onnxruntime-dropout", Pixels, MEMBERS, backend="onnxruntime", mc_dropout={"passes": 3}
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("check", INFERENCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", SLOW_TO_COMPILE, ids=lambda case: case.name)
def test_contract_after_export(check: Any, case: InferenceCase) -> None:
    check(case)


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, PASSES], ids=["plain", "dropout"])
def test_openvino_gives_what_torch_gives(more: Any) -> None:
    provides = MEMBERS if more else OWN
    plain = torch_case("torch", Pixels, provides, **more)
    model = torch_case("openvino", Pixels, provides, **OPENVINO, **more).open(2)
    batch = plain.items(150)
    made, wanted = model.infer(batch, provides), plain.open(1).infer(batch, provides)
    assert model.info.backend == "openvino"
    assert model.info.compile_seconds > 0.0
    for name in provides:
        np.testing.assert_allclose(made[name], wanted[name], atol=1e-4, rtol=1e-4)
