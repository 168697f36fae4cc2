"""How far those who label agree, and what waits for a decision."""

from __future__ import annotations

from pydantic import Field

from querist.service.wire.base import AnyJson, Count, Told
from querist.service.wire.pools import Item


class Pair(Told):
    """Two annotators.

    Attributes:
        items: That both labelled.
        agreement: Mean alikeness of their labels, from 0 to 1.
        kappa: Cohen's, where a label is one class.
    """

    one: str
    two: str
    items: Count
    agreement: float
    kappa: float | None = None


class Accord(Told):
    """How far the annotators of a pool agree.

    Attributes:
        items: That two or more labelled.
        agreement: Mean alikeness of two labels of an item; None where there are none.
        alpha: Krippendorff's, of classes and of numbers.
        pairs: By annotators, those who agree least first.
        contested: Items of which annotators say different things and nobody has decided.
    """

    items: Count
    agreement: float | None = None
    alpha: float | None = None
    pairs: list[Pair] = Field(default_factory=list)
    contested: Count = 0


class Opinion(Told):
    """What one annotator says of an item now."""

    by: str
    value: AnyJson = None


class Dispute(Told):
    """An item that waits for a decision.

    Attributes:
        opinions: Whose label is which, the latest last.
        agreement: Mean alikeness of two of them.
    """

    item: Item
    opinions: list[Opinion]
    agreement: float
