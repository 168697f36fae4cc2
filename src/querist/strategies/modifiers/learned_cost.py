"""Gain for each unit of a cost that is learned from what answers did cost."""

from __future__ import annotations

import numpy as np

from querist.core.errors import ShapeError
from querist.strategies.arrays import dense, host
from querist.strategies.conditioning import matrix
from querist.strategies.contract import Picks
from querist.strategies.costs import RidgeCosts
from querist.strategies.modifiers.cost_aware import per_cost
from querist.strategies.modifying import Base, Vector, modifier
from querist.strategies.rows import Rows


def predicted(embeddings: Rows, labelled: Rows, costs: Rows) -> Vector:
    """``(n,)`` costs of the pool by ridge regression on the features.

    Raises:
        ShapeError: If there is not a cost for each labelled row.
    """
    known, paid = matrix(labelled, embeddings), np.asarray(host(dense(costs.whole())), float)
    if len(known) != len(paid) or not len(known):
        raise ShapeError(
            "labelled_embeddings and labelled_costs must have a row for each labelled item, at "
            f"least one; they have {len(known)} and {len(paid)}."
        )
    model = RidgeCosts.fit(known, paid)
    return np.concatenate([model.predict(block) for _, block in embeddings.blocks()])


def gain_per_predicted_cost(
    base: Base,
    embeddings: Rows,
    labelled_embeddings: Rows,
    labelled_costs: Rows,
) -> Vector:
    """``(n,)`` gains over predicted costs."""
    return base.gains() / predicted(embeddings, labelled_embeddings, labelled_costs)


@modifier(
    paper="Settles, Craven & Friedland 2008, section 4 (learned annotation costs)",
    cost="O(n d + m d min(m, d)) time, O(n + m d) memory, m labelled; see cost-aware",
    use="Answers whose costs differ and can be foretold from features, such as run times.",
    scores=gain_per_predicted_cost,
)
def learned_cost(
    base: Base,
    embeddings: Rows,
    labelled_embeddings: Rows,
    labelled_costs: Rows,
    *,
    budget: int,
    rng: np.random.Generator | None = None,
) -> Picks:
    """As cost-aware, with costs by ridge regression of their logarithm on the features.

    The penalty is chosen by leave-one-out. A score is gain over predicted cost.
    """
    costs = predicted(embeddings, labelled_embeddings, labelled_costs)
    return per_cost(base, costs, budget, rng)
