"""Values in text cells: JSON where a cell is JSON, else the text itself; nothing is ambiguous."""

from __future__ import annotations

import json
import math
from typing import Any

from querist.pool.items import encoded


def read_cell(cell: str) -> Any:
    """The value of a cell: 12 is a number, "12" (with its quotes) and 012 are texts."""
    if not cell or (cell[0] not in '[{"-tfn' and not cell[0].isdigit()):
        return cell
    try:
        return json.loads(cell, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return cell


def write_cell(value: Any) -> str:
    """A cell that is read as this value again."""
    if isinstance(value, str) and value and read_cell(value) == value:
        return value
    return encoded(value)


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
