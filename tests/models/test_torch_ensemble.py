from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ConfigError, RunError
from querist.core.roles import FitRequest, WorkerContext
from querist.models.torch_ensemble import TorchEnsemble
from querist.testing.models import waves

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

SHORT = {"epochs": 8, "batch_size": 16}


def data(count: int = 40) -> Dataset:
    return waves(np.random.default_rng(0), count)


def fitted(model: TorchEnsemble, **request: Any) -> TorchEnsemble:
    model.load(model.fit(data(), FitRequest(**request)).state)
    return model


def test_one_vectorised_forward_is_each_network_by_itself() -> None:
    model = TorchEnsemble(members=3, schedule=SHORT)
    result = model.fit(data(), FitRequest())
    model.load(result.state)
    said = model.predict(data().inputs)
    arrays = result.state.arrays
    X = np.column_stack([data().inputs["shift"], data().inputs["x"]])
    for member in range(3):
        net = torch.nn.Sequential(
            *(
                layer
                for width in (3, 64)
                for layer in (torch.nn.Linear(width, 64), torch.nn.SiLU())
            ),
            torch.nn.Linear(64, 3),
        )
        prefix = f"m{member}/"
        weights = {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
        net.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
        x = (X - arrays[f"m{member}.x_mean"]) / arrays[f"m{member}.x_std"]
        with torch.no_grad():
            raw = net(torch.tensor(x, dtype=torch.float32)).numpy()
        y = raw * arrays[f"m{member}.y_std"] + arrays[f"m{member}.y_mean"]
        assert said.members is not None
        np.testing.assert_allclose(said.members[member]["wave"], y[:, 2], atol=1e-5)


@pytest.mark.parametrize("bootstrap", [False, True])
def test_trained_side_by_side_or_one_by_one_is_the_same_for_a_few_epochs(bootstrap: bool) -> None:
    states = [
        TorchEnsemble(members=3, schedule=SHORT, joint=joint, bootstrap=bootstrap)
        .fit(data(), FitRequest(seed=2))
        .state.arrays
        for joint in (True, False)
    ]
    for name, array in states[0].items():
        np.testing.assert_allclose(array, states[1][name], atol=2e-4, err_msg=name)
    assert not np.allclose(states[0]["m0/0.weight"], states[0]["m1/0.weight"], atol=0.01)


def test_fields_may_be_scaled_as_a_whole() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(30, 4))
    image[:, 0] = 0.0
    image[0, 0] = 1e-6  # a place that hardly varies, and does so later
    rows = Dataset(Batch.stack(image=image), Batch.stack(y=image.sum(axis=1)))
    new = Batch.stack(image=np.full((1, 4), 0.5))
    said = {}
    for scaling in ("column", "field"):
        model = TorchEnsemble(members=2, schedule={"epochs": 60}, scaling=scaling)
        state = model.fit(rows, FitRequest()).state
        model.load(state)
        said[scaling] = abs(float(model.predict(new).mean["y"][0]) - 2.0)
    assert len(set(state.arrays["m0.x_std"].tolist())) == 1
    assert said["field"] < 1.5 < said["column"]
    with pytest.raises(ConfigError, match="scaling is 'column' or 'field'"):
        TorchEnsemble(scaling="row")


def test_members_stop_early_each_for_itself() -> None:
    schedule = {"epochs": 5000, "patience": 5, "learning_rate": 0.03}
    result = TorchEnsemble(members=2, schedule=schedule).fit(data(), FitRequest())
    assert result.metrics["train.epochs"] < 500


def test_should_stop_is_polled_each_epoch() -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) >= 3

    result = TorchEnsemble(members=2).fit(data(), FitRequest(should_stop=stop))
    assert len(asked) == 3
    assert result.metrics["train.epochs"] <= 3


def test_previous_weights_are_the_start() -> None:
    model = TorchEnsemble(members=2, schedule={"epochs": 300, "patience": 60})
    first = model.fit(data(), FitRequest())
    one_epoch = TorchEnsemble(members=2, schedule={"epochs": 1})
    warm = one_epoch.fit(data(), FitRequest(previous=first.state)).metrics
    cold = one_epoch.fit(data(), FitRequest()).metrics
    assert warm["train.validation_rmse"] < 0.3 * cold["train.validation_rmse"]


def test_weights_of_other_fields_are_no_start() -> None:
    model = TorchEnsemble(members=1, schedule=SHORT)
    other = model.fit(Dataset(Batch.stack(z=np.ones((9, 5))), data(9).outputs), FitRequest()).state
    result = model.fit(data(), FitRequest(previous=other))
    assert result.metrics["train.rows"] == 40


def normed(inputs: int, outputs: int, width: int = 8) -> Any:
    nn = torch.nn
    return nn.Sequential(nn.Linear(inputs, width), nn.LayerNorm(width), nn.Linear(width, outputs))


def test_own_networks_with_options() -> None:
    model = fitted(TorchEnsemble(normed, members=2, options={"width": 5}, schedule=SHORT))
    assert model.predict(data().inputs).mean["slope"].shape == (40, 2)


def test_networks_in_double_precision() -> None:
    def double(inputs: int, outputs: int) -> Any:
        return normed(inputs, outputs).double()

    result = TorchEnsemble(double, members=1, schedule=SHORT).fit(data(), FitRequest())
    assert result.state.arrays["m0/0.weight"].dtype == np.float64


def test_dropout_networks_are_trained_by_member_and_predict_without() -> None:
    model = TorchEnsemble(members=2, options={"dropout": 0.2}, schedule=SHORT)
    fitted(model)
    one, two = (model.predict(data().inputs).mean["wave"] for _ in range(2))
    assert np.array_equal(one, two)


def test_batch_norm_is_refused_with_advice() -> None:
    def wrong(inputs: int, outputs: int) -> Any:
        return torch.nn.Sequential(torch.nn.BatchNorm1d(inputs), torch.nn.Linear(inputs, outputs))

    with pytest.raises(RunError, match="LayerNorm"):
        TorchEnsemble(wrong).fit(data(), FitRequest())


def test_weights_of_another_architecture_are_refused() -> None:
    state = TorchEnsemble(members=1, schedule=SHORT).fit(data(), FitRequest()).state
    with pytest.raises(RunError, match="another architecture"):
        TorchEnsemble(members=1, options={"hidden": (8,)}).load(state)


def test_torch_randomness_is_left_as_it_was() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    fitted(TorchEnsemble(members=2, schedule=SHORT))
    assert torch.equal(torch.rand(3), wanted)


def test_the_worker_gives_device_and_threads(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    rng = np.random.default_rng(0)
    try:
        model = TorchEnsemble(members=1, schedule=SHORT)
        model.open(WorkerContext("w", 0, "cpu", 2, None, tmp_path, None, rng))
        assert model.device == "cpu"
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_predictions_are_the_same() -> None:
    state = TorchEnsemble(members=2, schedule=SHORT).fit(data(), FitRequest()).state
    said = []
    for device in ("cpu", "cuda:0"):
        model = TorchEnsemble(members=2, device=device)
        model.load(state)
        said.append(model.predict(data().inputs).mean["wave"])
    np.testing.assert_allclose(said[0], said[1], atol=1e-3)


@pytest.mark.parametrize("schedule", [{"epochs": 0}, {"validation": 1.0}, {"batch_size": 0}])
def test_bad_schedules_are_refused(schedule: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        TorchEnsemble(schedule=schedule)


def test_members_are_copies_of_a_module_that_begin_anew() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.SiLU(), torch.nn.Linear(8, 3))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    arrays = TorchEnsemble(net, members=2, schedule=SHORT).fit(data(), FitRequest()).state.arrays
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    first, second, own = arrays["m0/0.weight"], arrays["m1/0.weight"], before["0.weight"].numpy()
    # Eight epochs move a weight by some hundredths; a start is as wide as a half.
    gaps = [np.abs(a - b).max() for a, b in ((first, second), (first, own), (second, own))]
    assert min(gaps) > 0.3


@pytest.mark.parametrize(
    "net, said",
    [
        (torch.nn.Linear(2, 3), "of .3,. numbers a sample, but: mat1"),
        (torch.nn.Linear(3, 2), "make .3,. of .3,. numbers a sample, but it makes .2,."),
        (torch.nn.Sequential(torch.nn.LazyLinear(3)), "has lazy layers without numbers"),
        (torch.nn.LSTM(3, 3), "this LSTM has recurrent layers"),
    ],
)
def test_a_module_of_another_width_is_named(net: Any, said: str) -> None:
    with pytest.raises(RunError, match=said):
        TorchEnsemble(net, members=1, schedule=SHORT).fit(data(), FitRequest())


def test_a_module_takes_no_options() -> None:
    with pytest.raises(ConfigError, match="takes no options"):
        TorchEnsemble(torch.nn.Linear(3, 3), options={"width": 3}).fit(data(), FitRequest())
