"""Boxes and polygons between pixels and fractions of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from querist.pool.manifests.record import Unwritable

Size = tuple[float, float]
_DIGITS = 6


def scaled(part: Mapping[str, Any], unit: str, size: Size | None) -> dict[str, Any]:
    """A box or polygon in another unit; numbers are kept where it is the same.

    Args:
        part: As a label of detection has it.
        unit: pixel or fraction.
        size: Of the image, in pixels.

    Raises:
        Unwritable: If the unit is another and the size is not known.
    """
    kept = {name: value for name, value in part.items() if name != "unit"}
    if part.get("unit", "pixel") == unit:
        return kept | ({"unit": unit} if unit == "fraction" else {})
    if size is None:
        raise Unwritable(
            "boxes must be converted between pixels and fractions, and the size of the image is "
            "not known; give its width and height as metadata"
        )
    width, height = size if unit == "pixel" else (1 / size[0], 1 / size[1])
    for name in ("box", "polygon"):
        if name in kept:
            kept[name] = _by(kept[name], width, height, unit)
    return kept | ({"unit": unit} if unit == "fraction" else {})


def _by(numbers: Sequence[float], width: float, height: float, unit: str) -> list[float]:
    factors = (width, height) * (len(numbers) // 2)
    found = [number * factor for number, factor in zip(numbers, factors, strict=True)]
    return [round(number, _DIGITS) for number in found] if unit == "pixel" else found


def percent(part: Mapping[str, Any], size: Size | None) -> dict[str, Any]:
    """In percent of the image, as Label Studio has them."""
    found = scaled(part, "fraction", size)
    for name in ("box", "polygon"):
        if name in found:
            found[name] = [100 * number for number in found[name]]
    return found


def from_percent(numbers: Sequence[float], size: Size | None) -> tuple[list[float], bool]:
    """Pixels where the size is known, else fractions; and whether they are fractions."""
    fractions = [number / 100 for number in numbers]
    if size is None:
        return fractions, True
    return _by(fractions, size[0], size[1], "pixel"), False


def bounds(polygon: Sequence[float]) -> list[float]:
    """The box [left, top, width, height] around a polygon [x1, y1, x2, y2, ...]."""
    xs, ys = polygon[0::2], polygon[1::2]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
