"""Images: any ordinary image file becomes ``(height, width, 3)`` bytes, red, green, blue."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, require
from querist.sources.transforms import jpeg
from querist.sources.transforms.contract import BadItem, Decoded, Stacked, digest_of, stack

Resize = Literal["crop", "stretch", "pad", "none"]
Filter = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
_FILTERS: tuple[Filter, ...] = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
_MODES: tuple[Resize, ...] = ("crop", "stretch", "pad", "none")

# Not here: formats whose readers start other programs (EPS), or that hold no picture.
FORMATS = tuple(
    "JPEG PNG WEBP GIF BMP TIFF MPO PPM JPEG2000 AVIF ICO TGA DIB PCX QOI SGI".split()  # noqa: SIM905
)
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
_FEW = 96  # pixels a side up to which a thumbnail is exact


@dataclass(frozen=True)
class Image:
    """Decode an image.

    What the EXIF orientation says is done. Grey, palette and CMYK images become RGB, 16 bits a
    channel become 8, transparent pixels are laid over ``fill``, of an animation the first picture
    counts; colour profiles are not applied. Images of 32-bit numbers are refused, because nothing
    says what is white.

    Attributes:
        size: Height and width of the result in pixels; one number for a square.
        resize: "crop" scales so that ``size`` is covered and cuts the middle out, "stretch" changes
            the proportions, "pad" scales to fit and fills with ``fill``, "none" takes only images
            that have this size.
        short: For "crop": scale the shorter side to this many pixels before cutting; 0 for just
            what ``size`` needs. Networks are often evaluated with short 256 and size 224.
        filter: How pixels are interpolated; all but "nearest" average when they scale down.
        fill: Grey value, 0 to 255, of padding and behind transparency.
        max_pixels: Of the image as stored; more is a bad item, found before it is unpacked.
        fast: Let a JPEG be unpacked at a half, quarter or eighth where that still covers the size
            wanted; pixels differ by a few grey levels from the long way.
    """

    size: int | tuple[int, int] = 224
    resize: Resize = "crop"
    short: int = 0
    filter: Filter = "bilinear"
    fill: int = 0
    max_pixels: int = 50_000_000
    fast: bool = True
    modality: str = field(default="image", init=False)
    digest: str = field(default="", init=False, compare=False)

    def __post_init__(self) -> None:
        size = (self.size, self.size) if isinstance(self.size, int) else tuple(self.size)
        object.__setattr__(self, "size", size)
        _check(self, size)
        settings = {name: v for name, v in asdict(self).items() if name != "digest"}
        object.__setattr__(self, "digest", digest_of("image", 1, settings))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the result."""
        height, width = self.size  # type: ignore[misc]  # a pair since __post_init__
        return height, width

    @property
    def item_bytes(self) -> int:
        """Bytes of one decoded image."""
        height, width = self.shape
        return height * width * 3

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """One image, uint8 of shape (height, width, 3).

        Raises:
            BadItem: If it is no image, is cut short, or has more pixels than allowed.
        """
        try:
            return self._decoded(data)
        except BadItem:
            raise
        # Whatever a reader of images raises about strange bytes is a fact about this item.
        except Exception as error:
            raise BadItem(f"Damaged image: {str(error) or type(error).__name__}.") from error

    def _decoded(self, data: bytes) -> NDArray[np.uint8]:
        pixels = self._quickly(data)
        if pixels is not None:
            return pixels
        image = _opened(data)
        self._check_pixels(image.width, image.height)
        orientation = _orientation(image)
        wanted = self._wanted(orientation)
        if self.fast and self.resize != "none":
            self._unpack_less(image, wanted)
        image = self._fitted(_as_rgb(image, self.fill), wanted)
        if orientation > 1:
            image = image.transpose(_transpositions()[orientation])
        return np.array(image, np.uint8)

    def _quickly(self, data: bytes) -> NDArray[np.uint8] | None:
        """The same of an ordinary JPEG, with less work; None for other data."""
        head = jpeg.header(data)
        if head is None:
            return None
        self._check_pixels(head.width, head.height)
        orientation = _exif_orientation(head.exif) if head.exif else 1
        wanted = self._wanted(orientation)
        pixels = jpeg.decode(data, head, self._part(head, wanted))
        if pixels is None or (pixels.shape[:2] == wanted and orientation == 1 and not self.short):
            return pixels
        image = self._fitted(_pillow().fromarray(pixels), wanted)
        if orientation > 1:
            image = image.transpose(_transpositions()[orientation])
        return np.array(image, np.uint8)

    def _part(self, head: jpeg.Header, wanted: tuple[int, int]) -> int:
        """1, 2, 4 or 8: which part of an image still covers what is wanted; as Pillow's draft."""
        if not self.fast or self.resize == "none":
            return 1
        width, height = self._scaled((head.width, head.height), wanted)
        times = min(head.width // width, head.height // height)
        return next((part for part in (8, 4, 2) if part <= times), 1)

    def _wanted(self, orientation: int) -> tuple[int, int]:
        """Height and width before the image is turned."""
        height, width = self.shape
        return (width, height) if orientation in _TURNED else (height, width)

    def _check_pixels(self, width: int, height: int) -> None:
        if width * height > self.max_pixels:
            raise BadItem(
                f"The image has {width} x {height} pixels; max_pixels is {self.max_pixels:,}."
            )

    def _unpack_less(self, image: Any, wanted: tuple[int, int]) -> None:
        if image.format in ("JPEG", "MPO"):
            image.draft(None, self._scaled(image.size, wanted))

    def _scaled(self, size: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
        """Width and height to scale an image of this size to, before cutting or padding."""
        width, height = size
        goal_height, goal_width = wanted
        if self.resize in ("stretch", "none"):
            return goal_width, goal_height
        if self.resize == "pad":
            scale = min(goal_width / width, goal_height / height)
        else:
            scale = max(goal_width / width, goal_height / height, self.short / min(size))
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _fitted(self, image: Any, wanted: tuple[int, int]) -> Any:
        goal = wanted[::-1]
        if image.size == goal and not (self.resize == "crop" and self.short > min(goal)):
            return image
        if self.resize == "none":
            raise BadItem(
                f"The image is {image.height} x {image.width} pixels (height x width), not "
                f"{wanted[0]} x {wanted[1]}. Set resize to crop, stretch or pad."
            )
        width, height = self._scaled(image.size, wanted)
        how = _FILTERS.index(self.filter)
        if self.resize == "pad":
            canvas = _pillow().new("RGB", goal, (self.fill,) * 3)
            canvas.paste(
                image.resize((width, height), how),
                ((goal[0] - width) // 2, (goal[1] - height) // 2),
            )
            return canvas
        # The part of the stored image that remains, so that nothing is computed to be cut off.
        fx, fy = image.width / width, image.height / height
        left, top = (width - goal[0]) // 2, (height - goal[1]) // 2
        box = (left * fx, top * fy, (left + goal[0]) * fx, (top + goal[1]) * fy)
        return image.resize(goal, how, box)

    def stack(self, items: Sequence[Decoded]) -> Stacked:
        """Images as one array, uint8 of shape (n, height, width, 3)."""
        return stack(items)


def thumbnail(data: bytes, side: int, max_pixels: int) -> tuple[bytes, str]:
    """A small picture of an image: upright, in its proportions, never larger than the image.

    Args:
        data: The image file.
        side: Pixels of its longer side, at most.
        max_pixels: Of the image as stored.

    Returns:
        The bytes and the media type: PNG where there are few pixels, JPEG else.

    Raises:
        BadItem: If it is no image, is cut short, or has more pixels than allowed.
    """
    try:
        image = _opened(data)
        width, height = image.size[::-1] if _orientation(image) in _TURNED else image.size
    except BadItem:
        raise
    # As in decode: whatever a reader raises about strange bytes is a fact about this item.
    except Exception as error:
        raise BadItem(f"Damaged image: {str(error) or type(error).__name__}.") from error
    scale = min(1.0, side / max(width, height))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = Image(size=size, resize="stretch", fill=255, max_pixels=max_pixels).decode(data)
    kind = "PNG" if max(size) <= _FEW else "JPEG"
    written = io.BytesIO()
    _pillow().fromarray(small).save(written, kind, **({"quality": 80} if kind == "JPEG" else {}))
    return written.getvalue(), f"image/{kind.lower()}"


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """``(h, w)`` greys or ``(h, w, 3)`` colours as a PNG."""
    written = io.BytesIO()
    _pillow().fromarray(pixels).save(written, "PNG")
    return written.getvalue()


def _check(transform: Image, size: tuple[int, ...]) -> None:
    if len(size) != 2 or min(size) < 1:
        raise ConfigError(f"size is one or two whole numbers from 1, got {size}.")
    if transform.resize not in _MODES:
        raise ConfigError(f"resize is one of {', '.join(_MODES)}, got {transform.resize!r}.")
    if transform.filter not in _FILTERS:
        raise ConfigError(f"filter is one of {', '.join(_FILTERS)}, got {transform.filter!r}.")
    if not 0 <= transform.fill <= 255:
        raise ConfigError(f"fill is a grey value from 0 to 255, got {transform.fill}.")


@cache
def _pillow() -> Any:
    module = require("PIL.Image", "pool", "Reading images")
    module.init()
    return module


@cache
def _readers() -> tuple[Any, ...]:
    known = _pillow().OPEN
    return tuple((name, *known[name]) for name in FORMATS if name in known)


@cache
def _transpositions() -> tuple[Any, ...]:
    turn = _pillow().Transpose
    done = (turn.FLIP_LEFT_RIGHT, turn.ROTATE_180, turn.FLIP_TOP_BOTTOM, turn.TRANSPOSE)
    return (None, None, *done, turn.ROTATE_270, turn.TRANSVERSE, turn.ROTATE_90)


def _opened(data: bytes) -> Any:
    """The header, read.

    Pillow's own ``open`` warns of many pixels by a global limit; ours is the transform's.
    """
    for _, make, accept in _readers():
        try:
            accepted = accept is None or accept(data[:16])
            if not accepted or isinstance(accepted, str):
                continue
            return make(io.BytesIO(data), "")
        except (SyntaxError, IndexError, TypeError, KeyError, EOFError, struct.error):
            continue
    raise BadItem(f"Not an image of a known format ({len(data):,} bytes, {_beginning(data)}).")


def _beginning(data: bytes) -> str:
    return f"beginning with {data[:8].hex(' ')}" if data else "empty"


def _exif_orientation(block: bytes) -> int:
    exif = _pillow().Exif()
    exif.load(block)
    return _sensible(exif.get(_ORIENTATION, 1))


def _sensible(orientation: Any) -> int:
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _orientation(image: Any) -> int:
    """1 to 8 as in EXIF; 1 is upright."""
    if image.format in ("JPEG", "MPO", "PNG", "WEBP") and not _EXIF_IN.intersection(image.info):
        return 1
    return _sensible(image.getexif().get(_ORIENTATION, 1))


_EXIF_IN = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}


def _as_rgb(image: Any, fill: int) -> Any:
    mode = image.mode
    if mode == "RGB" and "transparency" not in image.info:
        return image
    if mode.startswith("I;16"):
        image.load()
        grey = np.asarray(image).astype(np.uint16) >> 8
        return _pillow().fromarray(grey.astype(np.uint8)).convert("RGB")
    if mode in ("I", "F"):
        raise BadItem(
            f"The image has 32 bits a pixel (mode {mode}), of which nothing says what is white. "
            "Convert it to 8 or 16 bits."
        )
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        behind = _pillow().new("RGBA", image.size, (fill, fill, fill, 255))
        return _pillow().alpha_composite(behind, image).convert("RGB")
    return image.convert("RGB")
