"""What several annotators say of the same items: how far they agree, and what is to be decided."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

from querist.accounting.opinions import alike, alpha_of_names, alpha_of_numbers, kappa
from querist.pool.items import Item, encoded
from querist.pool.labelling import LABEL
from querist.pool.pool import Pool

_PAGE = 2000
_SEVERAL = {"any": ["labelled", "disputed"], "opinions": {">=": 2}}


class Pair(NamedTuple):
    """Two annotators.

    Attributes:
        one: A name.
        two: Another.
        items: That both labelled.
        agreement: Mean alikeness of their labels, from 0 to 1.
        kappa: Cohen's, where a label is one class; None elsewhere, and where it cannot be told.
    """

    one: str
    two: str
    items: int
    agreement: float
    kappa: float | None


class Accord(NamedTuple):
    """How far the annotators of a pool agree.

    Attributes:
        items: That two or more labelled.
        agreement: Mean alikeness of two labels of an item; None where there are none.
        alpha: Krippendorff's, of classes and of single numbers; None elsewhere.
        pairs: By annotators, those who agree least first.
    """

    items: int
    agreement: float | None
    alpha: float | None
    pairs: list[Pair]


class Dispute(NamedTuple):
    """An item of which annotators say different things, and nobody has decided.

    Attributes:
        item: It.
        opinions: By annotator his label, the latest last.
        agreement: Mean alikeness of two of them.
    """

    item: Item
    opinions: dict[str, Any]
    agreement: float


Opinions = dict[str, Any]


def accord(pool: Pool) -> Accord:
    """Measure how far those who labelled the same items agree."""
    task = pool.settings.task
    both: dict[tuple[str, str], list[tuple[Any, Any]]] = defaultdict(list)
    items: list[Opinions] = []
    for rows in pool.rows(_SEVERAL, _PAGE):
        for by in _opinions(pool, rows.tolist()).values():
            items.append(by)
            for one, two in combinations(sorted(by), 2):
                both[one, two].append((by[one], by[two]))
    pairs = [_pair(task, names, said) for names, said in both.items()]
    compared = sum(pair.items for pair in pairs)
    mean = sum(pair.agreement * pair.items for pair in pairs) / compared if compared else None
    pairs.sort(key=lambda pair: (pair.agreement, pair.one, pair.two))
    return Accord(len(items), mean, _alpha(task, items), pairs)


def _pair(task: str, names: tuple[str, str], said: list[tuple[Any, Any]]) -> Pair:
    mean = sum(alike(task, one, two) for one, two in said) / len(said)
    known = [(encoded(one), encoded(two)) for one, two in said]
    return Pair(*names, len(said), mean, kappa(known) if task == "classification" else None)


def _alpha(task: str, items: list[Opinions]) -> float | None:
    if task == "classification":
        return alpha_of_names([[encoded(value) for value in by.values()] for by in items])
    if task != "regression":
        return None
    numbers = [[one for one in by.values() if isinstance(one, (int, float))] for by in items]
    return alpha_of_numbers(numbers)


def disputes(pool: Pool, after: int = 0) -> Iterator[Dispute]:
    """Items that wait for a decision, by row.

    Labels that differ by less than is counted as different (boxes that nearly coincide) are none.

    Args:
        pool: Whose items.
        after: The row after which they begin.
    """
    page = pool.page("contested", after, _PAGE)
    while True:
        known = _opinions(pool, [item.row for item in page.items])
        for item in page.items:
            by = known.get(item.row, {})
            scores = [alike(pool.settings.task, *two) for two in combinations(by.values(), 2)]
            if scores and min(scores) < 1:
                yield Dispute(item, by, sum(scores) / len(scores))
        if page.after is None:
            return
        page = pool.page("contested", page.after, _PAGE)


def _opinions(pool: Pool, rows: list[int]) -> Mapping[int, Opinions]:
    return {
        row: {
            name: json.loads(value) for name, (kind, value) in by.items() if kind == LABEL and value
        }
        for row, by in pool.standing(rows).items()
    }
