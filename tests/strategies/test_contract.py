"""Every strategy of the registry passes the shipped contract."""

from __future__ import annotations

import pytest

from querist.strategies import registry
from querist.testing.strategies import STRATEGY_CHECKS, check_tensors_are_as_good

STRATEGIES = registry.strategies()
CHECKS = [check for check in STRATEGY_CHECKS if check is not check_tensors_are_as_good]
# Pools of 20,000 rows, or definitions that are slow by themselves.
LONG = {
    *((strategy.name, "check_memory_is_bounded") for strategy in STRATEGIES),
    ("probcover", "check_meets_its_definition"),
    ("typiclust", "check_meets_its_definition"),
}
PATIENT = [pytest.mark.slow, pytest.mark.timeout(600)]
CASES = [
    pytest.param(
        check,
        strategy,
        id=f"{strategy.name}-{check.__name__}",
        marks=PATIENT if (strategy.name, check.__name__) in LONG else [],
    )
    for strategy in STRATEGIES
    for check in CHECKS
]


def test_long_cases_exist() -> None:
    assert {(s.name, c.__name__) for s in STRATEGIES for c in CHECKS} >= LONG


@pytest.mark.parametrize("check, strategy", CASES)
def test_contract(check, strategy) -> None:
    if "model" in strategy.needs:
        pytest.importorskip("torch")
    if strategy.name == "qlogei":
        pytest.importorskip("botorch")
    check(strategy)


@pytest.mark.torch
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: one.name)
def test_tensors(strategy) -> None:
    pytest.importorskip("botorch" if strategy.name == "qlogei" else "torch")
    check_tensors_are_as_good(strategy)
