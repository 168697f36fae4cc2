"""Images: modes, sizes, orientation, damaged and huge ones."""

from __future__ import annotations

import io

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.sources.transforms.contract import BadItem
from querist.sources.transforms.image import Image
from querist.sources.transforms.opening import open_transform

pil = pytest.importorskip("PIL.Image")


def encoded(image, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def gradient(height: int = 8, width: int = 12) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 9, columns * 9, rows * 0 + 100], -1).astype(np.uint8)


def test_an_image_of_the_wanted_size_is_left_alone() -> None:
    pixels = gradient()
    got = Image(size=(8, 12)).decode(encoded(pil.fromarray(pixels)))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, pixels)
    got[0, 0, 0] = 1  # writable, and nobody else's


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied(orientation: int) -> None:
    from PIL import ImageOps

    image = pil.fromarray(gradient())
    exif = pil.Exif()
    exif[0x0112] = orientation
    data = encoded(image, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(pil.open(io.BytesIO(data))))
    got = Image(size=expected.shape[:2], resize="none").decode(data)
    np.testing.assert_array_equal(got, expected)


def test_an_unknown_setting_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'resize'"):
        open_transform({"modality": "image", "resiz": "crop"})
    with pytest.raises(ConfigError, match="Did you mean 'image'"):
        open_transform({"modality": "imag"})


def test_settings_decide_the_digest() -> None:
    same = [open_transform({"modality": "image", "size": size}).digest for size in (32, [32, 32])]
    assert same == [Image(size=32).digest] * 2
    assert Image(size=32).digest != Image(size=33).digest


@pytest.mark.parametrize("data", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_what_is_no_image_is_a_bad_item(data: bytes) -> None:
    with pytest.raises(BadItem):
        Image().decode(data)


def test_too_many_pixels_are_found_before_unpacking() -> None:
    data = encoded(pil.new("L", (2000, 2000)))
    with pytest.raises(BadItem, match=r"2000 x 2000 pixels; max_pixels is 1,000,000"):
        Image(max_pixels=1_000_000).decode(data)
