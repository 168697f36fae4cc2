"""Every strategy of the registry passes the shipped contract."""

from __future__ import annotations

import pytest

from querist.strategies import registry
from querist.testing.strategies import STRATEGY_CHECKS, check_tensors_are_as_good

STRATEGIES = registry.strategies()
CHECKS = [check for check in STRATEGY_CHECKS if check is not check_tensors_are_as_good]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: one.name)
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
