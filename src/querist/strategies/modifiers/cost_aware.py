"""Gain for each unit of cost."""

from __future__ import annotations

import numpy as np

from querist.strategies.arrays import dense, host
from querist.strategies.contract import Picks
from querist.strategies.costs import positive
from querist.strategies.modifying import Base, Vector, modifier
from querist.strategies.ranking import ranked
from querist.strategies.rows import Rows

# Of a base that picks rows together: how many compete for each pick.
WIDE = 4


def gain_per_cost(base: Base, costs: Rows) -> Vector:
    """``(n,)`` gains over costs."""
    return base.gains() / priced(costs)


def priced(costs: Rows) -> Vector:
    """``(n,)`` costs on the host.

    Raises:
        BadRows: If they are not above zero.
    """
    found = [np.asarray(host(dense(block)), float) for _, block in costs.blocks()]
    return positive(np.concatenate(found), costs.name)


@modifier(
    paper="Settles, Craven & Friedland 2008, section 3 (return on investment); Haertel et al. 2008",
    cost="O(n) time and memory; of a base that picks rows together, its time for 4 b picks",
    use="Answers whose costs differ and are known; unknown costs: learned-cost.",
    scores=gain_per_cost,
)
def cost_aware(
    base: Base,
    costs: Rows,
    *,
    budget: int,
    rng: np.random.Generator | None = None,
) -> Picks:
    """The highest score over cost; where scores can be negative, over the pool's lowest.

    Of a base that picks rows together, the first picks compete, four times as many as wanted,
    with their scores. A score is gain over cost.
    """
    return per_cost(base, priced(costs), budget, rng)


def per_cost(base: Base, costs: Vector, budget: int, rng: np.random.Generator | None) -> Picks:
    """The picks for costs that are known."""
    if base.scores_rows:
        return ranked(base.gains() / costs, budget, rng)
    picked = base.pick(min(base.count, WIDE * budget))
    gains = picked.scores - min(0.0, float(picked.scores.min()))
    places, values = ranked(gains / costs[picked.indices], budget, None)[:2]
    return picked.indices[places], values
