"""Networks on a GPU: the same numbers, several threads, too little memory. Most need a GPU."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.core.roles import FitRequest
from querist.models.backends.cuda import PINNED_BYTES
from querist.models.inference import Inference, open_inference
from querist.models.loaders.module import of_modules
from querist.models.torch_ensemble import TorchEnsemble
from querist.models.trainers.fine_tune import FineTune, Run, fine_tune
from querist.pool.pool import Pool
from querist.pool.scan.inferring import infer
from querist.testing.models import waves

torch = pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from networks_for_tests import Pixels, images, written  # noqa: E402

pytestmark = pytest.mark.torch
GPU = torch.cuda.is_available()
on_gpu = pytest.mark.skipif(not GPU, reason="needs a GPU")
ALL = frozenset({"probabilities", "embeddings"})


class Wide(torch.nn.Module):
    """Long sums, in which ten bits of a number would show."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = torch.nn.Conv2d(3, 256, 3), torch.nn.Conv2d(256, 64, 3)
        self.head = torch.nn.Linear(64, 4)

    def forward(self, x: Any) -> Any:
        return self.head(self.outer(torch.relu(self.inner(x))).mean((2, 3)))


class Greedy(torch.nn.Module):
    """Wants a petabyte for more than four items."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(1, 2)

    def forward(self, x: Any) -> Any:
        if len(x) > 4:
            torch.empty(1 << 50, dtype=torch.uint8, device=x.device)
        return self.head(x.float().mean((1, 2, 3))[:, None])


def large(rng: np.random.Generator) -> np.ndarray:
    """As many images as travel through pinned memory."""
    return rng.integers(0, 256, (PINNED_BYTES // (3 * 256 * 256) + 1, 256, 256, 3), np.uint8)


def opened(folder: Path, device: str, kind: Any = Pixels, count: int = 1, **more: Any) -> Inference:
    files = [written(folder, kind(), seed) for seed in range(count)]
    told = {"use": "torch", "builder": kind, "weights": files, "normalise": {"mean": 0.5}}
    return open_inference({**told, **more}, device=device)


@pytest.mark.skipif(GPU, reason="there is one")
@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_a_gpu_that_is_not_there_is_told(tmp_path: Path, backend: str) -> None:
    if backend == "onnxruntime":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
    model = opened(tmp_path, "cuda:0", backend=backend)
    with pytest.raises(ConfigError, match=r"'cuda:0' is asked for, but"):
        model.infer(images(np.random.default_rng(0), 3), ALL)


def test_the_constants_of_normalising_go_where_the_network_goes() -> None:
    from querist.models.inference_settings import Normalise
    from querist.models.networks import prepared

    module = prepared(Pixels(), Normalise(mean=(0.5,), std=(0.25,)), None).to(torch.bfloat16)
    assert module.mean.dtype == module.std.dtype == torch.float32
    module = module.to("meta")
    assert module.mean.device.type == module.std.device.type == "meta"


@on_gpu
@pytest.mark.parametrize(
    ("more", "within"),
    [
        ({}, 1e-5),
        ({"kind": Wide}, 1e-5),
        ({"precision": "bf16"}, 5e-2),
        ({"count": 3}, 1e-5),
        ({"embedding": "features"}, 1e-5),
    ],
    ids=["fp32", "no-tf32", "bf16", "committee", "named-layer"],
)
def test_a_gpu_gives_what_the_cpu_gives(tmp_path: Path, more: Any, within: float) -> None:
    batch = images(np.random.default_rng(0), 33)
    there, here = opened(tmp_path, "cuda:0", **more), opened(tmp_path, "cpu", **more)
    found, wanted = there.infer(batch, ALL), here.infer(batch, ALL)
    for name in ALL:
        scale = np.abs(wanted[name]).max()
        np.testing.assert_allclose(found[name] / scale, wanted[name] / scale, atol=within)
        assert not torch.from_numpy(np.array(found[name])).is_cuda
    assert there.digest == here.digest


@on_gpu
def test_members_by_dropout_are_drawn_alike(tmp_path: Path) -> None:
    batch, wanted = images(np.random.default_rng(0), 9), frozenset({"member_probabilities"})
    more = {"mc_dropout": {"passes": 5}}
    found = [opened(tmp_path, device, **more).infer(batch, wanted) for device in ("cuda:0", "cpu")]
    first, second = (each["member_probabilities"] for each in found)
    np.testing.assert_allclose(first, second, atol=1e-5)


@on_gpu
def test_large_batches_arrive_whole(tmp_path: Path) -> None:
    """They travel while the network is called; the next one must not take their memory."""
    batches = [large(np.random.default_rng(seed)) for seed in range(3)]
    there, here = (opened(tmp_path, device) for device in ("cuda:0", "cpu"))
    found = [there.infer(batch, ALL) for batch in batches for _ in range(3)]
    for number, batch in enumerate(batches):
        wanted = here.infer(batch[:4], ALL)
        for made in found[3 * number : 3 * number + 3]:
            np.testing.assert_allclose(made["embeddings"][:4], wanted["embeddings"], atol=1e-4)


@on_gpu
def test_a_query_on_a_gpu_picks_as_on_the_cpu(tmp_path: Path) -> None:
    """With processes that decode into memory which the GPU copies by itself."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(300):
        shades = rng.integers(0, 256, (9, 9, 3), np.uint8)
        Image.fromarray(shades).resize((90, 90)).save(tmp_path / f"{number:03}.png")
    pool = Pool.create(tmp_path / "pool", {"transform": {"modality": "image", "size": 64}})
    pool.add(tmp_path)
    found = []
    for device in ("cuda:0", "cpu"):
        model = opened(tmp_path, device)
        scan = {"cache": False, "processes": 3 if device != "cpu" else 0, "batch": 128}
        found.append(pool.query(40, strategy="least-confidence", model=model, scan=scan))
    assert len(set(found[0].ids) & set(found[1].ids)) >= 39
    assert found[0].counts["inferred"] == 300


@on_gpu
def test_too_large_a_batch_is_halved(tmp_path: Path) -> None:
    model = opened(tmp_path, "cuda:0", kind=Greedy, embedding="")
    batch, wanted = images(np.random.default_rng(0), 30), frozenset({"probabilities"})
    with pytest.raises(MemoryError, match="cuda:0"):
        model.infer(batch, wanted)
    found = infer(model, batch, wanted)
    assert len(found.good) == 30
    assert not found.failed


@on_gpu
def test_a_committee_trains_on_a_gpu_and_predicts_there_as_on_the_cpu() -> None:
    schedule = {"epochs": 8, "batch_size": 16}
    models = {
        device: TorchEnsemble(members=3, schedule=schedule, device=device)
        for device in ("cuda:0", "cpu")
    }
    data = waves(np.random.default_rng(0), 40)
    state = models["cuda:0"].fit(data, FitRequest()).state
    said = []
    for model in models.values():
        model.load(state)
        said.append(model.predict(data.inputs))
    np.testing.assert_allclose(said[0].mean["wave"], said[1].mean["wave"], atol=1e-4)
    np.testing.assert_allclose(said[0].std["wave"], said[1].std["wave"], atol=1e-4)


@on_gpu
def test_a_network_is_fine_tuned_on_a_gpu(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 80)
    shades = rng.integers(0, 150, (80, 8, 8, 3)) + 100 * codes[:, None, None, None]
    told = {"use": "torch", "builder": "networks_for_tests:Pixels", "options": {"classes": 2}}
    how = FineTune(epochs=4, batch_size=16, learning_rate=1e-2, validation=0.25)
    run = Run(tmp_path, device="cuda:0")
    made = fine_tune({**told, "normalise": {"mean": 0.5}}, shades.astype(np.uint8), codes, run, how)
    assert made.metrics["validation.accuracy"] == 1.0


@on_gpu
def test_a_module_that_lies_on_a_gpu_is_the_model_that_it_is_elsewhere() -> None:
    net = Wide().eval()
    batch = images(np.random.default_rng(0), 33)
    here = of_modules([net], {}, threads=1)
    there = of_modules([net.to("cuda:0")], {}, threads=1)
    found, wanted = (model.infer(batch, ALL) for model in (there, here))
    for name in ALL:
        np.testing.assert_allclose(found[name], wanted[name], atol=1e-5)
    assert next(net.parameters()).is_cuda  # it was left where it was
    assert (there.info.device, here.info.device) == ("cuda:0", "cpu")
    assert there.digest == here.digest


@on_gpu
@pytest.mark.parametrize("device", ["cuda:0", "cpu"])
def test_members_are_copies_of_a_network_wherever_that_lies(device: str) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.SiLU(), torch.nn.Linear(16, 3))
    data = waves(np.random.default_rng(0), 40)
    schedule = {"epochs": 5}
    model = TorchEnsemble(net.to("cuda:0"), members=2, schedule=schedule, device=device)
    model.load(model.fit(data, FitRequest()).state)
    assert np.isfinite(model.predict(data.inputs).mean["wave"]).all()
    assert next(net.parameters()).is_cuda
