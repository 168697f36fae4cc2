"""Batches, proposals and replies as flat bytes: what travels between the ranks of one explorer.

Items of one shape travel as their bare values behind a *schema*: names, dtypes and shapes, as a few
bytes of JSON which every message repeats and nobody parses twice. So joining the proposals of many
generators is joining bytes, and the replies to all of them are the rows of one matrix. Ragged
batches and URIs travel as named arrays, by the same functions. Nothing is pickled here.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.campaign.handlers.joining import joined
from querist.core.batch import Array, Batch, Column
from querist.core.events import pack_batch, unpack_batch
from querist.core.prediction import Feedback, Prediction, Proposal, Verdicts

Buffer = bytes | bytearray | memoryview

_ALIGN = 8  # heads and schemas fill whole words, so that values behind them are aligned
_PROPOSAL = struct.Struct("<BBHIII")  # kind, exhausted, generator, rows, bytes of schema, meter
_REPLY = struct.Struct("<BxHIQIIQ")  # kind, generator, rows, version, bytes of schemas and of mean
_MANY = 32  # generators from which on one matrix of all replies is quicker
_GENERATOR = slice(2, 4)  # where a reply says which generator of its rank it is for


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """The columns of a batch whose items have one shape each.

    Attributes:
        key: It as bytes.
        columns: Name, dtype, shape of an item, and bytes of an item.
        width: Bytes of a whole row.
    """

    key: bytes
    columns: tuple[tuple[str, np.dtype[Any], tuple[int, ...], int], ...]
    width: int


@lru_cache(256)
def _schema(columns: tuple[tuple[str, str, tuple[int, ...]], ...]) -> Schema:
    parts = []
    for name, dtype, item in columns:
        kind = np.dtype(dtype)
        parts.append((name, kind, item, kind.itemsize * int(np.prod(item, dtype=np.int64))))
    return Schema(_key(columns), tuple(parts), sum(part[3] for part in parts))


def _key(said: Any) -> bytes:
    text = json.dumps(said).encode()
    return text.ljust(len(text) + -len(text) % _ALIGN)


@lru_cache(256)
def schema_at(key: bytes) -> Schema | None:
    """The schema behind its bytes; None where named arrays follow."""
    if key.startswith(b"{"):
        return None
    return _schema(tuple((name, dtype, tuple(item)) for name, dtype, item in json.loads(key)))


def schema_of(batch: Batch) -> Schema | None:
    """The schema of a batch; None if it is ragged or has URIs."""
    if batch.uris is not None:
        return None
    said = []
    for name, column in batch.columns.items():
        item = column.item_shape
        if item is None:
            return None
        said.append((name, column.data.dtype.str, item))
    return _schema(tuple(said))


def dump(batch: Batch) -> tuple[bytes, list[Array]]:
    """A batch as the bytes of its schema, and arrays whose bytes are its values."""
    schema = schema_of(batch)
    if schema is not None:
        return schema.key, [_plain(column.data) for column in batch.columns.values()]
    arrays = pack_batch(batch)
    head = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
    return _key(head), [_plain(array) for array in arrays.values()]


def load(key: bytes, rows: int, body: Buffer) -> Batch:
    """What :func:`dump` took apart; arrays are views of ``body``."""
    schema = schema_at(key)
    if schema is not None:
        return _batch(schema, rows, body)
    arrays, at = {}, 0
    for name, (dtype, shape) in json.loads(key).items():
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(body, dtype, count, at).reshape(shape)
        at += arrays[name].nbytes
    return unpack_batch(arrays)


def _batch(schema: Schema, rows: int, body: Buffer) -> Batch:
    columns, at = {}, 0
    for name, dtype, item, width in schema.columns:
        count = rows * width // dtype.itemsize if dtype.itemsize else 0
        columns[name] = Column.regular(np.frombuffer(body, dtype, count, at), rows, item)
        at += rows * width
    return Batch(columns)


def _plain(array: Array) -> Array:
    """An array whose memory can be taken as it is."""
    if array.dtype.kind in "biuf" and array.flags.c_contiguous:
        return array
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


# Proposals.


Arrived = tuple[int, bytes, Buffer, int, int]
"""A proposal as it came, of which there are too many for a class of their own.

Its rows, the key of their schema, the message, where in it the ``(rows,)`` int64 walkers are (the
values follow), and the life of its generator's rank.
"""


def dump_proposal(
    kind: int, generator: int, proposal: Proposal, exhausted: bool, meter: int = 0
) -> bytes:
    """A proposal as one message."""
    key, parts = dump(proposal.batch)
    rows = len(proposal.batch)
    head = _PROPOSAL.pack(kind, exhausted, generator, rows, len(key), meter)
    walkers = np.asarray(proposal.walkers, np.int64).tobytes()
    return b"".join((head, key, walkers, *[array.data for array in parts]))


HEAD = _PROPOSAL.size
read_head = _PROPOSAL.unpack_from
"""Kind, whether the generator is exhausted, its number, rows, bytes of the schema, the meter."""


def read_proposal(data: Buffer, rows: int, size: int, life: int) -> Arrived:
    """The proposal whose head has been read."""
    return rows, bytes(data[HEAD : HEAD + size]), data, HEAD + size, life


def join(arrived: Sequence[Arrived]) -> Batch:
    """All samples of some proposals, in order."""
    key, schema = arrived[0][1], schema_at(arrived[0][1])
    if schema is None or any(each[1] != key for each in arrived):
        own = ((k, n, memoryview(data)[start + 8 * n :]) for n, k, data, start, _ in arrived)
        return joined(load(*part) for part in own)
    rows = sum([each[0] for each in arrived])
    if len(schema.columns) == 1:
        whole = [memoryview(data)[start + 8 * n :] for n, _, data, start, _ in arrived]
        return _batch(schema, rows, b"".join(whole))
    parts, at = [], 0
    for _, _, _, width in schema.columns:
        for n, _, data, start, _ in arrived:
            begin = start + (8 + at) * n
            parts.append(memoryview(data)[begin : begin + width * n])
        at += width
    return _batch(schema, rows, b"".join(parts))


def walkers_of(arrived: Sequence[tuple[int, Arrived]], generators: int) -> NDArray[np.int64]:
    """``(n,)`` numbers of the walkers among those of all generators, ``(generator, proposal)``."""
    said = [memoryview(data)[start : start + 8 * n] for _, (n, _, data, start, _) in arrived]
    index = np.repeat([i for i, _ in arrived], [each[0] for _, each in arrived])
    numbers: NDArray[np.int64] = np.frombuffer(b"".join(said), np.int64) * generators + index
    return numbers


# Replies.


class Replies:
    """The replies to the proposals of one round: a message each.

    Args:
        kind: Of the messages.
        version: Of the model.
        prediction: Of all samples of the round; generators get mean and deviation.
        verdicts: Likewise.
    """

    def __init__(
        self, kind: int, version: int, prediction: Prediction | None, verdicts: Verdicts
    ) -> None:
        self._kind, self._version, self._verdicts = kind, version, verdicts
        empty = Batch({})
        self._parts = (empty, empty) if prediction is None else (prediction.mean, prediction.std)

    def of(self, generators: Sequence[int], rows: Sequence[int]) -> list[Buffer]:
        """The messages.

        Args:
            generators: Which of its rank each is for.
            rows: Of each.
        """
        mean, std = schema_of(self._parts[0]), schema_of(self._parts[1])
        if mean is None or std is None:
            return self._one_by_one(generators, rows)
        keys = mean.key, std.key
        columns = (*mean.columns, *std.columns)
        widths = [*(width for _, _, _, width in columns), 8, 1]
        arrays = [_plain(c.data) for part in self._parts for c in part.columns.values()]
        arrays += [self._verdicts.score, self._verdicts.verdict]
        if len(rows) < _MANY or rows.count(rows[0]) != len(rows):
            return self._cut(generators, rows, (keys, mean.width), zip(arrays, widths, strict=True))
        head = self._head(0, rows[0], keys, rows[0] * mean.width)
        return _rows_of_matrix(generators, head, arrays)

    def _cut(
        self,
        generators: Sequence[int],
        rows: Sequence[int],
        schemas: tuple[tuple[bytes, bytes], int],
        values: Iterable[tuple[Array, int]],
    ) -> list[Buffer]:
        """A message from a piece of each array."""
        pieces = [(a.data.cast("B"), width) for a, width in values if a.nbytes]
        keys, width = schemas
        messages: list[Buffer] = []
        start, head, made = 0, b"", (-1, -1)
        for generator, count in zip(generators, rows, strict=True):
            stop = start + count
            if made != (generator, count):
                head, made = self._head(generator, count, keys, count * width), (generator, count)
            messages.append(b"".join([head, *[view[start * w : stop * w] for view, w in pieces]]))
            start = stop
        return messages

    def _head(self, generator: int, rows: int, keys: Sequence[bytes], mean: int) -> bytes:
        first, second = keys
        sizes = len(first), len(second)
        head = _REPLY.pack(self._kind, generator, rows, self._version, *sizes, mean)
        return head + first + second

    def _one_by_one(self, generators: Sequence[int], rows: Sequence[int]) -> list[Buffer]:
        messages: list[Buffer] = []
        start = 0
        for generator, count in zip(generators, rows, strict=True):
            stop = start + count
            own = (part.part(start, stop) if len(part) else part for part in self._parts)
            dumped = [dump(part) for part in own]
            mean = sum(array.nbytes for array in dumped[0][1])
            head = self._head(generator, count, [key for key, _ in dumped], mean)
            verdict, score = self._verdicts.verdict[start:stop], self._verdicts.score[start:stop]
            values = [*dumped[0][1], *dumped[1][1], score, verdict]
            messages.append(b"".join([head, *[array.data for array in values]]))
            start = stop
        return messages


def _rows_of_matrix(
    generators: Sequence[int], head: bytes, arrays: Sequence[Array]
) -> list[Buffer]:
    """The messages of many generators with as many rows each: no work for each but a view."""
    count = len(generators)
    tables = [np.frombuffer(head * count, np.uint8).reshape(count, -1)]
    tables += [array.view(np.uint8).reshape(count, -1) for array in arrays if array.nbytes]
    whole = np.concatenate(tables, axis=1)
    if any(generators):
        whole[:, _GENERATOR] = np.array(generators, np.uint16)[:, None].view(np.uint8)
    flat, size = whole.reshape(-1).data, whole.shape[1]
    return [flat[begin : begin + size] for begin in range(0, count * size, size)]


def read_reply(data: Buffer, walkers: NDArray[np.int64]) -> tuple[int, Feedback]:
    """The generator that a reply is for, and its feedback.

    Args:
        data: The message.
        walkers: ``(k,)`` of its proposal.
    """
    _, generator, rows, version, first, second, mean = _REPLY.unpack_from(data)
    view = memoryview(data)
    keys = _REPLY.size, _REPLY.size + first, _REPLY.size + first + second
    at, tail = keys[2], len(view) - 9 * rows
    key = bytes(view[keys[0] : keys[1]]), bytes(view[keys[1] : keys[2]])
    body = view[at : at + mean], view[at + mean : tail]
    parts = [load(k, rows, values) for k, values in zip(key, body, strict=True)]
    prediction = Prediction(parts[0], parts[1]) if len(parts[0].columns) else None
    score = np.frombuffer(view, np.float64, rows, tail)
    verdicts = Verdicts(np.frombuffer(view, np.int8, rows, tail + 8 * rows), score)
    return generator, Feedback(walkers, prediction, verdicts, (), {"version": version})
