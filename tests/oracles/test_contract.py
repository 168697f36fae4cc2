"""Every oracle passes the shipped contract."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Reason
from querist.core.atoms import atoms_sample
from querist.core.batch import Batch
from querist.oracles.calculator import CalculatorOracle
from querist.oracles.command import CommandOracle
from querist.oracles.executor import ExecutorOracle
from querist.oracles.function import FunctionOracle
from querist.oracles.pyscf import HartreeFock
from querist.oracles.wrappers import Logged, Validated
from querist.oracles.xtb import xtb
from querist.testing.contexts import lone_context
from querist.testing.oracles import ORACLE_CHECKS, OracleCase

NUMBERS = Batch.stack(x=np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))


def one(*x: float) -> Batch:
    return Batch.stack(x=np.array([x]))


BAD = {
    Reason.RAISED: one(-1.0, 0.0),
    Reason.NOT_FINITE: one(-2.0, 0.0),
    Reason.WRONG_SHAPE: one(-3.0, 0.0),
    Reason.MEMORY: one(-4.0, 0.0),
    Reason.REJECTED: one(100.0, 0.0),
}


def f(x: np.ndarray) -> dict:
    if x[0] == -1.0:
        raise ZeroDivisionError("as asked")
    if x[0] == -4.0:
        raise MemoryError
    value = np.nan if x[0] == -2.0 else (x**2).sum()
    return {"y": np.zeros(7) if x[0] == -3.0 else value}


def small(sample, outputs):
    return "y should be below 1000" if outputs["y"] > 1000 else None


def batched(x: np.ndarray) -> np.ndarray:
    return (x**2).sum(axis=1)


SCRIPT = """
import json, numpy as np
x = np.load("x.npy")
y = {-1.0: None, -2.0: float("nan"), -3.0: [0.0] * 7}.get(x[0], (x**2).sum())
assert y is not None
json.dump({"y": y}, open("output.json", "w"))
"""

COMMAND_BAD = {key: BAD[key] for key in (Reason.NOT_FINITE, Reason.WRONG_SHAPE, Reason.REJECTED)}


def function() -> FunctionOracle:
    return FunctionOracle(f, level="exact", cost=0.5, outputs={"y": ()}, validator=small)


def command() -> CommandOracle:
    return CommandOracle(
        [sys.executable, "run.py"],
        templates={"run.py": SCRIPT},
        files={"x.npy": "npy:x"},
        outputs={"y": ()},
        validator=small,
    )


def threads() -> ExecutorOracle:
    return ExecutorOracle(function(), ThreadPoolExecutor, executor_options={"max_workers": 2})


CASES = [
    OracleCase("function", function, NUMBERS, ["y"], BAD),
    OracleCase(
        "function-batched",
        lambda: FunctionOracle(batched, outputs="y", batched=True),
        NUMBERS,
        ["y"],
    ),
    OracleCase(
        "command", command, NUMBERS, ["y"], COMMAND_BAD | {Reason.EXIT_CODE: BAD[Reason.RAISED]}
    ),
    OracleCase("executor", threads, NUMBERS, ["y"], BAD),
    OracleCase(
        "validated",
        lambda: Validated(FunctionOracle(f), small),
        NUMBERS,
        ["y"],
        {Reason.REJECTED: one(100.0, 0.0)},
    ),
    OracleCase("logged", lambda: Logged(function()), NUMBERS, ["y"], BAD),
]


@pytest.mark.parametrize("check", ORACLE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(check, case: OracleCase, tmp_path: Path) -> None:
    check(case, lone_context(tmp_path))


def water(stretch: float, **more) -> dict:
    positions = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]) * stretch
    return atoms_sample([8, 1, 1], positions, **more).arrays


WATERS = Batch.of([water(1.0), water(1.05)])
TOGETHER = Batch.of([water(0.0)])
MOLECULES = [
    pytest.param(
        OracleCase(
            "emt",
            lambda: CalculatorOracle("ase.calculators.emt:EMT", periodic=False),
            WATERS,
            ["forces", "energy"],
        ),
        marks=pytest.mark.atoms,
        id="calculator",
    ),
    pytest.param(
        OracleCase("xtb", xtb, WATERS, ["forces", "energy"], {Reason.RAISED: TOGETHER}, 1e-10),
        marks=pytest.mark.chem,
        id="xtb",
    ),
    pytest.param(
        OracleCase(
            "hf", lambda: HartreeFock("sto-3g"), WATERS, ["forces", "energy"], tolerance=1e-5
        ),
        marks=pytest.mark.chem,
        id="pyscf",
    ),
]


@pytest.mark.parametrize("check", ORACLE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", MOLECULES)
def test_contract_for_molecules(check, case: OracleCase, tmp_path: Path) -> None:
    pytest.importorskip("ase")
    check(case, lone_context(tmp_path))
