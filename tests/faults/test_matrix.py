"""Cells of ``benchmarks/faults.py``, which has the whole matrix: no hang, and no label lost."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "faults.py"
CELLS = {
    "processes/controller-killed": "(resumed) finished: 24 labels",
    "mpi/oracle-hangs": "exceeded its time limit of 2 s",
    "mpi/explorer-killed": "exited on signal 9",
    "mpi/job-sigusr1": "stopped: stopped by SIGUSR1",
    "mpi/generator-always-raises": "failed: all explorers failed, the last one: RuntimeError",
    "mpi/disk-full": "There is no space left",
    "mpi+ulfm/trainer-killed": "was lost with MPI rank",
    "mpi+ulfm/controller-killed": "(resumed) finished: 24 labels",
}
GOES_ON = {"mpi/oracle-hangs", "mpi+ulfm/trainer-killed"}


@pytest.fixture(scope="module")
def faults() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_of_faults", FILE)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # its dataclasses look there
    spec.loader.exec_module(made)
    return made


@pytest.mark.kill
@pytest.mark.mpi
@pytest.mark.slow
@pytest.mark.parametrize("case", CELLS)
def test_nothing_hangs_and_no_label_is_lost(faults: ModuleType, tmp_path: Path, case: str) -> None:
    engine, fault = case.split("/")
    if not faults.has_engine(engine):
        pytest.skip(f"there is no {engine}")
    with closing(faults.Cell(engine, fault, tmp_path, labels=24)) as cell:
        found = cell.measure()
    assert not found["hung"], found
    assert (found["lost"], found["twice"]) == (0, 0), found
    assert found["finished"], found
    assert found["ended"] is (case not in GOES_ON), found
    assert CELLS[case] in found["what"], found


def test_every_cell_has_a_name_and_all_faults_stand_in_the_table(faults: ModuleType) -> None:
    every = list(faults.cells(["*"], lambda engine: True))
    assert len(every) == len(set(every)) >= 3 * 14
    assert all(tuple(case.split("/")) in every for case in (*faults.QUICK, *CELLS))
    lines = [
        {
            "case": f"{engine}/{fault}",
            "ours": 1.0,
            "what": "a | b",
            "ended": True,
            "hung": fault == "oracle-hangs",
            "lost": 0,
            "finished": True,
        }
        for engine, fault in every
    ]
    rows = faults.table(lines).splitlines()
    assert len(rows) == 2 + len(faults.FAULTS)
    assert all(row.replace("\\|", "").count("|") == 6 for row in rows)
    assert "**hangs**" in next(row for row in rows if row.startswith("| oracle-hangs"))


@pytest.mark.parametrize(
    "said, words",
    [
        ("a\nquerist: too few\nprterun detected", "querist: too few"),
        ("the campaign cannot be used:\n  - oracle: no", "oracle: no"),
        (
            "--------\nprterun: rank 1 exited on signal 9\n-----",
            "prterun: rank 1 exited on signal 9",
        ),
        ("", ""),
    ],
)
def test_last_words(faults: ModuleType, said: str, words: str) -> None:
    assert faults.last_words(said) == words
