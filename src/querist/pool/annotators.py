"""Who labels a pool how well, what is probably true, and whom to ask about what next."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.accounting.annotators import Annotators, dawid_skene
from querist.accounting.relabelling import next_answers
from querist.pool.errors import PoolError
from querist.pool.labelling import LABEL
from querist.pool.pool import Pool
from querist.pool.rounds_features import Tell, outputs_of, quiet

NAME = "dawid-skene"  # under which what is probably true may be recorded
_PAGE = 10_000
_ANSWERED = {"any": ["labelled", "disputed"]}


class Crowd(NamedTuple):
    """The answers of a pool's annotators, and what follows from them.

    Attributes:
        classes: Names, in the order of the probabilities.
        names: Of the annotators, in the order of ``fit.confusion``.
        rows: ``(n,)`` of the items that somebody labelled.
        ids: Theirs.
        fit: What is probably true of these items, and how each annotator errs.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    rows: NDArray[np.int64]
    ids: tuple[str, ...]
    fit: Annotators

    def labels(self, certainty: float = 0.0) -> dict[str, str]:
        """By id the likeliest class, of items where its probability is at least ``certainty``.

        ``pool.label(crowd.labels(0.9), by="dawid-skene")`` records it; an annotator of this name
        is left out of the next fit.
        """
        best, sure = self.fit.labels, self.fit.posterior.max(axis=1)
        return {id: self.classes[best[n]] for n, id in enumerate(self.ids) if sure[n] >= certainty}


class Wanted(NamedTuple):
    """An answer that is worth asking for.

    Attributes:
        id: The item.
        again: Whether it has a label.
        gain: Nats that the answer is expected to tell of the item's class.
        label: The likeliest class now.
        certainty: Its probability.
    """

    id: str
    again: bool
    gain: float
    label: str
    certainty: float


def crowd_of(pool: Pool, without: Sequence[str] = (NAME,)) -> Crowd:
    """Fit the model of Dawid and Skene to what annotators say of a pool's items now.

    Skips, and "reviewed and empty", say nothing of the class and are passed over.

    Args:
        pool: Of classification.
        without: Annotators that are left out.

    Raises:
        PoolError: If it is of another task, or nobody has labelled two classes.
    """
    if pool.settings.task != "classification":
        raise PoolError(
            f"Annotators are judged where a label is one class, not in {pool.settings.task}."
        )
    classes = pool.classes
    numbers = {name: number for number, name in enumerate(classes)}
    rows: dict[int, int] = {}
    names: dict[str, int] = {}
    votes: list[tuple[int, int, int]] = []
    for row, by, value in _answers(pool):
        if by in without or value not in numbers:
            continue
        item, who = rows.setdefault(row, len(rows)), names.setdefault(by, len(names))
        votes.append((item, who, numbers[value]))
    if len({vote[2] for vote in votes}) < 2:
        raise PoolError(
            f"Annotators are judged by labels of two classes or more; {pool.name} has "
            f"{len(votes)} of one. Label some more."
        )
    found = np.array(votes, np.int64)
    fit = dawid_skene(found[:, 0], found[:, 1], found[:, 2], classes=len(classes))
    order = np.array(list(rows), np.int64)
    ids = {item.row: item.id for item in pool.fetch(order)}
    return Crowd(classes, tuple(names), order, tuple(ids.get(row, "") for row in rows), fit)


def _answers(pool: Pool) -> Iterator[tuple[int, str, Any]]:
    for rows in pool.rows(_ANSWERED, _PAGE):
        for row, by in pool.standing(rows.tolist()).items():
            for name, (kind, value) in by.items():
                said = json.loads(value) if kind == LABEL and value else None
                if isinstance(said, str):
                    yield row, name, said


def wanted(
    pool: Pool,
    crowd: Crowd,
    count: int,
    model: Mapping[str, Any] | None = None,
    tell: Tell = quiet,
) -> list[Wanted]:
    """The answers to ask for next: another one of a labelled item, or the first of a new one.

    Args:
        pool: Whose items.
        crowd: Of this pool.
        count: How many.
        model: Settings of one that gives probabilities of the pool's classes; without it only
            items that have labels are looked at.
        tell: Called with the number of new items that the model has seen.
    """
    new, beliefs = np.zeros(0, np.int64), np.zeros((0, len(crowd.classes)))
    if model is not None:
        new, beliefs = _beliefs(pool, crowd.classes, model, tell)
    ask = next_answers(crowd.fit.posterior, beliefs, crowd.fit.anyone, count)
    ids = {item.row: item.id for item in pool.fetch(new[ask.place[~ask.again]])}
    found = []
    for again, index, gain in zip(ask.again.tolist(), ask.place.tolist(), ask.gain, strict=True):
        belief = crowd.fit.posterior[index] if again else beliefs[index]
        id = crowd.ids[index] if again else ids.get(int(new[index]), "")
        best = int(belief.argmax())
        found.append(Wanted(id, again, float(gain), crowd.classes[best], float(belief[best])))
    return [one for one in found if one.id]


def _beliefs(
    pool: Pool, classes: tuple[str, ...], model: Mapping[str, Any], tell: Tell
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Unlabelled items, and what the model believes of them, in the pool's classes."""
    rows = np.concatenate([*pool.rows("unlabelled"), np.zeros(0, np.int64)])
    given = outputs_of(pool, rows, model, frozenset({"probabilities"}), tell)
    said = np.asarray(given.outputs["probabilities"], np.float64)
    names = given.classes or classes
    if said.ndim != 2 or said.shape[1] != len(names) or not set(names) <= set(classes):
        raise PoolError(
            f"The model should give probabilities of {', '.join(classes)}; it gives "
            f"{said.shape[1:]} of {', '.join(names)}."
        )
    beliefs = np.zeros((len(said), len(classes)))
    beliefs[:, [classes.index(name) for name in names]] = said
    good = np.isfinite(beliefs).all(axis=1)
    return given.rows[good], beliefs[good]
