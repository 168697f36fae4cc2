"""What items are, told by their bytes."""

from __future__ import annotations

import io
import wave

import pytest

from querist.service.content import TEXT_BYTES, as_shown
from querist.service.problems import Refused


def sound(seconds: float) -> bytes:
    """A WAV of silence, all of whose bytes are ASCII."""
    file = io.BytesIO()
    with wave.open(file, "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(1)
        opened.setframerate(8000)
        opened.writeframes(bytes(int(8000 * seconds)))
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (sound(0.01), "audio/wav"),
        (sound(60), "audio/wav"),
        (b"fLaC\0\0\0\x22" + b"x" * 9, "audio/flac"),
        (b"OggS\0\2" + b"x" * 9, "audio/ogg"),
        (b"ID3\4\0\0" + b"x" * 9, "audio/mpeg"),
        (b"\xff\xfb\x90\x64" + b"x" * 9, "audio/mpeg"),
        (b"\0\0\0\x20ftypM4A " + b"x" * 9, "audio/mp4"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"GIF89a", "image/gif"),
        (b"ID3 is an algorithm, OggS a word.", "text/plain; charset=utf-8"),
    ],
)
def test_bytes_tell_what_an_item_is(data: bytes, kind: str) -> None:
    shown = as_shown(data)
    assert (shown.media_type, shown.content) == (kind, data)


def test_a_long_text_is_cut_between_characters() -> None:
    assert as_shown(b"x" + "é".encode() * TEXT_BYTES).content == b"x" + "é".encode() * (
        TEXT_BYTES // 2 - 1
    )


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfeU\0T\0F\0", bytes(range(256)), bytes(range(256)) * 1000],
    ids=["utf-16", "short", "long"],
)
def test_what_is_none_of_these_is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="nor text"):
        as_shown(data)
