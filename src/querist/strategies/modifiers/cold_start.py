"""One strategy at the beginning, another when there are labels."""

from __future__ import annotations

from collections.abc import Sequence

from querist.core.errors import ConfigError
from querist.strategies.contract import Picks
from querist.strategies.modifying import Base, modifier
from querist.strategies.rows import Rows


@modifier(
    paper="Hacohen, Dekel & Weinshall 2022 (arXiv 2202.02794), sections 2 and 4: the low and the "
    "high budget regime",
    cost="that of the one that is at work; a pass over the data of the other, to check them",
    use="Campaigns from zero labels: cold-start(margin, typiclust, until=50).",
)
def cold_start(
    base: Base,
    labelled_embeddings: Rows | None = None,
    labels: Rows | None = None,
    *,
    others: Sequence[Base],
    budget: int,
    until: int = 20,
) -> Picks:
    """The second strategy picks while there are fewer than ``until`` labels, then the first.

    Labels are counted by the rows of whatever of them is given. Scores are those of the one at
    work; a batch is never divided between them.
    """
    if len(others) != 1:
        raise ConfigError(f"cold-start wraps two strategies, got {1 + len(others)}.")
    known = [rows for rows in (labelled_embeddings, labels) if rows is not None]
    start = max(map(len, known), default=0) < until
    active, idle = (others[0], base) if start else (base, others[0])
    for rows in idle.pool.values():  # so that a mistake in them is not found in the middle
        rows.check()
    picked = active.pick(budget)
    return picked.indices, picked.scores
