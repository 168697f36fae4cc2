"""The contract of a query strategy, as checks that every one must pass.

Put every strategy in the parameter list::

    @pytest.mark.parametrize("check", STRATEGY_CHECKS, ids=lambda check: check.__name__)
    @pytest.mark.parametrize("strategy", registry.strategies(), ids=lambda one: one.name)
    def test_contract(check, strategy):
        check(strategy)

A check that does not apply to a strategy passes at once. A strategy without a brute-force
definition (:mod:`querist.testing.strategy_references`) fails.
"""

from __future__ import annotations

import dataclasses
import pickle
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chisquare

from querist.strategies.contract import Selection, Strategy
from querist.strategies.errors import BadRows, BudgetError, NeedError
from querist.strategies.needs import NEEDS, Holds
from querist.strategies.rows import Rows, rows_of
from querist.testing.strategy_data import (
    LARGE_BUDGETS,
    LARGE_ITEMS,
    Size,
    changed,
    data_for,
    of_pool,
)
from querist.testing.strategy_references import Reference, reference

Check = Callable[[Strategy], None]
BUDGET = 6
SMALL = Size(items=6, labelled=3)
DRAWS = 1500
# A pool on which a matrix of n x n, b x n or n x (C d) could not be overlooked.
LARGE = Size(items=20_000, classes=20, members=4, features=64, labelled=20)
LARGE_BUDGET = 400
EXTRA_MEGABYTES = 40.0
# A process that is fitted anew on a GPU ends elsewhere by as much as its fit is exact.
ROUGH_SCORES = {"qlogei": 1e-2}


def _defined(strategy: Strategy) -> Reference:
    found = reference(strategy.name)
    assert found is not None, f"{strategy.name} has no brute-force definition to be compared with"
    return found


def _pick(strategy: Strategy, data: dict[str, Any], budget: int = BUDGET) -> Selection:
    return strategy(budget, rng=5 if strategy.random else None, **data)


def _same(one: Selection, other: Selection, scores: float = 1e-6) -> None:
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_allclose(one.scores, other.scores, rtol=scores, atol=scores)


def _refused(call: Callable[[], object], error: type[Exception]) -> str:
    try:
        call()
    except error as refusal:
        return str(pickle.loads(pickle.dumps(refusal)))
    raise AssertionError(f"was not refused with {error.__name__}")


def check_is_described(strategy: Strategy) -> None:
    """Paper, cost and use are told, and nothing is asked for that is not in the table."""
    assert min(map(len, (strategy.paper, strategy.cost, strategy.use))) > 3
    assert (strategy.function.__doc__ or "").strip()
    assert set(strategy.needs) | set(strategy.optional) <= set(NEEDS)


def check_meets_its_definition(strategy: Strategy) -> None:
    """Picks what the brute-force definition picks, or as often."""
    found = _defined(strategy)
    kinds = {"exact": _exact, "law": _lawful, "condition": _conditional}
    for optional in [False, True] if strategy.optional else [False]:
        kinds[found.kind](strategy, found, optional)


def _exact(strategy: Strategy, found: Reference, optional: bool) -> None:
    for seed, items in enumerate([1, 2, 9, 30, 50]):
        data = data_for(strategy, seed, Size(items=items), optional)
        for budget in {1, min(items, BUDGET), min(found.largest, items // 2 + 1)}:
            indices, scores = found.function(budget, **data)
            expected = Selection(np.array(indices), np.array(scores, float), "", items)
            _same(_pick(strategy, data, budget), expected)


def _lawful(strategy: Strategy, found: Reference, optional: bool) -> None:
    for seed in range(2):
        data = data_for(strategy, seed, SMALL, optional)
        rng, seen = np.random.default_rng(seed), Counter[tuple[int, ...]]()
        for _ in range(DRAWS):
            seen[tuple(strategy(3, rng=rng, **data).indices.tolist())] += 1
        follows(seen, found.function(3, **data))


def follows(seen: Counter[tuple[int, ...]], law: dict[tuple[int, ...], float]) -> None:
    """Assert by a chi-square test (level 1e-5) that counts follow a law; rare outcomes pooled."""
    assert abs(sum(law.values()) - 1.0) < 1e-9
    assert not {pick for pick in seen if law.get(pick, 0.0) <= 0.0}, "a pick that cannot be"
    total = sum(seen.values())
    common = [pick for pick in law if law[pick] * total >= 5]
    counts = [float(seen[pick]) for pick in common]
    means = [law[pick] * total for pick in common]
    rare = total - sum(means)
    if rare > 5:
        counts, means = [*counts, total - sum(counts)], [*means, rare]
    if len(counts) == 1:  # all but certain; how rare the rest is was checked by what can be
        assert total - counts[0] <= rare + 6.0 * rare**0.5 + 5.0
        return
    scale = sum(counts) / sum(means)
    assert chisquare(counts, [mean * scale for mean in means]).pvalue > 1e-5


def _conditional(strategy: Strategy, found: Reference, optional: bool) -> None:
    for seed in range(5):
        data = data_for(strategy, seed, optional=optional)
        found.function(_pick(strategy, data), **data)


def check_order_of_the_pool_is_nothing(strategy: Strategy) -> None:
    """The same items in another order: the same items are picked (where nothing is drawn)."""
    if strategy.random:
        return
    for seed in range(3):
        data = data_for(strategy, seed)
        order = np.random.default_rng(seed).permutation(Size().items)
        mixed = _pick(strategy, changed(data, lambda rows, order=order: rows[order]))  # type: ignore[misc]
        plain = _pick(strategy, data)
        if _has_ties(strategy, data):
            np.testing.assert_allclose(mixed.scores, plain.scores, rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(order[mixed.indices], plain.indices)


def _has_ties(strategy: Strategy, data: dict[str, Any]) -> bool:
    """Whether equal scores stand at the same place (votes of few members give many)."""
    if not strategy.pointwise:
        return False
    scores = np.sort(strategy.scores(**data))
    return bool((np.diff(scores) < 1e-12).any())


def check_type_of_the_numbers_is_nothing(strategy: Strategy) -> None:
    """The same numbers as float32 and float64: the same picks."""
    for seed in range(3):
        data = data_for(strategy, seed, optional=True)
        single = {
            name: value.astype(np.float32) if isinstance(value, np.ndarray) else value
            for name, value in data.items()
        }
        _same(_pick(strategy, single), _pick(strategy, data), scores=1e-5)


def check_chunks_are_nothing(strategy: Strategy) -> None:
    """In memory, mapped, in lists of chunks or made anew each time: the same picks and scores."""
    data = data_for(strategy, 1, Size(items=60))
    plain = _pick(strategy, data)
    for cut in (_in_chunks, lambda rows: lambda: iter(_in_chunks(rows)), _fortran):
        again = _pick(strategy, changed(data, cut))
        np.testing.assert_array_equal(again.indices, plain.indices)
        np.testing.assert_array_equal(again.scores, plain.scores)
    with tempfile.TemporaryDirectory() as folder:
        mapped = changed(data, lambda rows: _mapped(Path(folder) / f"{id(rows)}.npy", rows))
        _same(_pick(strategy, mapped), plain, scores=0.0)
        del mapped


def _in_chunks(rows: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    return np.split(rows, [1, 2, 9, 9, 40])


def _fortran(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asfortranarray(rows)


def _mapped(path: Path, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    np.save(path, rows)
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def check_seeds_reproduce(strategy: Strategy) -> None:
    """A seed gives the same picks again, a generator goes on, and other seeds matter to draws."""
    data = data_for(strategy, 2)
    for seed in (0, 1):
        _same(strategy(BUDGET, rng=seed, **data), strategy(BUDGET, rng=seed, **data), scores=0.0)
    if strategy.random:
        rng = np.random.default_rng(0)
        picks = {tuple(strategy(BUDGET, rng=rng, **data).indices.tolist()) for _ in range(20)}
        assert len(picks) > 1, "twenty draws were all the same"
        assert "rng" in _refused(lambda: strategy(BUDGET, **data), NeedError)


def check_duplicates_are_picked_once(strategy: Strategy) -> None:
    """A pool in which everything stands twice is no trouble, up to the last item."""
    data = changed(data_for(strategy, 3, Size(items=12)), lambda rows: np.concatenate([rows, rows]))
    for budget in (BUDGET, 24):
        picked = _pick(strategy, data, budget)
        assert len(set(picked.indices.tolist())) == budget
        assert np.isfinite(picked.scores).all()


def check_budget_may_be_the_pool(strategy: Strategy) -> None:
    """Everything is picked, once; a pool of one item too."""
    for items in (1, 17):
        data = data_for(strategy, 4, Size(items=items), optional=True)
        assert sorted(_pick(strategy, data, items).indices.tolist()) == list(range(items))


def check_dull_pools(strategy: Strategy) -> None:
    """One class, one member, constant features: nothing divides by zero or repeats."""
    alike = changed(data_for(strategy, 5), lambda rows: np.repeat(rows[:1], len(rows), axis=0))
    lone = data_for(strategy, 5, Size(classes=1, members=1, features=1))
    features = ("embeddings", "gradients", "predictions", "member_predictions")
    blank = {
        name: np.zeros_like(value) if name in features else value
        for name, value in data_for(strategy, 5).items()
    }
    for data in (alike, lone, blank):
        picked = _pick(strategy, data)
        assert len(set(picked.indices.tolist())) == BUDGET
        assert np.isfinite(picked.scores).all()


def check_budgets_are_validated(strategy: Strategy) -> None:
    """Zero, negative, fractional, true, and more than the pool: refused with what was got."""
    data = data_for(strategy, 6)
    for wrong in (0, -1, 2.5, True, "3", None, Size().items + 1):
        sentence = _refused(lambda wrong=wrong: _pick(strategy, data, wrong), BudgetError)  # type: ignore[misc]
        assert str(wrong).strip("'") in sentence


def check_bad_rows_are_named(strategy: Strategy) -> None:
    """NaN and infinity are reported by index; so are probabilities that are none."""
    data = data_for(strategy, 7)
    for name in of_pool(data):
        if NEEDS[name].holds is Holds.ANYTHING:
            continue
        wrongs = [np.nan, np.inf, -np.inf]
        wrongs += [3.0] if NEEDS[name].holds in (Holds.PROBABILITIES, Holds.SHARES) else []
        for wrong in wrongs:
            spoilt = data[name].copy()
            spoilt[[3, 11]] = wrong
            sentence = _refused(lambda v=spoilt, n=name: _pick(strategy, {**data, n: v}), BadRows)  # type: ignore[misc]
            assert name in sentence
            assert "Rows: 3, 11." in sentence


def check_needs_are_true(strategy: Strategy) -> None:
    """Every need is asked for when missing, and read when given; nothing else is taken."""
    data = data_for(strategy, 8, optional=True)
    for name in strategy.needs:
        rest = {key: value for key, value in data.items() if key != name}
        assert name in _refused(lambda rest=rest: _pick(strategy, rest), NeedError)  # type: ignore[misc]
    assert "nonsense" in _refused(lambda: _pick(strategy, {**data, "nonsense": 1}), NeedError)
    spies = {name: _Spy(name, value) for name, value in data.items() if name in of_pool(data)}
    _pick(strategy, {**data, **spies})
    unread = [name for name, spy in spies.items() if not spy.reads and name != "items"]
    assert unread == [], f"asked for and not read: {unread}"


class _Spy(Rows):
    """Rows that count how often they are read."""

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(name, NEEDS[name])
        self.rows, self.reads = rows_of(name, NEEDS[name], value), 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rows.shape

    def _read(self, size: int | None) -> Iterator[tuple[int, Any]]:
        self.reads += 1
        return self.rows.blocks(size)

    def _gather(self, indices: np.ndarray[Any, Any]) -> Any:
        self.reads += 1
        return self.rows.take(indices)


def check_lengths_must_agree(strategy: Strategy) -> None:
    """Data of different numbers of items are refused."""
    data = data_for(strategy, 9)
    for name in of_pool(data) if len(of_pool(data)) > 1 else []:
        short = {**data, name: data[name][:-1]}
        assert "30" in _refused(lambda short=short: _pick(strategy, short), ValueError)  # type: ignore[misc]


def check_memory_is_bounded(strategy: Strategy) -> None:
    """Nothing of n x n, b x n or n x (C d) is made."""
    items = LARGE_ITEMS.get(strategy.name, LARGE.items)
    budget = LARGE_BUDGET * LARGE.items // items  # b x n stays what it is
    data = data_for(strategy, 10, dataclasses.replace(LARGE, items=items))
    _pick(strategy, data_for(strategy, 10), 1)  # what it imports is not counted
    tracemalloc.start()
    try:
        _pick(strategy, data, LARGE_BUDGETS.get(strategy.name, budget))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / 1e6 < EXTRA_MEGABYTES, f"{peak / 1e6:.0f} MB beside the data"


def check_tensors_are_as_good(strategy: Strategy) -> None:
    """Torch tensors give the same picks, and the pool does not leave its device: CPU, and GPU."""
    import torch

    data = data_for(strategy, 11)
    wanted = _pick(strategy, data)
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        pool = {name: torch.tensor(data[name], device=device) for name in of_pool(data)}
        with _AtHome(min(value.numel() for value in pool.values()) + 1):
            picked = _pick(strategy, {**data, **pool})
        _same(picked, wanted, scores=ROUGH_SCORES.get(strategy.name, 1e-5))


def _AtHome(numbers: int) -> Any:  # noqa: N802 - it makes a class, for torch is optional
    """A context in which no tensor of so many numbers may become a NumPy array or leave a GPU."""
    import torch
    from torch.overrides import TorchFunctionMode

    class AtHome(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, _: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            leaving = (torch.Tensor.numpy, torch.Tensor.__array__, torch.Tensor.tolist)
            assert function not in leaving or args[0].numel() < numbers, "the pool left its device"
            made = function(*args, **(kwargs or {}))
            of_gpu = args and isinstance(args[0], torch.Tensor) and args[0].is_cuda
            if of_gpu and isinstance(made, torch.Tensor) and not made.is_cuda:
                assert made.numel() < numbers, "the pool left its GPU"
            return made

    return AtHome()


STRATEGY_CHECKS: tuple[Check, ...] = (
    check_is_described,
    check_meets_its_definition,
    check_order_of_the_pool_is_nothing,
    check_type_of_the_numbers_is_nothing,
    check_chunks_are_nothing,
    check_seeds_reproduce,
    check_duplicates_are_picked_once,
    check_budget_may_be_the_pool,
    check_dull_pools,
    check_budgets_are_validated,
    check_bad_rows_are_named,
    check_needs_are_true,
    check_lengths_must_agree,
    check_memory_is_bounded,
    check_tensors_are_as_good,
)
