"""JPEG by simplejpeg (libjpeg-turbo), which takes a seventh of Pillow's time for small images.

Every pixel is what Pillow gives. Anything out of the ordinary (CMYK, damaged, not
a JPEG) is left to Pillow, which says what is wrong with it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import MissingExtra, require

_MARK = b"\xff\xd8\xff"
_EXIF = b"Exif\x00\x00"
_EXIF_WITHIN = 1 << 16


class Header(NamedTuple):
    """What stands before the pixels: height and width as stored, and the EXIF block, or b""."""

    height: int
    width: int
    exif: bytes


@cache
def _library() -> Any:
    try:
        return require("simplejpeg", "pool", "Reading JPEG quickly")
    except MissingExtra:
        return None


def header(data: bytes) -> Header | None:
    """The header of an ordinary JPEG; None for anything else, or without simplejpeg."""
    library = _library()
    if library is None or not data.startswith(_MARK):
        return None
    try:
        height, width, space, _ = library.decode_jpeg_header(data)
    except ValueError:
        return None
    if space not in ("YCbCr", "Gray", "GRAY", "RGB"):
        return None
    return Header(height, width, _exif(data))


def decode(data: bytes, head: Header, part: int) -> NDArray[np.uint8] | None:
    """Pixels of shape (height, width, 3), or None if the data is damaged.

    Args:
        data: The file.
        head: Its header.
        part: 1 for in full, 2, 4 or 8 for a half, quarter or eighth of height and width, rounded
            up. (7/8 to 5/8, which libjpeg can do too, take longer than all of it.)
    """
    least = {}
    if part > 1:
        least = {"min_height": -(-head.height // part), "min_width": -(-head.width // part)}
    try:
        pixels: NDArray[np.uint8] = _library().decode_jpeg(data, "RGB", min_factor=part, **least)
    except ValueError:
        return None
    return pixels


def _exif(data: bytes) -> bytes:
    """The body of the first APP1 segment that holds EXIF."""
    begin = data.find(_EXIF, 0, _EXIF_WITHIN)
    if begin < 4 or data[begin - 4 : begin - 2] != b"\xff\xe1":
        return b""
    length = int.from_bytes(data[begin - 2 : begin], "big")
    return data[begin : begin - 2 + length]
