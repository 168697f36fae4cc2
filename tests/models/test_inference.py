from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.core.errors import ConfigError, MissingExtra, RunError
from querist.models.inference import Inference, open_inference
from querist.models.inferring import digest_of

torch = pytest.importorskip("torch")
save_file = pytest.importorskip("safetensors.torch").save_file
pytestmark = pytest.mark.torch


def network(width: int = 8, classes: int = 4) -> Any:
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, classes),
    )


def images(count: int = 7, size: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def halves(batch: np.ndarray) -> np.ndarray:
    return np.full((len(batch), 2), 0.5)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    save_file(network().state_dict(), tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def settings(weights: Path, **more: Any) -> dict[str, Any]:
    return {"use": "torch", "builder": network, "weights": weights, **more}


def test_a_torch_network_gives_what_the_module_gives(weights: Path) -> None:
    model = open_inference(settings(weights, normalise={"mean": [0.5] * 3, "std": [0.2] * 3}))
    assert isinstance(model, Inference)
    assert model.provides == {"probabilities", "embeddings", "gradients"}
    batch = images()
    made = model.infer(batch, model.provides)
    net = network().eval()
    net.load_state_dict(pytest.importorskip("safetensors.torch").load_file(weights))
    with torch.no_grad():
        x = (torch.tensor(batch).float() / 255.0 - 0.5) / 0.2
        features = net[:-1](x.permute(0, 3, 1, 2))
        p = net[-1](features).softmax(1).numpy()
    np.testing.assert_allclose(made["probabilities"], p, atol=1e-5)
    np.testing.assert_allclose(made["embeddings"], features.numpy(), atol=1e-5)
    p[np.arange(7), p.argmax(1)] -= 1.0
    outer = np.einsum("nc,nd->ncd", p, features.numpy()).reshape(7, -1)
    np.testing.assert_allclose(made["gradients"], outer, atol=1e-5)


def test_a_python_function_and_its_wrong_rows() -> None:
    model = open_inference({"use": "python", "function": halves})
    assert model.provides == {"probabilities"}
    assert model.infer([1, 2, 3], frozenset({"probabilities"}))["probabilities"].shape == (3, 2)
    wrong = open_inference({"use": "python", "function": lambda batch: np.ones(2)})
    with pytest.raises(RunError, match="a row an item"):
        wrong.infer([1, 2, 3], frozenset({"probabilities"}))


def scaled(batch: np.ndarray, **options: Any) -> np.ndarray:
    """Its options are looked at by nobody here."""
    return np.full((len(batch), 2), 0.5)


def test_a_named_function_is_known_again_until_a_file_of_its_options_changes(
    tmp_path: Path,
) -> None:
    file = tmp_path / "weights.txt"
    file.write_text("1")

    def digest(**options: Any) -> str:
        named = {"use": "python", "function": f"{__name__}:scaled", "options": options}
        return open_inference(named).digest

    told = {"parts": [{"weights": str(file)}], "text": "x" * 5000, "nul": "a\0b"}
    first = digest(**told)
    assert digest(**told) == first
    file.write_text("2")
    assert digest(**told) != first
    assert digest() == digest() != first


def test_a_function_that_is_given_itself_is_another_one_each_time() -> None:
    given = {"use": "python", "function": halves}
    assert open_inference(given).digest != open_inference(given).digest
    told = {**given, "version": "1"}
    assert open_inference(told).digest == open_inference(told).digest


def test_unknown_keys_are_refused_with_the_nearest(weights: Path) -> None:
    with pytest.raises(ConfigError, match=r"normalize: unknown key. Did you mean 'normalise'"):
        open_inference(settings(weights, normalize={}))
    with pytest.raises(ConfigError, match=r"normalise.men: unknown key. Did you mean 'mean'"):
        open_inference(settings(weights, normalise={"men": 0.5}))
    with pytest.raises(ConfigError, match="Did you mean 'torch'"):
        open_inference(settings(weights) | {"use": "troch"})


def test_wrong_weights_name_the_layers(weights: Path) -> None:
    with pytest.raises(RunError, match=r"0.weight has the shape \(8, 3, 3, 3\), wanted \(9, "):
        open_inference(settings(weights, options={"width": 9}))
    with pytest.raises(ConfigError, match="cannot be read"):
        open_inference(settings(weights.with_name("b.safetensors")))


def test_a_builder_without_torch_is_told_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'querist\[torch\]'"):
        open_inference({"use": "torch", "builder": "math:sqrt"})


def read_from(file: str) -> Any:
    """A network that has a number of a file in none of its tensors."""
    made = network()
    made.scale = float(Path(file).read_text())
    return made


def test_files_that_the_options_of_a_builder_name_count(weights: Path, tmp_path: Path) -> None:
    told = settings(weights, options={"file": str(tmp_path / "scale.txt")})
    told["builder"] = f"{__name__}:read_from"
    (tmp_path / "scale.txt").write_text("1")
    first = open_inference(told).digest
    assert open_inference(told).digest == first
    (tmp_path / "scale.txt").write_text("2")
    assert open_inference(told).digest != first


def test_long_arrays_in_options_differ_by_each_number() -> None:
    def digest(array: Any) -> str:
        return digest_of({"array": array})

    one = np.zeros(5000)
    other = one.copy()
    other[2500] = 1.0  # printed, both are [0. 0. 0. ... 0. 0. 0.]
    assert digest(one) == digest(one.copy())
    assert len({digest(one), digest(other), digest(one.astype("f4")), digest(one[None])}) == 4
