"""Rows of a table as they stand."""

from __future__ import annotations

import pytest

from querist.sources.transforms.contract import BadItem, Transform
from querist.sources.transforms.row import Row


def test_a_row_is_its_own_text() -> None:
    row = Row()
    assert isinstance(row, Transform)
    assert row.decode(b'{"age": 3, "job": "a"}') == '{"age": 3, "job": "a"}'
    assert row.stack([row.decode(b"{}")]) == ["{}"]
    assert (row.modality, row.item_bytes, row.digest) == ("table", 0, Row().digest)


@pytest.mark.parametrize("data", [b"", b"[1, 2]", b"3", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_object_of_json_is_refused(data: bytes) -> None:
    with pytest.raises(BadItem, match="row is"):
        Row().decode(data)
