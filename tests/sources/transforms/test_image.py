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


def decoded_pixel(data: bytes, **settings) -> list[int]:
    return Image(size=4, **settings).decode(data)[1, 1].tolist()


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, [255, 255, 255]),
        ("L", 77, [77, 77, 77]),
        ("P", (10, 200, 30), [10, 200, 30]),
        ("RGB", (10, 200, 30), [10, 200, 30]),
        ("LA", (77, 255), [77, 77, 77]),
        ("RGBA", (10, 200, 30, 255), [10, 200, 30]),
        ("RGBA", (10, 200, 30, 0), [50, 50, 50]),
        ("LA", (10, 0), [50, 50, 50]),
        ("I;16", 77 << 8 | 200, [77, 77, 77]),
    ],
)
def test_every_mode_becomes_rgb(mode: str, colour, expected: list[int]) -> None:
    if mode == "P":
        image = pil.new("RGB", (4, 4), colour).quantize(4)
    else:
        image = pil.new(mode, (4, 4), colour)
    assert decoded_pixel(encoded(image), fill=50) == expected


def test_a_transparent_colour_of_a_palette_or_of_grey_is_laid_over_the_fill() -> None:
    palette = pil.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    assert decoded_pixel(encoded(palette, transparency=1), fill=50) == [50, 50, 50]
    assert decoded_pixel(encoded(palette, transparency=bytes([255, 0])), fill=50) == [50, 50, 50]
    assert decoded_pixel(encoded(palette, transparency=0), fill=50) == [10, 200, 30]
    grey = pil.new("L", (4, 4), 9)
    assert decoded_pixel(encoded(grey, transparency=9), fill=50) == [50, 50, 50]


def test_cmyk_becomes_rgb() -> None:
    image = pil.new("CMYK", (4, 4), (0, 255, 255, 0))
    red, green, blue = decoded_pixel(encoded(image, "JPEG", quality=100))
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bits_a_pixel_are_refused(mode: str) -> None:
    with pytest.raises(BadItem, match="nothing says what is white"):
        Image(size=4).decode(encoded(pil.new(mode, (4, 4), 5), "TIFF"))


def test_the_first_picture_of_an_animation_counts() -> None:
    pictures = [pil.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(pictures[0], kind, save_all=True, append_images=pictures[1:], **options)
        assert decoded_pixel(data) == [255, 0, 0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP", "PPM", "TGA", "GIF"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_an_image_that_is_cut_short_is_a_bad_item(kind: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    data = encoded(pil.fromarray(noise), kind)
    assert Image(size=64).decode(data).shape == (64, 64, 3)
    with pytest.raises(BadItem):
        Image(size=64).decode(data[: int(len(data) * share)])


def test_programs_are_never_started_for_an_image() -> None:
    """Pillow would give PostScript to an interpreter."""
    with pytest.raises(BadItem, match="Not an image of a known format"):
        Image().decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("shape", [(30, 90), (90, 30), (1, 1), (3, 500)])
def test_any_shape_becomes_the_size(resize: str, shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), 200, np.uint8)
    got = Image(size=(12, 20), resize=resize).decode(encoded(pil.fromarray(pixels)))
    assert got.shape == (12, 20, 3)
    if resize != "pad":
        assert (got == 200).all()


def test_a_crop_is_the_middle_and_padding_is_around() -> None:
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255
    data = encoded(pil.fromarray(pixels))
    assert (Image(size=10).decode(data) == 255).all()
    padded = Image(size=(30, 30), resize="pad", fill=7).decode(data)
    assert (padded[:10] == 7).all()
    assert (padded[20:] == 7).all()
    np.testing.assert_array_equal(padded[10:20], pixels)


def test_short_scales_before_it_cuts() -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[10:30, 10:30] = 255
    data = encoded(pil.fromarray(pixels))
    assert (Image(size=8, short=20).decode(data) == 255).all()
    assert (Image(size=20, short=40).decode(data) == 255).all()


def test_none_takes_only_the_right_size() -> None:
    with pytest.raises(BadItem, match=r"8 x 12 pixels .* not 9 x 12"):
        Image(size=(9, 12), resize="none").decode(encoded(pil.fromarray(gradient())))


@pytest.mark.parametrize("size", [(500, 375), (1001, 753), (447, 449), (31, 57), (1600, 1203)])
@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_quick_way_gives_the_pixels_of_pillow(
    monkeypatch, size: tuple[int, int], subsampling: int, orientation: int
) -> None:
    pytest.importorskip("simplejpeg")
    exif = pil.Exif()
    exif[0x0112] = orientation
    image = pil.effect_noise(size, 60).convert("RGB")
    data = encoded(image, "JPEG", subsampling=subsampling, exif=exif)
    transforms = [Image(size=224), Image(size=(20, 30), resize="pad"), Image(size=64, fast=False)]
    quick = [transform.decode(data) for transform in transforms]
    monkeypatch.setattr("querist.sources.transforms.jpeg.header", lambda _: None)
    for transform, pixels in zip(transforms, quick, strict=True):
        np.testing.assert_array_equal(pixels, transform.decode(data))


def test_settings_that_make_no_sense_are_refused() -> None:
    for settings in [{"size": 0}, {"size": [1, 2, 3]}, {"resize": "zoom"}, {"filter": "x"}]:
        with pytest.raises(ConfigError):
            open_transform({"modality": "image", **settings})
    with pytest.raises(ConfigError, match="grey value"):
        Image(fill=256)


@pytest.mark.parametrize("data", [b"", b"x", b"hi\n", b"a note that is no image"])
def test_what_no_reader_knows_is_said_in_these_words(data: bytes) -> None:
    with pytest.raises(BadItem, match="Not an image of a known format"):
        Image(size=8).decode(data)
