from __future__ import annotations

import math

import pytest

from querist.accounting.units import count, duration, percent, plural, quantity


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.0042, "0.0042 s"), (0.5, "0.5 s"), (0.999, "1.0 s"), (2, "2.0 s"),
        (59.4, "59 s"), (59.6, "1 min 00 s"), (725, "12 min 05 s"), (3600, "1 h 00 min"),
        (11220, "3 h 07 min"), (187200, "2 d 04 h"), (None, "–"), (math.inf, "–"),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12, "12"), (12345, "12,345"), (1.5, "1.5"), (2.34e6, "2.34 million"),
     (7e9, "7 billion"), (None, "–")],
)  # fmt: skip
def test_counts(value: float | None, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00"), (0.04123, "0.0412"), (1, "1.00"), (123.4, "123"), (12345.6, "12,346"),
     (1.5e-6, "1.50e-06"), (3.2e7, "3.20e+07"), (-0.5, "-0.500"), (math.nan, "–")],
)  # fmt: skip
def test_quantities(value: float, text: str) -> None:
    assert quantity(value) == text


def test_units_and_shares_and_plurals() -> None:
    assert quantity(0.25, "eV/Å") == "0.250 eV/Å"
    assert [percent(s) for s in (0, 1, 0.5, 0.042, 0.999, None)] == [
        "0 %", "100 %", "50 %", "4.2 %", "99.9 %", "–",
    ]  # fmt: skip
    assert plural(1, "label") == "1 label"
    assert plural(3000, "label") == "3,000 labels"
