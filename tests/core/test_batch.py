"""Ragged batches of any dtype come back as they went in, with the same ids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from querist.core.answers import Dataset
from querist.core.batch import Batch, Column, Sample, as_array
from querist.core.errors import ShapeError
from querist.core.events import pack_batch, unpack_batch
from querist.core.prediction import Prediction

DTYPES = ["float64", "float32", "int64", "uint8", "bool", "complex128", "U5", "S3", "M8[s]"]


@st.composite
def rows(draw) -> list[dict[str, np.ndarray]]:
    """Samples of some fields: each of one dtype and number of axes, of any shape."""
    fields = draw(st.lists(st.sampled_from(["a", "b", "x/data"]), min_size=1, unique=True))
    count = draw(st.integers(1, 5))
    columns = {}
    for name in fields:
        dtype, ndim = draw(st.sampled_from(DTYPES)), draw(st.integers(0, 3))
        same = draw(st.booleans())
        shape = st.tuples(*[st.integers(0, 3)] * ndim)
        one = draw(shape)
        items = [one if same else draw(shape) for _ in range(count)]
        columns[name] = [draw(hnp.arrays(dtype, item)) for item in items]
    return [{name: columns[name][i] for name in fields} for i in range(count)]


def same(one: np.ndarray, two: np.ndarray) -> bool:
    return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()


def assert_rows(batch: Batch, wanted: list[dict[str, np.ndarray]]) -> None:
    assert len(batch) == len(wanted)
    for index, row in enumerate(wanted):
        got = batch.arrays(index)
        assert got.keys() == row.keys()
        assert all(same(got[name], row[name]) for name in row)


@given(rows())
def test_items_are_what_was_put_in(rows) -> None:
    batch = Batch.of(rows)
    assert_rows(batch, rows)
    for name, column in batch.columns.items():
        assert all(same(a, row[name]) for a, row in zip(column.items(), rows, strict=True))


@given(rows(), st.data())
def test_take_concatenate_and_pack_keep_rows_and_ids(rows, data) -> None:
    batch = Batch.of(rows).with_ids()
    chosen = data.draw(st.lists(st.integers(-len(rows), len(rows) - 1), max_size=6))
    taken = batch.take(chosen)
    assert_rows(taken, [rows[i] for i in chosen])
    assert taken.keys == tuple(batch.ids[i] for i in chosen)
    cut = data.draw(st.integers(0, len(rows)))
    halves = [batch.take(range(cut)), batch.take(range(cut, len(rows)))]
    joined = Batch.concatenate(halves)
    assert_rows(joined, rows)
    assert joined.ids == batch.ids
    back = unpack_batch({**pack_batch(batch, "in/"), **pack_batch(batch, "out/")}, "in/")
    assert_rows(back, rows)
    assert back.ids == batch.ids


@given(rows())
def test_a_sample_has_the_same_id_alone_and_in_any_batch(rows) -> None:
    batch, alone = Batch.of(rows), [Sample.of(row) for row in rows]
    assert batch.ids == tuple(sample.id for sample in alone)
    assert [sample.id for sample in batch.samples()] == list(batch.ids)
    assert [batch.sample(i) for i in range(len(rows))] == alone
    assert Batch.from_samples(alone).keys == batch.ids


@given(rows(), st.data())
def test_a_mask_takes_what_it_says(rows, data) -> None:
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    taken = Batch.of(rows).take(mask)
    assert_rows(taken, [row for row, keep in zip(rows, mask, strict=True) if keep])


def test_ids_tell_names_dtypes_shapes_and_uris_apart() -> None:
    zeros = np.zeros(4)
    samples = [
        Sample.of({"x": zeros}),
        Sample.of({"y": zeros}),
        Sample.of({"x": zeros.reshape(2, 2)}),
        Sample.of({"x": zeros.astype(np.int64)}),
        Sample.of({"x": zeros}, "file:a"),
        Sample.of({"x": zeros}, "file:b"),
        Sample.of({"x": zeros[:0]}),
    ]
    assert len({sample.id for sample in samples}) == len(samples)
    assert Sample.of({"b": zeros, "a": zeros}) == Sample.of({"a": zeros, "b": zeros})


def test_samples_of_one_id_are_equal_and_count_once() -> None:
    one, same, other = (Sample.of({"x": np.array([value])}) for value in (1.0, 1.0, 2.0))
    assert (one == same, one == other, one == one.id) == (True, False, False)
    assert {one: "found"}[same] == "found"
    assert len({one, same, other}) == 2


def test_layouts_that_columns_share_cannot_be_changed() -> None:
    column = Batch.stack(x=np.zeros((3, 2))).columns["x"]
    for shared in (column.offsets, column.shapes):
        with pytest.raises(ValueError, match="read-only"):
            shared[:] = 7


def test_the_width_of_text_is_no_part_of_an_id() -> None:
    narrow, wide = np.array("Au"), np.array("Au", "U40")
    assert Sample.of({"s": narrow}) == Sample.of({"s": wide})
    batch = Batch.of([{"s": "Au"}, {"s": "water"}])
    assert batch.ids == (Sample.of({"s": "Au"}).id, Sample.of({"s": "water"}).id)


def test_items_are_views_and_byte_order_is_native() -> None:
    batch = Batch.stack(x=np.zeros((3, 2)))
    batch["x"][1] = 7.0
    assert batch.sample(1)["x"].tolist() == [7.0, 7.0]
    big = np.arange(3, dtype=">i4")
    assert as_array(big).dtype == np.dtype("i4")
    assert Sample.of({"x": big}) == Sample.of({"x": big.astype("i4")})


def test_rows_of_a_ragged_first_axis() -> None:
    batch = Batch.of([{"x": np.ones((2, 3))}, {"x": np.zeros((0, 3))}, {"x": np.full((1, 3), 2.0)}])
    values, offsets = batch.columns["x"].rows
    assert values.shape == (3, 3)
    assert offsets.tolist() == [0, 2, 2, 3]
    assert not batch.columns["x"].is_uniform
    with pytest.raises(ShapeError, match="differ in shape"):
        batch["x"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: as_array([None], "x"), "'x' should be"),
        (lambda: Column.stack(3.0, "x"), "'x' needs a first axis"),
        (lambda: Column.of([np.zeros(2), np.zeros((2, 2))], "x"), r"\[1, 2\] axes"),
        (lambda: Column.of([1.0, 2.0]).rows, "scalars have no rows"),
        (lambda: Column.of([np.zeros((2, 3)), np.zeros((2, 4))]).rows, "beyond their first axis"),
        (lambda: Batch.of([{"a": 1}, {"b": 1}]), r"\['a'\] and \['b'\]"),
        (lambda: Batch.stack(a=[1], b=[1, 2]), "one length"),
        (lambda: Batch.stack(a=[1])["b"], "no field 'b'"),
        (lambda: Batch.concatenate([Batch.stack(a=[1]), Batch.stack(b=[1])]), "different fields"),
        (
            lambda: Batch.concatenate([Batch.stack(a=[1]), Batch.stack(a=[[1]])]),
            "numbers of axes",
        ),
    ],
)
def test_what_cannot_be_is_said(make, says) -> None:
    with pytest.raises(ShapeError, match=says):
        make()


def test_indices_out_of_range_are_errors() -> None:
    for batch in (Batch.stack(x=[1, 2]), Batch.of([{"x": [1]}, {"x": [1, 2]}])):
        with pytest.raises(IndexError):
            batch.take([2])


def test_nothing_at_all() -> None:
    for empty in (Batch({}), Batch.of([]), Batch.concatenate([]), Batch.from_samples([])):
        assert len(empty) == 0
        assert empty.ids == () == empty.samples()
        assert len(empty.take([])) == 0
        assert len(unpack_batch(pack_batch(empty))) == 0
    none = Batch.stack(x=np.zeros((0, 3)))
    assert len(none.take([])) == 0
    assert len(Batch.concatenate([none, Batch.stack(x=np.ones((2, 3)))])) == 2
    assert len(Batch.of([{"x": [1]}, {"x": [1, 2]}]).take([])) == 0


def test_samples_by_uri_keep_it() -> None:
    samples = [Sample.of({"n": 1}, "s3://a"), Sample.of({"n": 2})]
    batch = Batch.from_samples(samples)
    assert batch.uris == ("s3://a", None)
    assert [s.uri for s in batch.samples()] == ["s3://a", None]
    joined = Batch.concatenate([batch, Batch.stack(n=[3]).with_ids()])
    assert joined.uris == ("s3://a", None, None)
    back = unpack_batch(pack_batch(joined, "in/"), "in/")
    assert back.uris == joined.uris
    assert back.ids == joined.ids
    assert batch.take([1, 0]).uris == (None, "s3://a")


def test_batches_and_what_holds_them_are_told_by_their_shapes() -> None:
    batch = Batch.stack(x=np.zeros((1000, 2)), energy=np.zeros(1000))
    assert repr(batch) == "<Batch of 1000: x (2,), energy ()>"
    ragged = Batch.of([{"forces": np.zeros((atoms, 3))} for atoms in (2, 4)])
    assert repr(ragged) == "<Batch of 2: forces (...)>"
    assert len(repr(Dataset(batch, batch))) < 200
    assert len(repr(Prediction(batch, batch, (batch,) * 8))) < 200
