from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.errors import ConfigError, RunError, ShapeError, UnsupportedSample
from querist.core.prediction import Prediction, largest
from querist.core.roles import FitRequest, FitResult, ModelState
from querist.models.calibration import Calibrated, rescaled, true_errors
from querist.models.random_features import RandomFeatures


class Forces:
    """Molecules of 2 to 5 atoms: forces are minus the positions, and it knows how wrong it is.

    Its error on an atom is ``wrong`` times its own uncertainty, of random sign and direction.
    """

    def __init__(self, wrong: float = 3.0) -> None:
        self.wrong = wrong
        self.state: ModelState | None = None
        self.fitted_rows: list[int] = []
        self.previous: list[ModelState | None] = []
        self.classes = np.array(["no", "yes"])

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        self.fitted_rows.append(len(dataset.rows(Purpose.TRAIN)))
        self.previous.append(request.previous)
        wrong = {"wrong": np.array([self.wrong])}
        return FitResult(ModelState(wrong, {"format": "forces"}), {"own": 1.0})

    def load(self, state: ModelState) -> None:
        self.state = state

    def predict(self, batch: Batch) -> Prediction:
        if self.state is None:
            raise RunError("not loaded")
        doubt = [{"forces": np.abs(p) + 0.1} for p in batch.columns["positions"].items()]
        means = [{"forces": -p} for p in batch.columns["positions"].items()]
        return Prediction(Batch.of(means), Batch.of(doubt))


def molecules(count: int, seed: int = 0, purpose: Purpose = Purpose.CALIBRATION) -> Dataset:
    rng = np.random.default_rng(seed)
    atoms = rng.integers(2, 6, count)
    positions = [rng.normal(size=(n, 3)) for n in atoms]
    wrong = [3.0 * rng.normal() * (np.abs(p) + 0.1) for p in positions]
    return Dataset(
        Batch.of([{"positions": p} for p in positions]),
        Batch.of([{"forces": -p + w} for p, w in zip(positions, wrong, strict=True)]),
        (purpose.value,) * count,
    )


def with_training(labels: Dataset) -> Dataset:
    train = molecules(10, 9, Purpose.TRAIN)
    return Dataset(
        Batch.concatenate([train.inputs, labels.inputs]),
        Batch.concatenate([train.outputs, labels.outputs]),
        train.purposes + labels.purposes,
    )


@pytest.mark.parametrize("method", ["isotonic", "scale", "conformal"])
def test_forces_of_molecules_of_any_size(method: str) -> None:
    model = Calibrated(Forces(), method, coverage=0.9)
    result = model.fit(with_training(molecules(300)), FitRequest())
    assert result.metrics["calibration.n"] == 300
    assert result.metrics["own"] == 1.0
    assert abs(result.metrics["calibration.coverage"] - 0.9) < 0.08
    assert result.metrics["calibration.coverage.forces"] == result.metrics["calibration.coverage"]
    model.load(result.state)
    test = molecules(2000, seed=5)
    said = model.predict(test.inputs)
    error = true_errors(said.mean, test.outputs, "forces")
    rms = np.sqrt((error**2).mean()) / np.sqrt((said.uncertainty("forces") ** 2).mean())
    if method != "conformal":
        assert abs(rms - 1.0) < 0.15
    interval = model.interval(said, "forces")
    covered = (error <= interval.radius).mean()
    # 300 calibration and 2000 test labels, four standard errors.
    assert abs(covered - 0.9) < 4 * np.sqrt(0.09 / 300 + 0.09 / 2000)
    inside = [
        bool(((low <= true) & (true <= high)).all())
        for low, true, high in zip(
            interval.lower.columns["forces"].items(),
            test.outputs.columns["forces"].items(),
            interval.upper.columns["forces"].items(),
            strict=True,
        )
    ]
    assert np.mean(inside) >= covered


def test_calibration_keeps_the_pattern_within_a_sample() -> None:
    model = Calibrated(Forces(), "scale")
    model.load(model.fit(with_training(molecules(100)), FitRequest()).state)
    inputs = molecules(4).inputs
    assert model.model.state is not None
    raw, said = model.model.predict(inputs), model.predict(inputs)
    for one, other in zip(
        raw.std.columns["forces"].items(), said.std.columns["forces"].items(), strict=True
    ):
        ratio = other / one
        np.testing.assert_allclose(ratio, ratio.ravel()[0])


def test_certain_samples_get_what_the_map_says() -> None:
    std = Batch.stack(forces=np.zeros((3, 2, 3)), energy=np.zeros(3))
    for name in ("forces", "energy"):
        made = Batch({name: rescaled(std, name, np.array([1.0, 2.0, 3.0]))})
        np.testing.assert_allclose(largest(made, name), [1.0, 2.0, 3.0])
        assert (made[name] > 0.0).all()


def test_of_nothing_it_predicts_nothing() -> None:
    model = Calibrated(Forces(), "scale")
    model.load(model.fit(with_training(molecules(50)), FitRequest()).state)
    found = model._calibrated(Prediction(Batch({}), Batch({})), model._loaded)
    assert len(found) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_label_that_is_not_finite_is_named(bad) -> None:
    labels = with_training(molecules(30))
    outputs = list(labels.outputs.columns["forces"].items())
    outputs[-1] = np.full_like(outputs[-1], bad)
    broken = replace(labels, outputs=Batch.of([{"forces": value} for value in outputs]))
    with pytest.raises(UnsupportedSample, match=r"'forces' is not finite in row 29 \("):
        Calibrated(Forces()).fit(broken, FitRequest())


def test_calibration_labels_are_not_trained_on() -> None:
    inner = Forces()
    Calibrated(inner).fit(with_training(molecules(50)), FitRequest())
    assert inner.fitted_rows == [10]


def waves(count: int, seed: int = 0) -> Dataset:
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 1))
    return Dataset(Batch.stack(x=x), Batch.stack(y=np.sin(3 * x[:, 0])))


def test_without_calibration_labels_a_stable_share_is_held_back() -> None:
    model, data = Calibrated(RandomFeatures(members=2), split=0.25), waves(200)
    result = model.fit(data, FitRequest())
    held = result.metrics["calibration.n"]
    assert abs(held / 200 - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 200)
    assert result.metrics["train.rows"] == 200 - held
    _, judged, _ = model._divide(data)
    _, more, _ = model._divide(data.take(np.r_[np.arange(200), np.arange(50)]))
    assert set(judged.inputs.ids) == set(more.inputs.ids)
    kept, _, _ = model._divide(data)
    assert not set(judged.inputs.ids) & set(kept.inputs.ids)


def test_with_few_labels_nothing_is_held_back() -> None:
    model = Calibrated(RandomFeatures(members=2))
    result = model.fit(waves(8), FitRequest())
    assert result.metrics["calibration.n"] == 0
    assert "calibration.coverage" not in result.metrics
    assert result.metrics["train.rows"] == 8
    model.load(result.state)
    said, raw = model.predict(waves(3).inputs), model.model.predict(waves(3).inputs)
    assert np.array_equal(said.std["y"], raw.std["y"])
    with pytest.raises(RunError, match="no calibration of 'y'"):
        model.interval(said, "y")


def test_previous_weights_that_saw_the_rows_are_not_passed_on() -> None:
    inner = Forces()
    model = Calibrated(inner, outputs=["forces"])
    few, many = molecules(6, 1, Purpose.TRAIN), molecules(100, 1, Purpose.TRAIN)
    first = model.fit(few, FitRequest()).state
    second = model.fit(many, FitRequest(previous=first)).state
    model.fit(many, FitRequest(previous=second))
    assert first.data["divided"] == "none"
    assert second.data["divided"] == "split"
    assert inner.previous[:2] == [None, None]
    assert inner.previous[2] is not None
    assert inner.previous[2].data == {"format": "forces"}


def test_members_fitted_apart_are_calibrated_after_merging() -> None:
    data = waves(60)
    judge = replace(data, purposes=("train",) * 40 + ("calibration",) * 20)
    model = Calibrated(RandomFeatures(members=2), "conformal")
    with pytest.raises(RunError, match="call calibrate"):
        model.fit(judge, FitRequest(members=(0,)))
    parts = [model.model.fit(judge, FitRequest(seed=1, members=(i,))).state for i in (0, 1)]
    apart = model.calibrate(ModelState.merge(parts), judge)
    together = model.fit(judge, FitRequest(seed=1))
    assert apart.metrics["calibration.n"] == 20
    for name, array in together.state.arrays.items():
        assert np.array_equal(array, apart.state.arrays[name]), name


def test_a_failing_calibration_leaves_the_loaded_state() -> None:
    model, data = Calibrated(RandomFeatures(members=2)), waves(60)
    model.load(model.fit(data, FitRequest()).state)
    before = model.predict(data.inputs)
    broken = Dataset(
        data.inputs, Batch.stack(y=np.tile(data.outputs["y"][:, None], 2)), data.purposes
    )
    state = model.model.fit(data, FitRequest(seed=4)).state
    with pytest.raises(ShapeError, match="'y'"):
        model.calibrate(state, replace(broken, purposes=("calibration",) * 60))
    assert np.array_equal(model.predict(data.inputs).mean["y"], before.mean["y"])


class Overconfident(Forces):
    """Says 0.99 of what is right in three of four cases."""

    def predict(self, batch: Batch) -> Prediction:
        yes = np.asarray(batch["x"]) > 0
        proba = np.where(yes[:, None], [0.01, 0.99], [0.99, 0.01])
        mean = {"y": self.classes[yes.astype(int)], "y.proba": proba}
        return Prediction(Batch.stack(**mean), Batch.stack(y=1 - proba.max(axis=1)))


def coin(count: int, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    x, right = rng.normal(size=count), rng.random(count) < 0.75
    words = np.array(["no", "yes"])[((x > 0) == right).astype(int)]
    return Dataset(Batch.stack(x=x), Batch.stack(y=words), ("calibration",) * count)


def test_temperature_makes_probabilities_true() -> None:
    model = Calibrated(Overconfident(), "temperature")
    result = model.fit(coin(2000), FitRequest())
    metrics: Mapping[str, float] = result.metrics
    assert metrics["calibration.nll.y"] < 0.6 < metrics["calibration.nll_before.y"]
    model.load(result.state)
    test = coin(500, seed=3)
    said = model.predict(test.inputs)
    np.testing.assert_allclose(said.mean["y.proba"].max(axis=1), 0.75, atol=0.04)
    np.testing.assert_allclose(said.uncertainty("y"), 0.25, atol=0.04)
    with pytest.raises(RunError, match="by a method for numbers"):
        model.interval(said, "y")


def test_methods_for_numbers_and_for_classes_are_not_mixed_up() -> None:
    with pytest.raises(ShapeError, match="'isotonic' cannot calibrate 'y'"):
        Calibrated(Overconfident()).fit(coin(50), FitRequest())
    with pytest.raises(ShapeError, match="'temperature' cannot calibrate 'forces'"):
        Calibrated(Forces(), "temperature").fit(with_training(molecules(50)), FitRequest())
    with pytest.raises(ShapeError, match=r"cannot calibrate \['energy'\]"):
        Calibrated(Forces(), outputs=["energy"]).fit(with_training(molecules(50)), FitRequest())


def test_states_of_another_method_are_refused() -> None:
    state = Calibrated(Forces(), "scale").fit(with_training(molecules(50)), FitRequest()).state
    with pytest.raises(RunError, match="'isotonic', but the state is of 'scale'"):
        Calibrated(Forces()).load(state)


def test_the_model_may_be_an_import_path() -> None:
    model = Calibrated("querist.models.random_features:RandomFeatures", options={"members": 4})
    assert model.model.members == 4
    assert not hasattr(model, "members")


@pytest.mark.parametrize(
    "options",
    [{"model": object()}, {"method": "magic"}, {"coverage": 1.0}, {"split": 0.0}],
    ids=lambda options: next(iter(options)),
)
def test_bad_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Calibrated(**{"model": Forces(), **options})
