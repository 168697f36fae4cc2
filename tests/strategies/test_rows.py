"""Rows come in the same blocks, however the data arrive."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from querist.core.errors import ShapeError
from querist.strategies import rows as rows_module
from querist.strategies.errors import BadRows, NeedError
from querist.strategies.needs import NEEDS
from querist.strategies.rows import block_rows, rows_of, together

NUMBERS = np.random.default_rng(0).normal(size=(23, 3))


def embeddings(data):
    return rows_of("embeddings", NEEDS["embeddings"], data)


class Sliced:
    """What HDF5 and Zarr offer: shape, dtype, slices, and indices in order only."""

    def __init__(self, array) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, index):
        assert isinstance(index, slice) or (np.diff(index) > 0).all()
        return self.array[index]


class Table:
    """What tables of pandas offer: a shape, and indexing by label."""

    def __init__(self, array) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def to_numpy(self):
        return self.array

    def __getitem__(self, index):
        raise AssertionError("rows are not named by labels")


FORMS = {
    "array": lambda: NUMBERS,
    "numbers": lambda: NUMBERS.tolist(),
    "dataset": lambda: Sliced(NUMBERS),
    "objects": lambda: NUMBERS.astype(object),
    "table": lambda: Table(NUMBERS),
    "sparse": lambda: sparse.coo_matrix(NUMBERS),
    "sparse chunks": lambda: [sparse.csr_matrix(part) for part in np.array_split(NUMBERS, 4)],
    "chunks": lambda: np.array_split(NUMBERS, 4),
    "empty chunks": lambda: [NUMBERS[:0], NUMBERS[:20], NUMBERS[20:20], NUMBERS[20:]],
    "function": lambda: lambda: iter(np.array_split(NUMBERS, 7)),
    "subset": lambda: embeddings(np.vstack([NUMBERS, NUMBERS])).subset(np.arange(23)),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("size", [1, 5, 23, 100])
def test_blocks_are_the_same_for_every_form(form, size: int) -> None:
    found = list(embeddings(form()).blocks(size))
    assert [start for start, _ in found] == list(range(0, 23, size))
    for start, block in found:
        np.testing.assert_array_equal(block, NUMBERS[start : start + size])


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_rows_are_taken_in_the_order_asked(form) -> None:
    wanted = np.array([5, 0, 22, 5, 7])
    rows = embeddings(form())
    np.testing.assert_array_equal(rows.take(wanted), NUMBERS[wanted])
    assert rows.shape == (23, 3)
    np.testing.assert_array_equal(rows.subset(wanted).take([2, 1]), NUMBERS[[22, 0]])


def test_an_iterator_is_good_for_one_pass() -> None:
    rows = embeddings(iter([NUMBERS]))
    assert sum(len(block) for _, block in rows.blocks(4)) == 23
    with pytest.raises(NeedError, match="several times"):
        list(rows.blocks(4))


def test_all_bad_rows_are_named_across_blocks() -> None:
    spoilt = NUMBERS.copy()
    spoilt[[2, 3, 20]] = [[np.nan, 0, 0], [np.inf, -np.inf, 0], [0, 0, np.inf]]
    with pytest.raises(BadRows, match="Rows: 2, 3, 20") as caught:
        list(embeddings(spoilt).blocks(4))
    assert caught.value.rows == (2, 3, 20)


def test_a_sum_that_overflows_is_no_bad_row() -> None:
    large = np.full((4, 3), 3e38, np.float32)
    assert len(list(embeddings(large).blocks())) == 1


def test_taking_checks_first() -> None:
    with pytest.raises(BadRows):
        embeddings([[1.0], [np.nan]]).take([0])


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8"])
def test_probabilities_may_be_rounded_to_their_type(dtype: str) -> None:
    data = np.eye(5, dtype=dtype) if dtype == "int8" else np.full((5, 5), 0.2, dtype)
    assert len(rows_of("probabilities", NEEDS["probabilities"], data).whole()) == 5


@pytest.mark.parametrize("row", [[0.5, 0.6], [2.0, 3.0], [1.4, -0.4]])
def test_logits_are_no_probabilities(row) -> None:
    with pytest.raises(BadRows, match="Rows: 1"):
        rows_of("probabilities", NEEDS["probabilities"], [[0.5, 0.5], row]).whole()


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError, match=r"\(n, d\)"):
        embeddings(np.zeros(3))
    with pytest.raises(ShapeError, match="chunks of embeddings"):
        embeddings([np.zeros((2, 3)), np.zeros((2, 4))]).whole()
    with pytest.raises(NeedError, match="embeddings are an array"):
        embeddings(3)


def test_kinds_of_data_are_read_side_by_side() -> None:
    other = np.arange(46.0).reshape(23, 2)
    pairs = list(together([embeddings(NUMBERS), embeddings(np.array_split(other, 3))], 6))
    np.testing.assert_array_equal(np.concatenate([pair[1] for _, pair in pairs]), other)
    with pytest.raises(ShapeError, match="embeddings 23, embeddings 22"):
        list(together([embeddings(NUMBERS), embeddings(other[1:])], 6))


def test_a_block_has_a_row_however_long() -> None:
    assert block_rows((5, 10**9)) == 1
    inputs = rows_of("inputs", NEEDS["inputs"], np.zeros((70, 10**6), np.int8))
    assert [len(block) for _, block in inputs.blocks()] == [32, 32, 6]


def test_a_copy_on_write_map_keeps_what_was_written(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rows_module, "RESIDENT", 0)
    np.save(tmp_path / "x.npy", NUMBERS)
    for mode in ("r", "c"):
        mapped = np.load(tmp_path / "x.npy", mmap_mode=mode)
        expected = NUMBERS.copy()
        if mode == "c":
            mapped[5], expected[5] = 7.0, 7.0
        rows = embeddings(mapped)
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate([b for _, b in rows.blocks(4)]), expected)
            np.testing.assert_array_equal(rows.take([5, 2]), expected[[5, 2]])


@pytest.mark.parametrize("size", [None, 1, 4, 100])
def test_a_subset_of_chunks_is_read_in_one_pass(size: int | None) -> None:
    numbers, passes = np.arange(900.0).reshape(300, 3), []

    def chunks():
        passes.append(1)
        return iter(np.split(numbers, [7, 100, 220]))

    wanted = np.concatenate([np.arange(0, 9), np.arange(90, 260, 3), [299]])
    some = rows_of("embeddings", NEEDS["embeddings"], chunks).subset(wanted)
    before = len(passes)
    parts = list(some.blocks(size))
    assert len(passes) == before + 1
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), numbers[wanted])
    assert [start for start, _ in parts] == [len(parts[0][1]) * i for i in range(len(parts))]


def test_a_subset_of_chunks_in_another_order_is_read_right() -> None:
    numbers = np.arange(60.0).reshape(20, 3)
    some = rows_of("embeddings", NEEDS["embeddings"], np.split(numbers, 4)).subset([9, 2, 15])
    np.testing.assert_array_equal(
        np.concatenate([b for _, b in some.blocks()]), numbers[[9, 2, 15]]
    )


@pytest.mark.parametrize(
    "data",
    [[["a", "b"]], np.zeros((2, 2), "M8[s]"), [[1.0, "b"]], np.array([[None, {}]]), np.eye(2) * 1j],
    ids=["text", "dates", "mixed", "objects", "complex"],
)
def test_what_is_no_number_is_refused(data) -> None:
    for given in (data, [np.asarray(data)]):
        with pytest.raises(NeedError, match=r"embeddings \(n, d\) should be numbers, but have"):
            embeddings(given).check()


def test_columns_of_pandas_are_rows_by_position() -> None:
    pandas = pytest.importorskip("pandas")
    costs = pandas.Series([3.0, 1.0, 2.0], index=[2, 0, 1])
    rows = rows_of("costs", NEEDS["costs"], costs)
    assert rows.take([0, 2]).tolist() == [3.0, 2.0]
    table = pandas.DataFrame(NUMBERS, index=np.arange(23)[::-1], columns=list("abc"))
    np.testing.assert_array_equal(embeddings(table).take([0, 1]), NUMBERS[:2])
