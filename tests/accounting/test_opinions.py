"""Agreement: against published values, and what counts as alike."""

from __future__ import annotations

import pytest

from querist.accounting.opinions import alike, alpha_of_names, alpha_of_numbers, kappa

# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C: four observers.
UNITS = [
    "1 1 - 1",
    "2 2 3 2",
    "3 3 3 3",
    "3 3 3 3",
    "2 2 2 2",
    "1 2 3 4",
    "4 4 4 4",
    "1 1 2 1",
    "2 2 2 2",
    "- 5 5 5",
    "- - 1 1",
    "- 3 - -",
]
SAID = [[one for one in unit.split() if one != "-"] for unit in UNITS]


def test_alpha_as_published() -> None:
    assert alpha_of_names(SAID) == pytest.approx(0.743, abs=5e-4)
    assert alpha_of_numbers([[float(one) for one in unit] for unit in SAID]) == pytest.approx(
        0.849, abs=5e-4
    )
    assert alpha_of_names([["a"], ["a", "a"]]) is None
    assert alpha_of_names([["a", "b"], ["b", "a"]]) == pytest.approx(-0.5)
    assert alpha_of_numbers([]) is None


def test_kappa_of_two() -> None:
    said = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert kappa(said) == pytest.approx(0.4)
    assert kappa([("y", "y")]) is None
    assert kappa([]) is None


def box(left: float, name: str = "cat", **more: object) -> dict[str, object]:
    return {"class": name, "box": [left, 0, 10, 10], **more}


@pytest.mark.parametrize(
    ("task", "one", "two", "score"),
    [
        ("classification", "cat", "cat", 1),
        ("classification", "cat", [], 0),
        ("multi-label", ["a", "b"], ["b", "c"], 1 / 3),
        ("tokens", [{"class": "P", "start": 0, "end": 3}], [], 0),
        (
            "tokens",
            [{"class": "P", "start": 0, "end": 3}, {"class": "P", "start": 5, "end": 8}],
            [{"class": "P", "start": 0, "end": 3}, {"class": "P", "start": 5, "end": 9}],
            0.5,
        ),
        ("detection", [box(0), box(20)], [box(21), box(2)], 1),
        ("detection", [box(0)], [box(6)], 0),
        ("detection", [box(0)], [box(0, "dog")], 0),
        ("detection", [box(0), box(1)], [box(1)], 2 / 3),
        ("detection", [box(0, unit="fraction")], [box(0)], 0),
        ("regression", 1.0, 2.0, 0),
    ],
)
def test_what_is_alike(task: str, one: object, two: object, score: float) -> None:
    assert alike(task, one, two) == pytest.approx(score)
    assert alike(task, two, one) == pytest.approx(score)
