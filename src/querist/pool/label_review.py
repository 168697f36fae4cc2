"""Which labels of a pool are probably wrong: each is judged by a model that learned from others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from querist.pool.choosing import choose_model
from querist.pool.errors import PoolError
from querist.pool.guessing import guess_transform
from querist.pool.pool import Pool
from querist.pool.rounds_features import Tell, outputs_of, quiet
from querist.pool.rounds_training import lesson_of

FOLDS = 5
_FEWEST = 10


class Doubt(NamedTuple):
    """A label that is probably wrong.

    Attributes:
        id: The item.
        item: Its URI, or what stands inline.
        given: Its label.
        suggested: The class that the model finds likelier.
        quality: The probability of the given label; the lowest come first.
    """

    id: str
    item: Any
    given: str
    suggested: str
    quality: float


def review(pool: Pool, model: Mapping[str, Any] | None = None, tell: Tell = quiet) -> list[Doubt]:
    """Labels that are probably wrong, the worst first.

    A linear head on the features of a model says of each labelled item, by five-fold
    cross-validation, what it would be; confident learning tells which labels contradict too much.

    Args:
        pool: Whose labels.
        model: Its settings; None for built-in features.
        tell: Called with the number of items whose features are known.

    Raises:
        PoolError: If there are too few labels, or they are no classes.
        MissingExtra: If cleanlab is not installed.
    """
    from querist.models.trainers.linear_head import cross_validated

    if pool.settings.task != "classification":
        raise PoolError(
            f"Label errors are found where a label is one class, not in {pool.settings.task}."
        )
    lesson = lesson_of(pool, np.zeros(0, np.int64))
    if not lesson.teaches or len(lesson.rows) < _FEWEST:
        raise PoolError(
            f"Label errors are found among at least {_FEWEST} labels of two classes; this pool has "
            f"{len(lesson.rows)} of {len(set(lesson.values))}."
        )
    chosen = choose_model(model, str(guess_transform(pool)["modality"]))
    given = outputs_of(pool, lesson.rows, chosen, frozenset({"embeddings"}), tell)
    good = np.isfinite(given.outputs["embeddings"]).all(axis=1)
    rows, features = given.rows[good], given.outputs["embeddings"][good]
    labels = dict(zip(lesson.rows.tolist(), lesson.values, strict=True))
    values = [labels[row] for row in rows.tolist()]
    found = pool.label_issues(rows, cross_validated(features, values, lesson.classes, folds=FOLDS))
    items = {item.id: item.uri or item.inline for item in pool.fetch(rows)}
    return [Doubt(one.id, items[one.id], *one[1:]) for one in found if one.id in items]
