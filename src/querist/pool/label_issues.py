"""Labels that are probably wrong, by confident learning (Northcutt et al., JAIR 70, 2021)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError, require
from querist.pool.errors import PoolError
from querist.pool.items import Item


class LabelIssue(NamedTuple):
    """A label that is probably wrong.

    Attributes:
        id: The item.
        given: Its label.
        suggested: The class that the model finds likelier.
        quality: The probability of the given label; the lowest come first.
    """

    id: str
    given: str
    suggested: str
    quality: float


def issues_of(
    items: Iterable[Item],
    rows: NDArray[np.int64],
    probabilities: NDArray[Any],
    classes: Sequence[str],
) -> list[LabelIssue]:
    """As :func:`find_issues`, of items of a pool.

    Args:
        items: With their labels, in any order.
        rows: ``(n,)``, of the items that the model looked at.
        probabilities: ``(n, C)``, of these rows.
        classes: The names of the columns.
    """
    by_row = {item.row: item for item in items}
    ids = [by_row[int(row)].id if int(row) in by_row else "" for row in rows]
    labels = {item.id: item.label for item in by_row.values() if isinstance(item.label, str)}
    return find_issues(labels, ids, probabilities, classes)


def find_issues(
    labels: Mapping[str, str],
    ids: Sequence[str],
    probabilities: NDArray[Any],
    classes: Sequence[str],
) -> list[LabelIssue]:
    """Labels that are probably wrong, the worst first.

    The probabilities must be of a model that was not trained on the labels that it judges (by
    cross-validation, or from an earlier round): a model that learned an error agrees with it.

    Args:
        labels: By id; items without one are passed over.
        ids: Of the rows of ``probabilities``.
        probabilities: ``(n, C)``.
        classes: The names of the columns.

    Raises:
        ShapeError: If the shapes do not fit.
        PoolError: If no labelled item of two classes is among ``ids``.
        MissingExtra: If cleanlab is not installed.
    """
    probabilities = np.asarray(probabilities, np.float64)
    if probabilities.shape != (len(ids), len(classes)):
        raise ShapeError(
            f"Probabilities should be ({len(ids)}, {len(classes)}), got {probabilities.shape}."
        )
    numbers = {name: number for number, name in enumerate(classes)}
    chosen = [n for n, id in enumerate(ids) if labels.get(id) in numbers]
    given = np.array([numbers[labels[ids[n]]] for n in chosen], np.int64)
    if len(set(given.tolist())) < 2:
        raise PoolError(
            f"Label errors are found among labelled items of at least two of the classes "
            f"{', '.join(classes)}; these rows have {len(chosen)} labelled items."
        )
    # Classes that no label names would be an error to cleanlab.
    present, given = np.unique(given, return_inverse=True)
    judged = probabilities[np.array(chosen)][:, present]
    judged /= np.maximum(judged.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    cleanlab = require("cleanlab.filter", "cleanlab", "finding label errors")
    found = cleanlab.find_label_issues(
        labels=given, pred_probs=judged, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    names = [classes[number] for number in present]
    return [
        LabelIssue(
            ids[chosen[n]],
            names[given[n]],
            names[int(judged[n].argmax())],
            float(judged[n, given[n]]),
        )
        for n in found
    ]
