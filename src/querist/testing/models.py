"""The contract of a model, as checks that any implementation must pass.

Put every implementation in the parameter list::

    @pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda check: check.__name__)
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_contract(check, case):
        check(case)

A check that does not apply to an implementation (members, when there are none) passes at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Array, Batch, Column
from querist.core.errors import QueristError
from querist.core.prediction import Prediction, largest
from querist.core.roles import FitRequest, Model, ModelState
from querist.models.members import SupportsMemberPrediction, SupportsMembers

Data = Callable[[np.random.Generator, int], Dataset]


def waves(rng: np.random.Generator, count: int) -> Dataset:
    """Smooth functions of a scalar and a vector input: a number and a vector by sample."""
    x, shift = rng.uniform(-1.0, 1.0, (count, 2)), rng.uniform(-1.0, 1.0, count)
    wave = np.sin(2.0 * x[:, 0]) + x[:, 1] * shift
    slope = np.stack([2.0 * np.cos(2.0 * x[:, 0]), shift], axis=1)
    return Dataset(Batch.stack(x=x, shift=shift), Batch.stack(wave=wave, slope=slope))


def far_from_waves(inputs: Batch) -> Batch:
    """The inputs of :func:`waves`, moved to where no label is."""
    return Batch.stack(x=_float(inputs["x"]) + 4.0, shift=_float(inputs["shift"]))


def _float(array: Array) -> NDArray[np.float64]:
    return array.astype(np.float64)


def _refusal(call: Callable[[], object]) -> str:
    """The sentence with which a call is refused."""
    try:
        call()
    except (QueristError, ValueError) as error:
        return str(error)
    raise AssertionError("was not refused")


@dataclass(frozen=True, slots=True)
class ModelCase:
    """One implementation under test.

    Attributes:
        name: For the test's id.
        make: Makes the model, unfitted. Called several times; all are to behave alike.
        data: Draws labelled samples, all of purpose "train".
        output: The output that is judged.
        count: Labels that suffice to learn well.
        far: Moves inputs to where no label is; None where the model promises nothing there.
        tolerance: How far a committee fitted together and one fitted member by member may differ.
        pooled: Whether the mean is that of the members; not so where it was changed afterwards.
        skill: Largest root mean square error of ``output``, as a share of its deviation.
    """

    name: str
    make: Callable[[], Model]
    data: Data = waves
    output: str = "wave"
    count: int = 60
    far: Callable[[Batch], Batch] | None = far_from_waves
    tolerance: float = 0.0
    pooled: bool = True
    skill: float = 0.5


def _data(case: ModelCase, count: int = 0, seed: int = 1) -> Dataset:
    return case.data(np.random.default_rng(seed), count or case.count)


def _fitted(case: ModelCase, seed: int = 3) -> tuple[Model, ModelState]:
    model = case.make()
    state = model.fit(_data(case), FitRequest(seed=seed)).state
    model.load(state)
    return model, state


def _arrays(prediction: Prediction) -> Iterator[tuple[str, Array]]:
    parts = {"mean": prediction.mean, "std": prediction.std}
    parts |= {f"member {i}": batch for i, batch in enumerate(prediction.members or ())}
    for part, batch in parts.items():
        for name, column in batch.columns.items():
            yield f"{part} of {name}", column.data


def _assert_same(one: Prediction, other: Prediction, tolerance: float = 0.0) -> None:
    for (name, a), (same_name, b) in zip(_arrays(one), _arrays(other), strict=True):
        assert name == same_name
        if a.dtype.kind in "US":
            assert np.array_equal(a, b), f"{name} differs"
        else:
            np.testing.assert_allclose(
                _float(a), _float(b), rtol=tolerance, atol=tolerance, err_msg=name
            )


def _through_bytes(state: ModelState) -> ModelState:
    from safetensors.numpy import load, save

    arrays = {name: np.ascontiguousarray(array) for name, array in state.arrays.items()}
    return ModelState(load(save(arrays)), json.loads(json.dumps(state.data)))


def fulfils_the_protocol(case: ModelCase) -> None:
    """It has the contract's methods, and says how many members it has where it has some."""
    model = case.make()
    assert isinstance(model, Model)
    if isinstance(model, SupportsMembers):
        assert model.members >= 1


def refuses_to_predict_unloaded(case: ModelCase) -> None:
    """A prediction before ``load`` is an error that says so, even after a fit."""
    model, inputs = case.make(), _data(case, 2).inputs
    for _ in range(2):
        assert "load" in _refusal(lambda: model.predict(inputs))
        model.fit(_data(case), FitRequest())


def predicts_the_shapes_of_the_labels(case: ModelCase) -> None:
    """Means and uncertainties have the shapes of the labels, and are finite and not negative."""
    model, _ = _fitted(case)
    test = _data(case, 7, seed=2)
    predicted = model.predict(test.inputs)
    assert len(predicted) == 7
    for name, column in test.outputs.columns.items():
        assert np.array_equal(predicted.mean.columns[name].shapes, column.shapes), name
    for name, column in predicted.std.columns.items():
        assert np.array_equal(predicted.mean.columns[name].shapes, column.shapes), name
        assert np.isfinite(_float(column.data)).all()
        assert (_float(column.data) >= 0).all(), name
    assert predicted.uncertainty(case.output).shape == (7,)


def predicts_none_and_one(case: ModelCase) -> None:
    """Batches of no and of one sample are batches too."""
    model, _ = _fitted(case)
    test = _data(case, 3, seed=2).inputs
    whole = model.predict(test)
    none = model.predict(test.take([]))
    assert len(none) == 0
    assert none.uncertainty(case.output).shape == (0,)
    assert len(model.predict(Batch({}))) == 0
    for row in range(3):
        _assert_same(model.predict(test.take([row])), whole.take([row]), 1e-5)


def members_make_the_mean(case: ModelCase) -> None:
    """Where members are given, the mean is theirs and they are not all alike."""
    model, _ = _fitted(case)
    predicted = model.predict(_data(case, 9, seed=2).inputs)
    if predicted.members is None:
        return
    for name, column in predicted.mean.columns.items():
        if column.data.dtype.kind == "f":
            parts = np.stack([_float(member.columns[name].data) for member in predicted.members])
            if case.pooled:
                np.testing.assert_allclose(
                    parts.mean(axis=0), _float(column.data), rtol=1e-5, atol=1e-6
                )
            assert len(parts) == 1 or parts.std(axis=0).max() > 0, name


def fit_changes_no_prediction(case: ModelCase) -> None:
    """A fit beside predictions leaves them as they are, until its state is loaded."""
    model, state = _fitted(case)
    test = _data(case, 5, seed=2).inputs
    before = model.predict(test)
    new = model.fit(_data(case, seed=8), FitRequest(seed=9, previous=state)).state
    _assert_same(model.predict(test), before)
    model.load(new)
    after = model.predict(test)
    assert any(
        not np.array_equal(a, b)
        for (_, a), (_, b) in zip(_arrays(before), _arrays(after), strict=True)
    )


def survives_storage(case: ModelCase) -> None:
    """A state that went through safetensors and JSON predicts the same in a fresh model."""
    model, state = _fitted(case)
    test = _data(case, 5, seed=2).inputs
    stored = _through_bytes(state)
    assert stored.data == json.loads(json.dumps(state.data))
    fresh = case.make()
    fresh.load(stored)
    _assert_same(fresh.predict(test), model.predict(test))


def same_seed_same_state(case: ModelCase) -> None:
    """The same request on the same data gives the same arrays, in this and in a fresh model."""
    model, first = _fitted(case)
    for other in (model, case.make()):
        second = other.fit(_data(case), FitRequest(seed=3)).state
        assert set(first.arrays) == set(second.arrays)
        assert json.dumps(first.data, sort_keys=True) == json.dumps(second.data, sort_keys=True)
        for name, array in first.arrays.items():
            assert np.array_equal(array, second.arrays[name]), name


def members_may_be_fitted_apart(case: ModelCase) -> None:
    """Members fitted one by one and merged predict what members fitted together predict."""
    model = case.make()
    if not isinstance(model, SupportsMembers):
        return
    data, test = _data(case), _data(case, 5, seed=2).inputs
    model.load(model.fit(data, FitRequest(seed=3)).state)
    together = model.predict(test)
    parts = [
        _through_bytes(case.make().fit(data, FitRequest(seed=3, members=(member,))).state)
        for member in range(model.members)
    ]
    model.load(ModelState.merge(parts))
    _assert_same(model.predict(test), together, case.tolerance)


def members_may_predict_apart(case: ModelCase) -> None:
    """Outputs by member, wherever they were predicted, combine to the same prediction."""
    model, _ = _fitted(case)
    inner = getattr(model, "model", model)  # a calibrator passes on what its model can do
    if not isinstance(model, SupportsMemberPrediction) or not hasattr(inner, "predict_members"):
        return
    test = _data(case, 7, seed=2).inputs
    members = range(model.loaded_members)
    apart = [model.predict_members(test, [member])[0] for member in members]
    odd_first = model.predict_members(test, [*members[1::2], *members[::2]])
    together = dict(zip([*members[1::2], *members[::2]], odd_first, strict=True))
    for outputs in (apart, [together[member] for member in members]):
        _assert_same(model.combine(test, outputs), model.predict(test), case.tolerance)


def stops_when_told(case: ModelCase) -> None:
    """A fit that is told to stop raises an error of the library, or returns a usable state."""
    model = case.make()
    asked = []

    def stop() -> bool:
        asked.append(True)
        return True

    try:
        result = model.fit(_data(case), FitRequest(should_stop=stop))
    except QueristError:
        result = None
    assert asked, "should_stop was never polled"
    if result is not None:
        model.load(result.state)
        assert len(model.predict(_data(case, 2, seed=2).inputs)) == 2


def learns(case: ModelCase) -> None:
    """The error on new samples is well below that of the labels' mean."""
    model, _ = _fitted(case)
    test = _data(case, 100, seed=2)
    predicted = model.predict(test.inputs)
    true = test.outputs.columns[case.output]
    if true.data.dtype.kind in "US":
        wrong = (predicted.mean[case.output] != test.outputs[case.output]).mean()
        guess = 1.0 - np.unique(true.data, return_counts=True)[1].max() / len(test)
        assert wrong < case.skill * guess
        return
    said = _float(predicted.mean.columns[case.output].data)
    error = np.sqrt(((said - _float(true.data)) ** 2).mean())
    assert error < case.skill * _float(true.data).std()


def doubts_what_is_far(case: ModelCase) -> None:
    """The uncertainty is larger where no label is."""
    if case.far is None:
        return
    model, _ = _fitted(case)
    inputs = _data(case, 50, seed=2).inputs
    near, far = (model.predict(batch) for batch in (inputs, case.far(inputs)))
    assert np.median(largest(far.std, case.output)) > 2 * np.median(largest(near.std, case.output))


def learns_from_training_rows_only(case: ModelCase) -> None:
    """Hold-out and audit rows, whatever they say, change nothing."""
    data = _data(case)
    others = (Purpose.HOLDOUT.value, Purpose.AUDIT.value)
    wrong = data.take(np.arange(len(data))[::-1][: 2 * (len(data) // 4)])
    both = Dataset(
        Batch.concatenate([data.inputs, data.take(np.arange(len(wrong))).inputs]),
        Batch.concatenate([data.outputs, wrong.outputs]),
        data.purposes + tuple(others[i % 2] for i in range(len(wrong))),
        data.levels + wrong.levels,
        data.version,
    )
    alone, mixed = (case.make().fit(one, FitRequest(seed=3)).state for one in (data, both))
    for name, array in alone.arrays.items():
        assert np.array_equal(array, mixed.arrays[name]), name


def leaves_inputs_alone(case: ModelCase) -> None:
    """Arrays that it is given are read-only to it, as views of others' data may be."""
    model, data = case.make(), _data(case)
    for batch in (data.inputs, data.outputs):
        for column in batch.columns.values():
            column.data.flags.writeable = False
    model.load(model.fit(data, FitRequest()).state)
    model.predict(data.inputs)


def takes_either_precision(case: ModelCase) -> None:
    """Samples in float32 are as good as in float64."""
    model, _ = _fitted(case)
    test = _data(case, 5, seed=2).inputs
    single = Batch({name: _single(column) for name, column in test.columns.items()})
    said, same = model.predict(single), model.predict(test)
    for name, column in same.mean.columns.items():
        if column.data.dtype.kind == "f":
            spread = float(np.abs(_float(column.data)).max()) + 1.0
            difference = _float(said.mean.columns[name].data) - _float(column.data)
            assert np.abs(difference).max() < 1e-3 * spread, name
    data = _data(case)
    inputs = Batch({name: _single(column) for name, column in data.inputs.columns.items()})
    model.load(model.fit(replace(data, inputs=inputs), FitRequest(seed=3)).state)
    assert len(model.predict(single)) == 5


def _single(column: Column) -> Column:
    if column.data.dtype.kind != "f":
        return column
    return Column(column.data.astype(np.float32), column.offsets, column.shapes)


def refuses_what_is_not_a_number(case: ModelCase) -> None:
    """NaN in training data is refused, naming the field and the sample's id."""
    data = _data(case)
    for part in ("inputs", "outputs"):
        batch = data.inputs if part == "inputs" else data.outputs
        name = next((n for n in batch.columns if batch.columns[n].data.dtype.kind == "f"), None)
        if name is None:
            continue
        values = batch.columns[name].data.copy()
        values[batch.columns[name].offsets[4]] = np.nan
        column = replace(batch.columns[name], data=values)
        changed = Batch({**batch.columns, name: column})
        broken = (
            replace(data, inputs=changed) if part == "inputs" else replace(data, outputs=changed)
        )
        said = _refusal(partial(case.make().fit, broken, FitRequest()))
        assert name in said
        assert broken.inputs.sample(4).id in said


def names_what_is_missing(case: ModelCase) -> None:
    """A batch without the fields it was fitted to is an error that names one of them."""
    model, _ = _fitted(case)
    fields = _data(case, 1).inputs.columns
    said = _refusal(lambda: model.predict(Batch.stack(unheard_of=np.zeros((2, 3)))))
    assert any(repr(name) in said for name in fields), said


def refuses_foreign_states(case: ModelCase) -> None:
    """The state of something else is an error, not nonsense."""
    model = case.make()
    foreign = ModelState({"weights": np.zeros(3)}, {"format": "of something else/1"})
    assert "format" in _refusal(lambda: model.load(foreign))


def needs_training_rows(case: ModelCase) -> None:
    """A dataset without rows of purpose "train" is an error of the library."""
    data = _data(case)
    held = replace(data, purposes=(Purpose.HOLDOUT.value,) * len(data))
    assert _refusal(lambda: case.make().fit(held, FitRequest()))


MODEL_CHECKS: tuple[Callable[[ModelCase], None], ...] = (
    fulfils_the_protocol,
    refuses_to_predict_unloaded,
    predicts_the_shapes_of_the_labels,
    predicts_none_and_one,
    members_make_the_mean,
    fit_changes_no_prediction,
    survives_storage,
    same_seed_same_state,
    members_may_be_fitted_apart,
    members_may_predict_apart,
    stops_when_told,
    learns,
    doubts_what_is_far,
    learns_from_training_rows_only,
    leaves_inputs_alone,
    takes_either_precision,
    refuses_what_is_not_a_number,
    names_what_is_missing,
    refuses_foreign_states,
    needs_training_rows,
)
