"""How far those who label agree: Krippendorff's alpha, Cohen's kappa, alikeness of two labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

IOU = 0.5  # boxes of one class that overlap by so much mean the same thing


def alike(task: str, one: Any, two: Any) -> float:
    """How alike two labels of an item are, from 0 to 1.

    Of several classes it is Jaccard's index; of spans and boxes the F1 score of those that have a
    partner of the same class in the other label: the same ends, or an intersection over union of
    at least ``IOU`` (partners are found greedily, the best first). Otherwise equal or not.
    """
    if one == two:
        return 1.0
    if not (isinstance(one, list) and isinstance(two, list)):
        return 0.0
    if task == "multi-label":
        return len(set(one) & set(two)) / len(set(one) | set(two))
    if task == "tokens":
        return _f1(len(_spans(one) & _spans(two)), len(one), len(two))
    if task == "detection":
        return _f1(_partners(one, two), len(one), len(two))
    return 0.0


def _f1(shared: int, one: int, two: int) -> float:
    return 2 * shared / (one + two) if one + two else 1.0


def _spans(value: list[Any]) -> set[tuple[Any, ...]]:
    return {(part["class"], part["start"], part["end"]) for part in value}


def _partners(one: list[Any], two: list[Any]) -> int:
    scores = [(_overlap(a, b), i, j) for i, a in enumerate(one) for j, b in enumerate(two)]
    left, right = set(range(len(one))), set(range(len(two)))
    shared = 0
    for score, i, j in sorted(scores, reverse=True):
        if score >= IOU and i in left and j in right:
            left.discard(i)
            right.discard(j)
            shared += 1
    return shared


def _overlap(one: Mapping[str, Any], two: Mapping[str, Any]) -> float:
    """Intersection over union of two boxes of one class; polygons are the same or not."""
    if one["class"] != two["class"]:
        return 0.0
    if not ("box" in one and "box" in two) or one.get("unit") != two.get("unit"):
        return float(one == two)
    (a, b, w, h), (c, d, u, v) = one["box"], two["box"]
    across = max(0.0, min(a + w, c + u) - max(a, c))
    shared = across * max(0.0, min(b + h, d + v) - max(b, d))
    whole = w * h + u * v - shared
    return shared / whole if whole else float(one["box"] == two["box"])


def alpha_of_names(items: Iterable[Sequence[str]]) -> float | None:
    """Krippendorff's alpha of names (Content Analysis, 2nd ed. 2004, section 11.3).

    Args:
        items: Of each item what was said of it, by whomever; items with one answer do not count.

    Returns:
        1 where all agree, 0 where they agree as if by chance; None where that cannot be told:
        no item has two answers, or all ever said one thing.
    """
    said: Counter[str] = Counter()
    disagreed = 0.0
    for values in items:
        if len(values) < 2:
            continue
        own = Counter(values)
        said.update(own)
        pairs = len(values) ** 2 - sum(number**2 for number in own.values())
        disagreed += pairs / (len(values) - 1)
    total = said.total()
    expected = total**2 - sum(number**2 for number in said.values())
    return 1 - (total - 1) * disagreed / expected if expected else None


def alpha_of_numbers(items: Iterable[Sequence[float]]) -> float | None:
    """Krippendorff's alpha of numbers: interval data, differences squared (section 11.3).

    Args:
        items: As of :func:`alpha_of_names`.

    Returns:
        As :func:`alpha_of_names`.
    """
    kept = [values for values in items if len(values) > 1]
    every = [value for values in kept for value in values]
    expected = _differences(every)
    if not expected:
        return None
    seen = sum(_differences(values) / (len(values) - 1) for values in kept)
    return 1 - (len(every) - 1) * seen / expected


def _differences(values: Sequence[float]) -> float:
    """The sum of squared differences over all ordered pairs."""
    middle = sum(values) / len(values) if values else 0.0
    return 2 * len(values) * sum((value - middle) ** 2 for value in values)


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa of two annotators (Educ. Psychol. Meas. 20, 1960, equation 1).

    Args:
        pairs: What the one and what the other said of the same items.

    Returns:
        None where chance alone would make them agree always, or there is no item.
    """
    if not pairs:
        return None
    seen = sum(one == two for one, two in pairs) / len(pairs)
    first, second = Counter(one for one, _ in pairs), Counter(two for _, two in pairs)
    chance = sum(number * second[name] for name, number in first.items()) / len(pairs) ** 2
    return (seen - chance) / (1 - chance) if chance < 1 else None
