from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import ConfigError, RunError
from querist.models.inference import open_inference

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

HUBCONF = '''
dependencies = ["torch"]


def small(width=4, seed=0):
    """A linear model of three columns."""
    import torch

    torch.manual_seed(seed)
    nn = torch.nn
    return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))


def nothing():
    return 3
'''


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    (tmp_path / "hubconf.py").write_text(HUBCONF)
    return tmp_path


def test_a_local_repository(repo: Path) -> None:
    told = {"use": "hub", "repo": str(repo), "model": "small", "options": {"width": 6}}
    model = open_inference(told)
    batch = np.ones((4, 3), np.float32)
    made = model.infer(batch, model.provides)
    assert made["embeddings"].shape == (4, 6)
    assert made["probabilities"].shape == (4, 2)
    assert open_inference(told).digest == model.digest
    assert open_inference({**told, "options": {"width": 6, "seed": 1}}).digest != model.digest


def test_weights_of_ones_own(repo: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    net = torch.hub.load(str(repo), "small", source="local", seed=5)
    save_file(net.state_dict(), tmp_path / "own.safetensors")
    told = {"use": "hub", "repo": str(repo), "model": "small"}
    model = open_inference({**told, "weights": tmp_path / "own.safetensors"})
    x = np.ones((1, 3), np.float32)
    with torch.no_grad():
        wanted = net(torch.tensor(x)).softmax(1).numpy()
    made = model.infer(x, frozenset({"probabilities"}))["probabilities"]
    np.testing.assert_allclose(made, wanted, atol=1e-6)


def test_what_cannot_be_used_is_explained(repo: Path, tmp_path: Path) -> None:
    told = {"use": "hub", "repo": str(repo), "model": "smal"}
    with pytest.raises(RunError, match="Did you mean 'small'"):
        open_inference(told)
    with pytest.raises(ConfigError, match=r"should make a torch.nn.Module, but it made int"):
        open_inference({**told, "model": "nothing"})
    with pytest.raises(ConfigError, match="would run here; if you trust it"):
        open_inference({**told, "repo": "somebody/something"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"has no hubconf.py"):
        open_inference({**told, "repo": str(tmp_path / "empty")})


def test_it_is_another_one_when_code_of_the_repository_changes(repo: Path) -> None:
    (repo / "parts.py").write_text("SCALE = 1\n")
    told = {"use": "hub", "repo": str(repo), "model": "small"}
    first = open_inference(told).digest
    (repo / "parts.py").write_text("SCALE = 2\n")
    assert open_inference(told).digest != first
