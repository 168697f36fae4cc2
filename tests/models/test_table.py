from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.errors import RunError, ShapeError, UnsupportedSample
from querist.models.table import Fields, Scaler, Training


def batch(count: int = 3) -> Batch:
    return Batch.stack(
        a=np.arange(count * 6.0).reshape(count, 2, 3), b=np.arange(count) % 2 == 0, c=np.ones(count)
    )


def test_fields_lie_side_by_side_in_the_order_given() -> None:
    fields = Fields.of(batch(), ["c", "a"], "it")
    matrix = fields.matrix(batch(), "it")
    assert fields.width == 7
    assert matrix.shape == (3, 7)
    assert matrix[1].tolist() == [1.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]


def test_all_fields_are_taken_in_alphabetical_order() -> None:
    assert Fields.of(batch(), None, "it").names == ("a", "b", "c")


@given(st.lists(st.lists(st.integers(0, 3), max_size=3), min_size=1, max_size=4), st.integers(0, 4))
def test_split_undoes_matrix(shapes: list[list[int]], count: int) -> None:
    rng = np.random.default_rng(0)
    data = Batch.stack(**{f"f{i}": rng.normal(size=(count, *s)) for i, s in enumerate(shapes)})
    fields = Fields.of(data, None, "it")
    again = fields.split(fields.matrix(data, "it"))
    for name, column in data.columns.items():
        assert np.array_equal(again[name], column.uniform)
    assert Fields.from_metadata(fields.metadata()) == fields


def test_the_matrix_is_a_copy() -> None:
    data = Batch.stack(x=np.ones((2, 3)))
    Fields.of(data, None, "it").matrix(data, "it")[:] = 7.0
    assert (data["x"] == 1.0).all()


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ShapeError, match=r"it wants the field 'z', but got \['a', 'b', 'c'\]"):
        Fields.of(batch(), ["z"], "it")


def test_another_shape_is_named() -> None:
    fields = Fields.of(batch(), ["a"], "it")
    with pytest.raises(ShapeError, match=r"'a' of the shape \(2, 3\) a sample, but got \(4,\)"):
        fields.matrix(Batch.stack(a=np.ones((2, 4))), "it")


def test_ragged_fields_are_refused_with_advice() -> None:
    ragged = Batch.of([{"x": np.ones(2)}, {"x": np.ones(3)}])
    with pytest.raises(ShapeError, match="'x' of one shape in all samples"):
        Fields.of(ragged, None, "it")


def test_text_is_refused() -> None:
    words = Batch.stack(word=np.array(["a", "b"]))
    with pytest.raises(ShapeError, match="numbers in 'word'"):
        Fields.of(words, None, "it").matrix(words, "it")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_with_rows_and_ids(value: float) -> None:
    values = np.ones((8, 2))
    values[2:8, 1] = value
    data = Batch.stack(x=values)
    with pytest.raises(UnsupportedSample) as caught:
        Fields.of(data, None, "it").matrix(data, "it")
    said = str(caught.value)
    assert f"'x' is not finite in row 2 ({data.sample(2).id})" in said
    assert "and 1 more" in said


def test_ids_of_labels_are_those_of_their_samples() -> None:
    data = Dataset(Batch.stack(x=np.arange(3.0)), Batch.stack(y=np.array([1.0, np.nan, 2.0])))
    with pytest.raises(UnsupportedSample, match=data.inputs.sample(1).id):
        Training.of(data, None, None, "it")


def test_training_takes_rows_for_training_only() -> None:
    purposes = (Purpose.TRAIN, Purpose.HOLDOUT, Purpose.CALIBRATION, Purpose.AUDIT, Purpose.TRAIN)
    data = Dataset(
        Batch.stack(x=np.arange(5.0)),
        Batch.stack(y=np.arange(5.0)),
        tuple(purpose.value for purpose in purposes),
    )
    assert Training.of(data, None, None, "it").X[:, 0].tolist() == [0.0, 4.0]
    with pytest.raises(RunError, match="nothing to fit"):
        Training.of(data.take(np.array([1, 2])), None, None, "it")


def test_scaler_of_fields_has_one_scale_for_each() -> None:
    values = np.random.default_rng(1).normal(2.0, 3.0, (50, 5))
    fields = Fields(("a", "b"), ((2, 2), ()))
    scaler = Scaler.of_fields(values, fields)
    assert scaler.std[:4] == pytest.approx(values[:, :4].std())
    assert scaler.mean[4] == pytest.approx(values[:, 4].mean())


@pytest.mark.parametrize("unit", [1e-27, 1e-15, 1.0, 1e12])
def test_columns_vary_or_not_in_whatever_unit(unit) -> None:
    rng = np.random.default_rng(1)
    values = unit * np.column_stack([rng.normal(3.0, 1.0, (50, 2)), np.full(50, 5.0), np.zeros(50)])
    values[:, 3] += unit * 1e-17 * rng.normal(size=50)  # as rounding leaves it
    scaler = Scaler.of(values, Fields(("v", "c"), ((2,), (2,))))
    np.testing.assert_allclose(scaler.std, [*values[:, :2].std(axis=0), 1.0, 1.0])
    together = Scaler.of(values, Fields(("v",), ((4,),)))
    spread = values[:, :2].std(axis=0)
    np.testing.assert_allclose(together.std, [*spread, spread.max(), spread.max()])
    np.testing.assert_allclose(Scaler.of(values[:, :2]).std, spread)


def test_scaler_standardises_and_leaves_constants_finite() -> None:
    values = np.random.default_rng(0).normal(3.0, 5.0, (50, 3))
    values[:, 1] = 1e6
    scaler = Scaler.of(values)
    scaled = scaler.apply(values)
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), [1.0, 0.0, 1.0])
    np.testing.assert_allclose(scaler.undo(scaled), values)
    again = Scaler.from_arrays(scaler.arrays("x_"), "x_")
    assert np.array_equal(again.mean, scaler.mean)
