"""Thompson sampling: each pick is the best in the eyes of one plausible model."""

from __future__ import annotations

import numpy as np

from querist.strategies.arrays import host
from querist.strategies.contract import Picks, batchwise
from querist.strategies.mapped import vector
from querist.strategies.ranking import Best, tie_seed
from querist.strategies.rows import Rows


@batchwise(
    paper="Thompson 1933; in parallel: Kandasamy et al. 2018 (arXiv 1705.09236), algorithm 1",
    cost="O(n T) time, O(min(b, T) b) memory",
    use="Large batches for the highest output, with members or samples of a posterior.",
)
def thompson(member_predictions: Rows, *, budget: int, rng: np.random.Generator) -> Picks:
    """For each pick draw a member and take what it holds best of what is not picked.

    Members are those of an ensemble or joint samples of a posterior. A score is what the member
    predicts.
    """
    rows = vector(member_predictions)
    drawn = rng.integers(rows.shape[1], size=budget)
    seed = tie_seed(rng)
    best = {int(member): Best(budget, seed) for member in np.unique(drawn)}
    for start, block in rows.blocks():
        for member, found in best.items():
            found.add(start, block[:, member])
    lists = {member: iter(zip(*found.result(), strict=True)) for member, found in best.items()}
    picked: dict[int, float] = {}
    for member in drawn.tolist():
        row, score = next(pair for pair in lists[member] if int(pair[0]) not in picked)
        picked[int(row)] = float(score)
    return np.array(list(picked), np.int64), np.asarray(host(np.array(list(picked.values()))))
