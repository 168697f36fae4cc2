from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

from querist.core.errors import ConfigError, RunError, ShapeError
from querist.models.inference import Inference, open_inference
from querist.testing.inference import INFERENCE_CHECKS, InferenceCase

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from networks_for_tests import images  # noqa: E402
from pretrained_for_tests import bert, texts, vit  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow]
OWN = frozenset({"probabilities", "embeddings", "gradients"})


@cache
def folder() -> Path:
    return Path(mkdtemp())


def case(name: str, make: Any, provides: frozenset[str], **more: Any) -> InferenceCase:
    made = cache(lambda seed: make(folder(), seed))

    def opened(threads: int = 1, seed: int = 0) -> Inference:
        told = {"use": "huggingface", "name": str(made(seed)), **more}
        return open_inference(told, threads=threads)

    def wrong() -> Any:
        return [3, 4] if batch is texts else np.zeros((2, 9, 9, 3), np.uint8)

    batch = images if make is vit else texts
    return InferenceCase(name, opened, batch, provides, lambda: opened(seed=1), wrong)


def headless(folder: Path, seed: int) -> Path:
    return bert(folder, seed, headless=True)


PASSES = {"mc_dropout": {"passes": 3}}
CASES = [
    case("text", bert, OWN),
    case("text-dropout", bert, OWN | {"member_probabilities"}, **PASSES),
    case("text-embedder", headless, frozenset({"embeddings"})),
    case("images", vit, OWN),
]
CONVERTED = [
    case(f"{make.__name__}-{backend}", make, OWN, backend=backend)
    for make in (bert, vit)
    for backend in ("openvino", "onnxruntime")
]


@pytest.mark.parametrize("check", INFERENCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(check: Any, case: InferenceCase) -> None:
    check(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", CONVERTED, ids=lambda case: case.name)
def test_converted_models_give_the_same(case: InferenceCase) -> None:
    model = case.open(1)
    assert model.info.backend != "torch"
    plain = {
        "bert": CASES[0],
        "vit": CASES[3],
    }[case.name.partition("-")[0]].open(1)
    batch = case.items(40)
    made, wanted = model.infer(batch, OWN), plain.infer(batch, OWN)
    for name in OWN:
        np.testing.assert_allclose(made[name], wanted[name], atol=1e-4)


def test_texts_give_what_transformers_gives() -> None:
    path = bert(folder(), 3)
    model = open_inference({"use": "huggingface", "name": str(path)})
    assert model.classes == ("bad", "fair", "good")
    batch = texts(np.random.default_rng(1), 9)
    made = model.infer(batch, frozenset({"probabilities"}))["probabilities"]
    tokens = transformers.AutoTokenizer.from_pretrained(path)
    net = transformers.AutoModelForSequenceClassification.from_pretrained(path).eval()
    with torch.no_grad():
        alone = [net(**tokens(text, return_tensors="pt")).logits.softmax(1)[0] for text in batch]
    np.testing.assert_allclose(made, torch.stack(alone).numpy(), atol=1e-5)


def test_images_are_normalised_as_the_preprocessor_says() -> None:
    path = vit(folder(), 3)
    batch = images(np.random.default_rng(1), 5)
    model = open_inference({"use": "huggingface", "name": str(path)})
    net = transformers.AutoModelForImageClassification.from_pretrained(path).eval()
    pixels = (torch.tensor(batch).permute(0, 3, 1, 2) / 255.0 - 0.5) / 0.25
    with torch.no_grad():
        wanted = net(pixel_values=pixels).logits.softmax(1).numpy()
    made = model.infer(batch, frozenset({"probabilities"}))["probabilities"]
    np.testing.assert_allclose(made, wanted, atol=1e-5)
    with pytest.raises(ShapeError, match=r"takes images of 8 x 8 pixels .* got \(1, 16, 16, 3\)"):
        model.infer(np.zeros((1, 16, 16, 3), np.uint8), frozenset({"probabilities"}))


def test_long_texts_are_cut() -> None:
    path = bert(folder(), 3)
    model = open_inference({"use": "huggingface", "name": str(path), "max_length": 5})
    made = model.infer(["a b c d e f g", "a b c m m m m"], frozenset({"probabilities"}))
    np.testing.assert_allclose(made["probabilities"][0], made["probabilities"][1], atol=1e-6)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    told = {"use": "huggingface", "name": "nobody/nothing", "offline": True}
    with pytest.raises(RunError, match=r"'nobody/nothing' is not in the local cache"):
        open_inference(told)
    with pytest.raises(ConfigError, match=r"no config.json"):
        open_inference({"use": "huggingface", "name": str(tmp_path)})
    copied = shutil.copytree(bert(folder(), 3), tmp_path / "copy")
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="no weights in safetensors; other formats may hold code"):
        open_inference({"use": "huggingface", "name": str(copied)})
