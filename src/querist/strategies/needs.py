"""What a strategy may ask for: one table, whose keys are the names of parameters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Belongs(Enum):
    """What the rows of an array stand for."""

    POOL = "pool"
    """One row an item of the pool; read in blocks."""
    OTHER = "other"
    """Rows of something smaller than the pool (labelled items, targets); held whole."""
    OBJECT = "object"
    """No array: handed through as it is."""


class Holds(Enum):
    """What is checked of every row."""

    FINITE = "finite"
    PROBABILITIES = "probabilities"
    """Finite, not negative, and the last axis sums to one."""
    SHARES = "shares"
    """Finite, each from zero to one."""
    ANYTHING = "anything"


@dataclass(frozen=True, slots=True)
class Need:
    """One kind of data.

    Attributes:
        shape: For people: ``n`` items of the pool, ``C`` classes, ``T`` members, ``d`` features.
        meaning: One line.
        ndim: Allowed numbers of axes; empty: any.
        belongs: What its rows stand for.
        holds: What is checked.
        least: Rows that a block has however long they are; more than one where a model is called.
    """

    shape: str
    meaning: str
    ndim: tuple[int, ...] = (2,)
    belongs: Belongs = Belongs.POOL
    holds: Holds = Holds.FINITE
    least: int = 1


NEEDS: dict[str, Need] = {
    "probabilities": Need(
        "(n, C)", "predicted probabilities of the classes", (2,), holds=Holds.PROBABILITIES
    ),
    "label_probabilities": Need(
        "(n, L)", "predicted probability of each label by itself", (2,), holds=Holds.SHARES
    ),
    "member_probabilities": Need(
        "(n, T, C)",
        "probabilities by each of T members, dropout masks or posterior samples",
        (3,),
        holds=Holds.PROBABILITIES,
    ),
    "target_member_probabilities": Need(
        "(m, T, C)",
        "the same members' probabilities of the items that matter in the end",
        (3,),
        Belongs.OTHER,
        Holds.PROBABILITIES,
    ),
    "member_predictions": Need(
        "(n, T) or (n, T, o)", "each member's prediction of one or o numbers", (2, 3)
    ),
    "predictions": Need("(n,) or (n, o)", "predicted numbers", (1, 2)),
    "std": Need("(n,) or (n, o)", "standard deviations of the predicted numbers", (1, 2)),
    "embeddings": Need("(n, d)", "features in which distance means difference"),
    "gradients": Need("(n, g)", "gradients of the loss by item"),
    "costs": Need("(n,)", "what each answer is expected to cost, above zero", (1,)),
    "items": Need(
        "(n, ...)", "anything with a row an item; counted only", (), holds=Holds.ANYTHING
    ),
    "inputs": Need("(n, ...)", "the items themselves, for a model to be called on", (), least=32),
    "labelled_embeddings": Need(
        "(m, d)", "the same features of items that have a label", (2,), Belongs.OTHER
    ),
    "labels": Need(
        "(m,) or (m, o)", "the labels of those items", (1, 2), Belongs.OTHER, Holds.FINITE
    ),
    "labelled_classes": Need(
        "(m,)", "the classes of those items, numbered from 0", (1,), Belongs.OTHER
    ),
    "labelled_costs": Need("(m,)", "what the answers of those items cost", (1,), Belongs.OTHER),
    "model": Need("object", "the model itself", (), Belongs.OBJECT, Holds.ANYTHING),
}
