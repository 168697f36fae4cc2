"""Bytes of strangers: anything is an item of the right shape, or a bad item."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.sources.transforms.audio import Audio
from querist.sources.transforms.contract import BadItem
from querist.sources.transforms.image import Image
from querist.sources.transforms.table import Table
from querist.sources.transforms.text import Text

pil = pytest.importorskip("PIL.Image")
soundfile = pytest.importorskip("soundfile")


def images() -> list[bytes]:
    made = []
    picture = pil.effect_noise((24, 20), 50)
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "TGA", "ICO", "JPEG2000"):
        out = io.BytesIO()
        picture.convert("RGB").save(out, kind)
        made.append(out.getvalue())
    return made


def sounds() -> list[bytes]:
    made = []
    for kind in ("WAV", "FLAC", "OGG", "AIFF"):
        out = io.BytesIO()
        soundfile.write(out, np.linspace(-0.5, 0.5, 900), 8000, format=kind)
        made.append(out.getvalue())
    return made


IMAGES, SOUNDS = images(), sounds()


@st.composite
def damaged(draw: st.DrawFn, files: list[bytes]) -> bytes:
    """A file with some bytes changed, mostly in its head, and perhaps cut."""
    data = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, min(len(data), draw(st.sampled_from([64, 10_000]))) - 1))
        data[place] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.sampled_from([len(data), len(data) // 2]))])


def decoded(transform, data: bytes):
    """What it gives; None for a bad item, which says something."""
    try:
        return transform.decode(data)
    except BadItem as error:
        said = str(error)
    assert said
    return None


@given(st.one_of(damaged(IMAGES), st.binary(max_size=200)))
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_image(data: bytes) -> None:
    found = decoded(Image(size=16, max_pixels=1_000_000), data)
    assert found is None or found.shape == (16, 16, 3)


@given(st.one_of(damaged(SOUNDS), st.binary(max_size=200)))
def test_a_damaged_sound(data: bytes) -> None:
    found = decoded(Audio(rate=8000, seconds=0.1), data)
    assert found is None or (found.shape == (800,) and np.isfinite(found).all())


@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_any_bytes_as_a_text_or_a_row(data: bytes) -> None:
    text, row = decoded(Text(), data), decoded(Table({"a": "number", "b": ["x"]}), data)
    assert text is None or isinstance(text, str)
    assert row is None or row.shape == (2,)
    assert isinstance(Text(errors="replace").decode(data), str)
