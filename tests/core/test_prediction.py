"""The one number of uncertainty: against brute force, and whatever the batch it is in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from querist.core.batch import Batch
from querist.core.errors import ShapeError
from querist.core.prediction import Prediction, Proposal, largest

numbers = st.floats(-1e6, 1e6)


@st.composite
def items(draw) -> list[np.ndarray]:
    ndim, same = draw(st.integers(0, 3)), draw(st.booleans())
    shape = st.tuples(*[st.integers(0, 4)] * ndim)
    one = draw(shape)
    count = draw(st.integers(1, 5))
    shapes = [one if same else draw(shape) for _ in range(count)]
    return [draw(hnp.arrays("float64", shape, elements=numbers)) for shape in shapes]


def brute(item: np.ndarray) -> float:
    if item.ndim >= 2 and item.shape[-1] == 3:
        item = np.linalg.norm(item, axis=-1)
    return float(np.abs(item).max()) if item.size else 0.0


@given(items())
def test_largest_is_the_largest_norm_by_row_or_magnitude(items) -> None:
    batch = Batch.of([{"f": item} for item in items])
    np.testing.assert_allclose(largest(batch, "f"), [brute(item) for item in items], rtol=1e-12)


@given(items())
def test_a_sample_s_number_does_not_depend_on_its_batch(items) -> None:
    together = largest(Batch.of([{"f": item} for item in items]), "f")
    alone = [largest(Batch.of([{"f": item}]), "f")[0] for item in items]
    np.testing.assert_array_equal(together, alone)


def test_a_vector_of_three_outputs_is_no_vector_by_atom() -> None:
    assert largest(Batch.stack(p=[[3.0, 4.0, 0.0]]), "p").tolist() == [4.0]
    assert largest(Batch.stack(f=[[[3.0, 4.0, 0.0]]]), "f").tolist() == [5.0]


def test_not_a_number_stays_so_and_complex_counts_by_magnitude() -> None:
    assert np.isnan(largest(Batch.stack(f=[[[np.nan, 0.0, 0.0]]]), "f")).all()
    assert largest(Batch.stack(z=[[3 + 4j]]), "z").tolist() == [5.0]
    assert largest(Batch({"x": Batch.stack(x=np.zeros((0, 2))).columns["x"]}), "x").shape == (0,)


def test_prediction_takes_rows_of_all_its_parts() -> None:
    mean, std = Batch.stack(e=[1.0, 2.0, 3.0]), Batch.stack(e=[0.1, 0.2, 0.3])
    taken = Prediction(mean, std, (mean, std)).take([2, 0])
    assert taken.mean["e"].tolist() == [3.0, 1.0]
    assert taken.uncertainty("e").tolist() == [0.3, 0.1]
    assert [member["e"].tolist() for member in taken.members or ()] == [[3.0, 1.0], [0.3, 0.1]]


def test_what_does_not_belong_together_is_refused() -> None:
    mean = Batch.stack(e=[1.0, 2.0])
    with pytest.raises(ShapeError, match="2 means but 1"):
        Prediction(mean, Batch.stack(e=[1.0]))
    with pytest.raises(ShapeError, match="no uncertainty of 'f'"):
        Prediction(mean, mean).uncertainty("f")
    with pytest.raises(ShapeError, match="2 samples but 1 walkers"):
        Proposal(mean, np.zeros(1, np.int64))
    assert len(Prediction(mean, Batch({}))) == 2
