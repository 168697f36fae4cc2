"""The rows of a check: what holds, what does not, and what is written of it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from querist.testing.checks import (
    Row,
    above,
    below,
    finish,
    near,
    new_folder,
    save,
    sentence,
    table,
)

GOOD, BAD = Row("a", "1", "1", True), Row("  longer", "< 2", "3", False)


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        (below("x", 2, 1.0), True),
        (below("x", 2, 2.0), False),
        (below("x", 2, math.nan), False),
        (above("x", 2, 3.0), True),
        (above("x", 2, math.nan), False),
        (near("x", 4.0, 4.1, 0.2), True),
        (near("x", 4.0, 4.1, 0.02), False),
        (near("x", -4.0, -4.1, 0.03, share=True), True),
        (near("x", 4.0, 4.1, 0.02, share=True), False),
        (near("x", 4.0, math.nan, 0.2), False),
    ],
)
def test_a_row_holds_inside_its_limit_alone(row: Row, holds: bool) -> None:
    assert row.holds == holds


def test_numbers_are_told_with_their_unit_and_margin() -> None:
    assert below("energy", 0.5, 0.12345, "eV") == Row("energy, eV", "< 0.5", "0.123", True)
    row = near("C11", 100.0, 101.0, 0.05, "GPa", share=True)
    assert row == Row("C11, GPa", "100 ± 5 %", "101 (+1.00 %)", True)


def test_a_table_has_columns_and_names_what_failed() -> None:
    lines = table([GOOD, BAD]).splitlines()
    assert len({line.index(cell) for line, cell in zip(lines[2:], ("1", "< 2"), strict=True)}) == 1
    assert lines[2].rstrip().endswith("ok")
    assert lines[3].rstrip().endswith("FAILED")


def test_the_exit_code_says_whether_all_hold(capsys) -> None:
    assert finish([GOOD]) == 0
    assert "All 1 checks hold." in capsys.readouterr().out
    assert finish([GOOD, BAD], tabled=True) == 1
    assert capsys.readouterr().out == "1 of 2 checks failed: longer: wanted < 2, got 3.\n"
    assert sentence([BAD]).startswith("1 of 1")
    with pytest.raises(ValueError, match="nothing was checked"):
        finish([])


def test_what_is_saved_is_plain_json(tmp_path) -> None:
    row = below("x", np.float64(1.0), np.float64(2.0))
    save(tmp_path, [GOOD, row], {"seconds": np.float32(1.5)})
    read = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))
    assert (read["ok"], read["seconds"]) == (False, 1.5)
    assert read["rows"][1] == {"quantity": "x", "wanted": "< 1", "got": "2", "holds": False}


def test_a_new_folder_is_one_that_does_not_exist(tmp_path) -> None:
    (tmp_path / "run-1").mkdir()
    assert new_folder(tmp_path, "run") == tmp_path / "run-2"
