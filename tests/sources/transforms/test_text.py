"""Text: encodings and what is wrong with them."""

from __future__ import annotations

import pytest

from querist.core.errors import ConfigError
from querist.sources.transforms.contract import BadItem
from querist.sources.transforms.text import Text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_tells_the_encoding(encoding: str) -> None:
    assert Text().decode("grüße\r\nb\rc".encode(encoding)) == "grüße\nb\nc"


def test_wrong_bytes_are_a_bad_item_or_replaced() -> None:
    with pytest.raises(BadItem, match="Not utf-8: invalid start byte at byte 1 of 2"):
        Text().decode(b"a\xff")
    assert Text(errors="replace").decode(b"a\xff") == "a\ufffd"
    assert Text(encoding="latin-1").decode(b"a\xff") == "aÿ"


def test_normal_form_strip_and_length() -> None:
    transform = Text(normalise="NFC", strip=True, max_characters=2)
    assert transform.decode("  e\u0301bc ".encode()) == "éb"


@pytest.mark.parametrize("name", ["utf-9", "hex"])
def test_an_unknown_encoding_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no text encoding"):
        Text(encoding=name)


def test_texts_are_stacked_as_a_list() -> None:
    assert Text().stack(["a", "b"]) == ["a", "b"]
    with pytest.raises(ValueError, match="no items"):
        Text().stack([])
