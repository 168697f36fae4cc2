from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_strategies import facts, same_array

from querist.store.codec import (
    NO_ARRAYS,
    decode_body,
    encode_body,
    encode_json,
    pack_parcel,
    parse_dtype,
    unpack_parcel,
)
from querist.store.errors import DamagedFile, NotStorable, TooLarge


@given(facts)
def test_what_is_encoded_comes_back(fact) -> None:
    kind, data, arrays = fact
    head_length, body = encode_body(kind, data, arrays)
    assert len(body) % 8 == head_length % 8 == 0
    got_kind, got_data, got = decode_body(body, head_length)
    assert (got_kind, got_data) == (kind, data)
    assert list(got) == list(arrays)
    assert all(same_array(got[name], arrays[name]) for name in arrays)


def test_decoded_arrays_are_read_only_views_of_the_bytes() -> None:
    head_length, body = encode_body("a", {}, {"x": np.arange(5.0), "empty": np.zeros((0, 3))})
    _, _, arrays = decode_body(body, head_length)
    assert not any(array.flags.writeable for array in arrays.values())
    start = np.frombuffer(body, "u1").__array_interface__["data"][0]
    assert start <= arrays["x"].__array_interface__["data"][0] < start + len(body)


def test_the_encoded_copy_does_not_follow_the_array() -> None:
    x = np.zeros(3)
    head_length, body = encode_body("a", {}, {"x": x})
    x[:] = 1
    assert decode_body(body, head_length)[2]["x"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", ["U0", "S0", "V0"])
def test_strings_of_length_zero(dtype: str) -> None:
    head_length, body = encode_body("a", {}, {"x": np.ndarray((2, 1), dtype)})
    got = decode_body(body, head_length)[2]["x"]
    assert (got.dtype, got.shape) == (np.dtype(dtype), (2, 1))


def test_numpy_scalars_become_numbers() -> None:
    said = {"a": np.int64(3), "b": np.float32(0.5), "c": np.bool_(True), "d": (1, 2)}
    assert json.loads(encode_json(said)) == {"a": 3, "b": 0.5, "c": True, "d": [1, 2]}


def test_nan_infinity_and_lone_surrogates_come_back() -> None:
    head_length, body = encode_body("a", {"x": math.nan, "y": -math.inf, "p": "\udc80"}, NO_ARRAYS)
    _, data, _ = decode_body(body, head_length)
    assert math.isnan(data["x"])
    assert (data["y"], data["p"]) == (-math.inf, "\udc80")


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([object()]), "Python objects"),
        (np.zeros(2, [("a", "O")]), "Python objects"),
        (np.array(["a"], np.dtypes.StringDType()), "Python objects"),
        (np.ma.masked_array([1, 2], [True, False]), "mask"),
    ],
)
def test_arrays_that_would_lose_something_are_refused(array, says: str) -> None:
    with pytest.raises(NotStorable, match=says) as caught:
        encode_body("a", {}, {"odd": array})
    assert "'odd'" in str(caught.value)


def test_data_that_is_not_json_is_refused() -> None:
    with pytest.raises(NotStorable, match="set is not JSON"):
        encode_body("a", {"x": {1}}, NO_ARRAYS)
    loop: dict[str, object] = {}
    loop["again"] = loop
    with pytest.raises(NotStorable):
        encode_body("a", loop, NO_ARRAYS)


@pytest.mark.parametrize(
    "name", ["O", "|O8", "i4,i4", "[('a', 'O')]", "[" * 5000, "__import__('os')", "<x9", "", "["]
)
def test_names_of_dtypes_from_strangers_do_nothing_else(name: str) -> None:
    with pytest.raises(DamagedFile):
        parse_dtype(name)


def body_of(head: object, tail: bytes = b"") -> tuple[bytes, int]:
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    return text + tail, len(text)


@pytest.mark.parametrize(
    "head",
    [
        [],
        {"k": 1, "d": {}},
        {"k": "a", "d": []},
        {"k": "a", "d": {}, "a": {}},
        {"k": "a", "d": {}, "a": [["x", "<f8"]]},
        {"k": "a", "d": {}, "a": [["x", "<f8", [3]]]},
        {"k": "a", "d": {}, "a": [["x", "<f8", [-1]]]},
        {"k": "a", "d": {}, "a": [["x", "<f8", [True]]]},
        {"k": "a", "d": {}, "a": [["x", "<f8", [0, 2**47, 2**47]]]},
        {"k": "a", "d": {}, "a": [["x", "|O8", [1]]]},
        {"k": "a", "d": {}, "a": [["x", "<f8", [1] * 70]]},
    ],
)
def test_heads_that_lie_are_refused(head) -> None:
    body, head_length = body_of(head, bytes(8))
    with pytest.raises(DamagedFile):
        decode_body(body, head_length)


@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_random_bytes_are_no_body(content: bytes, head_length: int) -> None:
    with pytest.raises(DamagedFile):
        decode_body(content, head_length)


def test_deep_json_is_refused_and_does_not_crash() -> None:
    text = b"[" * 200_000
    with pytest.raises(DamagedFile):
        decode_body(text, len(text))


@given(facts)
def test_parcels_come_back(fact) -> None:
    kind, data, arrays = fact
    record = unpack_parcel(pack_parcel(kind, data, arrays))
    assert (record.kind, record.data) == (kind, data)
    assert all(same_array(record.arrays[name], arrays[name]) for name in arrays)


def test_a_parcel_with_any_byte_changed_or_missing_is_refused() -> None:
    content = pack_parcel("answer", {"a": 1}, {"x": np.arange(3)})
    for at in range(len(content)):
        with pytest.raises(DamagedFile):
            unpack_parcel(content[:at])
        flipped = bytearray(content)
        flipped[at] ^= 0x10
        with pytest.raises(DamagedFile):
            unpack_parcel(bytes(flipped))
    with pytest.raises(DamagedFile):
        unpack_parcel(content + b"\0")


def test_parcels_have_a_limit() -> None:
    with pytest.raises(TooLarge, match="limit of 100"):
        pack_parcel("a", {}, {"x": np.zeros(100)}, limit=100)


@pytest.mark.skipif(sys.byteorder != "little", reason="looks at native memory")
def test_big_endian_arrays_are_stored_little_endian() -> None:
    head_length, body = encode_body("a", {}, {"x": np.array([1], ">u8")})
    assert body[head_length:] == b"\x01" + bytes(7)
