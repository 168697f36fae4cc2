"""What Hypothesis draws for the store: JSON, dtypes, arrays, records."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

text = st.text(max_size=12)  # lone surrogates are left out, as UTF-8 does
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=8,
)
json_objects = st.dictionaries(text, json_values, max_size=5)

scalar_dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(endianness="?"),
    hnp.datetime64_dtypes(endianness="?"),
    hnp.timedelta64_dtypes(endianness="?"),
    hnp.byte_string_dtypes(),
    hnp.unicode_string_dtypes(endianness="?"),
    st.just(np.dtype("longdouble")),
    st.just(np.dtype("V3")),
)
dtypes = scalar_dtypes | hnp.nested_dtypes(hnp.integer_dtypes(endianness="?"), max_leaves=4)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    dtype, shape = draw(dtypes), draw(shapes)
    count = int(np.prod(shape)) * dtype.itemsize
    content = draw(st.binary(min_size=count, max_size=count))
    if dtype.kind == "b":
        content = bytes(byte & 1 for byte in content)
    if dtype.kind == "U":  # any code point that UTF-32 allows
        content = (
            np.frombuffer(content, "u1").astype(dtype.byteorder + "u4")[: count // 4].tobytes()
        )
    array = np.ndarray(shape, dtype, buffer=content) if count else np.zeros(shape, dtype)
    if array.ndim > 1 and draw(st.booleans()):
        array = np.asfortranarray(array)
    return array


named_arrays = st.dictionaries(
    text.filter(lambda name: name != "__metadata__"), arrays(), max_size=3
)
facts = st.tuples(text, json_objects, named_arrays)


def same_array(got: np.ndarray, wanted: np.ndarray) -> bool:
    """Equal in dtype but for the byte order, in shape, and in every bit (NaN included)."""
    wire = wanted.dtype.newbyteorder("<")
    expected = np.asarray(wanted, dtype=wire, order="C")
    return got.dtype == wire and got.shape == wanted.shape and got.tobytes() == expected.tobytes()
