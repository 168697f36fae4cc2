"""Numbers and durations as people read them."""

from __future__ import annotations

import math

NONE = "–"


def duration(seconds: float | None) -> str:
    """For example "0.42 s", "38 s", "12 min 05 s", "3 h 07 min", "2 d 04 h"."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 0.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    for size, part, names in ((86400, 3600, ("d", "h")), (3600, 60, ("h", "min"))):
        if whole >= size:
            return f"{whole // size} {names[0]} {whole % size // part:02d} {names[1]}"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def count(value: float | None) -> str:
    """For example "12,345", "1.23 million"."""
    if value is None or not math.isfinite(value):
        return NONE
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def quantity(value: float | None, unit: str = "") -> str:
    """A measured number with three significant digits and its unit."""
    if value is None or not math.isfinite(value):
        return NONE
    plain = 1e-3 <= abs(value) < 1e5 or value == 0
    number = f"{value:#.3g}".rstrip(".") if plain and abs(value) < 1000 else f"{value:,.0f}"
    number = number if plain else f"{value:.2e}"
    return f"{number} {unit}".strip()


def percent(share: float | None) -> str:
    """A share of one as a percentage."""
    if share is None or not math.isfinite(share):
        return NONE
    return (
        f"{100 * share:.0f} %"
        if share in (0, 1) or 0.1 <= share < 0.995
        else f"{100 * share:.1f} %"
    )


def plural(number: float, noun: str) -> str:
    """For example "1 label", "3,000 labels"."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"
