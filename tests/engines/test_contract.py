"""Every engine keeps the contract."""

from __future__ import annotations

import pytest

from querist.core.roles import Engine
from querist.engines.durations import Uniform
from querist.engines.inline import Inline
from querist.engines.processes import Processes
from querist.engines.simulated import Kind, Simulated
from querist.testing.engines import ENGINE_CHECKS, EngineCase


def inline(start_at: float) -> Engine:
    return Inline(start_at=start_at)


def processes(start_at: float) -> Engine:
    return Processes(start_at=start_at)


def simulated(start_at: float) -> Engine:
    return Simulated({"*": Kind(Uniform(0.001, 0.1))}, start_at=start_at)


CASES = (
    EngineCase("inline", inline),
    EngineCase("processes", processes),
    EngineCase("simulated", simulated, virtual=True),
)


@pytest.mark.parametrize("check", ENGINE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(check, case: EngineCase) -> None:
    check(case)
