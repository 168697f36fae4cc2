"""How far two ways to run a model pick the same items of a pool: bf16, another backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.models.agreement import Agreement, agreement
from querist.models.inference import open_inference
from querist.pool.choosing import choose_strategy, strategy_named
from querist.pool.errors import PoolError
from querist.pool.model_servers import connector
from querist.pool.pool import Pool
from querist.pool.rounds_features import Decoded, Tell, quiet
from querist.strategies.needs import NEEDS, Belongs

BATCH = 64


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two models are compared.

    Attributes:
        strategy: What picks; None for the one that fits the model.
        limit: Items that are drawn at random where the pool has more.
        tell: Called with the number of items, as they are read and as both models have seen them.
    """

    strategy: str | None = None
    limit: int = 2000
    tell: Tell = quiet


_USUAL = Comparison()


def agreement_of(
    pool: Pool,
    model: Mapping[str, Any],
    other: Mapping[str, Any],
    budget: float,
    how: Comparison = _USUAL,
) -> Agreement:
    """Run a model in two ways over the same items, and compare what a strategy picks.

    Args:
        pool: Whose items.
        model: Settings of the reference.
        other: What differs: {"precision": "bf16"}, {"backend": "openvino"}, {"weights": ...}.
        budget: Items to pick: a number, or a share.
        how: By which strategy, of how many items.

    Raises:
        ConfigError: If a model or the strategy cannot be used.
        PoolError: If no item can be read.
    """
    found, wanted = wanted_of(how.strategy, model)
    rows = np.concatenate([np.zeros(0, np.int64), *pool.rows("all")])
    rng = np.random.default_rng(0)
    if len(rows) > how.limit:
        rows = np.sort(rng.choice(rows, how.limit, replace=False))
    items = Decoded(pool, rows).readable(how.tell)
    if not len(items):
        raise PoolError("no item of the pool can be read.")
    count = budget if budget >= 1 else max(1, round(budget * len(items)))
    if count > len(items):
        raise ConfigError(f"{count:,} items are to be picked of {len(items):,}. Lower the budget.")

    def pick(outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
        picked: NDArray[np.int64] = found(int(count), rng=0, **outputs).indices
        return picked

    connect = connector(pool.settings.models)
    one = open_inference(model, connect=connect)
    two = open_inference({**model, **other}, connect=connect)
    try:
        return agreement(one, two, _batches(items, how.tell), pick, wanted)
    finally:
        one.close()
        two.close()


def wanted_of(strategy: str | None, model: Mapping[str, Any]) -> tuple[Any, frozenset[str]]:
    """The strategy, by default the one that fits, and what it takes of the model.

    Raises:
        ConfigError: If there is none of this name, or it takes something else, too.
    """
    found = strategy_named(strategy or choose_strategy(model), {})
    name, needs = found.name, found.needs
    strange = [need for need in needs if NEEDS[need].belongs is not Belongs.POOL]
    if strange or not needs or {"items", "costs", "inputs"} & set(needs):
        raise ConfigError(
            f"{name} picks by something else than what the model says of each item; compare by "
            "margin, entropy, least-confidence or k-center."
        )
    return found, frozenset(needs)


def _batches(items: Decoded, tell: Tell) -> Iterator[Any]:
    for start in range(0, len(items), BATCH):
        tell(start)
        yield items[np.arange(start, min(start + BATCH, len(items)))]
