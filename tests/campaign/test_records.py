"""What travels between the ranks of an explorer: nothing is changed, whatever its shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.campaign.handlers import records
from querist.campaign.handlers.records import (
    Arrived,
    Replies,
    dump,
    dump_proposal,
    join,
    load,
    read_head,
    read_proposal,
    read_reply,
    schema_of,
    walkers_of,
)
from querist.core.batch import Batch, Column
from querist.core.prediction import Prediction, Proposal, Verdicts

DTYPES = ["f8", "f4", "i8", "i4", "u1", "?", "c16", "U3", "M8[s]"]


def same(one: Batch, other: Batch) -> None:
    assert len(one) == len(other)
    assert list(one.columns) == list(other.columns)
    assert one.uris == other.uris
    for name, column in one.columns.items():
        assert column.data.dtype == other.columns[name].data.dtype
        for a, b in zip(column.items(), other.columns[name].items(), strict=True):
            np.testing.assert_array_equal(a, b)


@st.composite
def batches(draw, rows: int | None = None) -> Batch:
    """Batches of some columns, ragged or not, with or without URIs."""
    count = draw(st.integers(1, 4)) if rows is None else rows
    columns = {}
    for index in range(draw(st.integers(1, 3))):
        dtype = np.dtype(draw(st.sampled_from(DTYPES)))
        axes = draw(st.integers(0, 2))
        ragged = axes and draw(st.booleans())
        shape = draw(st.lists(st.integers(0, 3), min_size=axes, max_size=axes))
        items = []
        for _ in range(count):
            own = [draw(st.integers(0, 3)), *shape[1:]] if ragged else shape
            size = int(np.prod(own))
            values = draw(st.lists(st.integers(0, 99), min_size=size, max_size=size))
            items.append(np.array(values, "i8").astype(dtype).reshape(own))
        columns[f"c{index}"] = Column.of(items)
    uris = tuple(f"file:{i}" for i in range(count)) if draw(st.booleans()) else None
    return Batch(columns, uris=uris)


def arrived(message: bytes, life: int = 0) -> Arrived:
    _, _, _, rows, size, _ = read_head(message)
    return read_proposal(message, rows, size, life)


@given(batches())
def test_batches_come_as_they_went(batch: Batch) -> None:
    key, values = dump(batch)
    same(batch, load(key, len(batch), b"".join(values)))
    assert len(key) % 8 == 0


@given(st.lists(batches(), min_size=1, max_size=3), st.data())
def test_joining_proposals_is_concatenating_batches(parts, data) -> None:
    if data.draw(st.booleans()):  # all of one kind
        parts = [parts[0]] * len(parts)
    elif any(p.columns.keys() != parts[0].columns.keys() for p in parts):
        parts = parts[:1]
    walkers = [np.arange(len(p)) + 10 * i for i, p in enumerate(parts)]
    messages = [
        dump_proposal(11, 7, Proposal(p, w), exhausted=False)
        for p, w in zip(parts, walkers, strict=True)
    ]
    assert {read_head(m)[:3] for m in messages} == {(11, 0, 7)}
    came = [arrived(m) for m in messages]
    try:
        whole = Batch.concatenate(parts)
    except Exception as error:  # noqa: BLE001 - what cannot be joined cannot be joined here either
        with pytest.raises(type(error)):
            join(came)
        return
    joined = join(came)
    assert len(joined) == len(whole)
    for name, column in whole.columns.items():
        for a, b in zip(column.items(), joined.columns[name].items(), strict=True):
            np.testing.assert_array_equal(a, b)
    numbered = walkers_of(list(enumerate(came)), 5)
    wanted = np.concatenate([w * 5 + i for i, w in enumerate(walkers)])
    assert numbered.tolist() == wanted.tolist()


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=5),
    st.sampled_from([1, 32]),
    st.booleans(),
    st.data(),
)
def test_each_generator_gets_its_own_part(rows, many, predicted, data) -> None:
    total = sum(rows)
    prediction = None
    if predicted:
        std = data.draw(batches(total)) if data.draw(st.booleans()) else Batch({})
        prediction = Prediction(data.draw(batches(total)), std)
    score = np.arange(total) / 7.0
    verdicts = Verdicts((np.arange(total) % 3).astype(np.int8), score)
    before, records._MANY = records._MANY, many
    try:
        messages = Replies(3, 12, prediction, verdicts).of(list(range(len(rows))), rows)
    finally:
        records._MANY = before
    start = 0
    for index, (count, message) in enumerate(zip(rows, messages, strict=True)):
        stop, walkers = start + count, np.arange(count)
        generator, feedback = read_reply(bytearray(message), walkers)
        assert (generator, feedback.info["version"]) == (index, 12)
        assert feedback.walkers is walkers
        assert feedback.verdicts.verdict.tolist() == verdicts.verdict[start:stop].tolist()
        assert feedback.verdicts.score.tolist() == score[start:stop].tolist()
        if prediction is None:
            assert feedback.prediction is None
        else:
            own = prediction.part(start, stop)
            same(own.mean, feedback.prediction.mean)
            same(own.std, feedback.prediction.std)
        start = stop


def test_values_are_aligned_and_ragged_ones_have_no_schema() -> None:
    regular = Batch.stack(x=np.zeros((2, 3)), n=np.arange(2))
    message = bytearray(dump_proposal(11, 0, Proposal(regular, np.arange(2)), exhausted=True))
    assert join([arrived(message)])["x"].flags.aligned
    assert schema_of(regular) is not None
    assert schema_of(Batch.of([{"x": [1.0]}, {"x": [1.0, 2.0]}])) is None
    assert schema_of(Batch(regular.columns, uris=("a", "b"))) is None
