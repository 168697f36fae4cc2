"""Checks against known answers: rows of what was wanted and got, in text, file and exit code.

For the ``check.py`` of an example or of a study of one's own::

    rows = [near("lattice constant", 4.05, found, 0.002, unit="Å", share=True), below(...)]
    save(folder, rows, {"seconds": seconds})
    sys.exit(finish(rows))
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was checked.

    Attributes:
        quantity: What, with its unit.
        wanted: In words or as a number with its margin.
        got: Likewise.
        holds: Whether what was got is as wanted.
    """

    quantity: str
    wanted: str
    got: str
    holds: bool


def below(quantity: str, limit: float, value: float, unit: str = "", digits: int = 3) -> Row:
    """A row that wants a value below a limit; NaN is not.

    Args:
        quantity: What.
        limit: The value has to be less than this.
        value: What was found.
        unit: Of both; written behind the quantity.
        digits: Significant digits of the value as shown.
    """
    return Row(_with_unit(quantity, unit), f"< {limit:g}", _shown(value, digits), value < limit)


def above(quantity: str, limit: float, value: float, unit: str = "", digits: int = 3) -> Row:
    """A row that wants a value above a limit; NaN is not. Arguments as of :func:`below`."""
    return Row(_with_unit(quantity, unit), f"> {limit:g}", _shown(value, digits), value > limit)


def near(
    quantity: str,
    wanted: float,
    got: float,
    within: float,
    unit: str = "",
    *,
    share: bool = False,
) -> Row:
    """A row that wants a value near another; NaN is not.

    Args:
        quantity: What.
        wanted: The known answer.
        got: What was found.
        within: How far it may be off: less than this.
        unit: Of all; written behind the quantity.
        share: Whether ``within`` is a share of what was wanted.
    """
    margin, told = f"{within:g}", _shown(got)
    away = abs(got - wanted)
    if share:
        away = abs(got / wanted - 1)
        margin, told = f"{100 * within:g} %", f"{told} ({100 * (got / wanted - 1):+.2f} %)"
    name = _with_unit(quantity, unit)
    return Row(name, f"{_shown(wanted)} ± {margin}", told, bool(away < within))


def _with_unit(quantity: str, unit: str) -> str:
    return f"{quantity}, {unit}" if unit else quantity


def _shown(value: float, digits: int = 4) -> str:
    return f"{float(value):.{digits}g}"


def table(rows: Iterable[Row]) -> str:
    """The rows as text, in columns."""
    cells = [("quantity", "wanted", "got", "")]
    cells += [(row.quantity, row.wanted, row.got, "ok" if row.holds else "FAILED") for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(4)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def sentence(rows: Sequence[Row]) -> str:
    """How it ended, in a sentence that names what does not hold."""
    failed = [row for row in rows if not row.holds]
    if not failed:
        return f"All {len(rows)} checks hold."
    said = "; ".join(f"{r.quantity.strip()}: wanted {r.wanted}, got {r.got}" for r in failed)
    return f"{len(failed)} of {len(rows)} checks failed: {said}."


def finish(rows: Sequence[Row], *, tabled: bool = False) -> int:
    """Print the rows and how it ended; returns the exit code: 0, or 1 where a row does not hold.

    Args:
        rows: What was checked.
        tabled: Whether they have been printed already, so that the sentence alone is.

    Raises:
        ValueError: If there are no rows: nothing was checked, which is no success.
    """
    if not rows:
        raise ValueError("no rows: nothing was checked")
    text = sentence(rows) if tabled else f"{table(rows)}\n{sentence(rows)}"
    sys.stdout.write(text + "\n")
    return 0 if all(row.holds for row in rows) else 1


def save(folder: Path, rows: Sequence[Row], facts: Mapping[str, Any]) -> None:
    """Write ``check.json`` into a folder: whether all holds, the rows, and further facts.

    Args:
        folder: Of the run; must exist.
        rows: What was checked.
        facts: What JSON can hold; NumPy's numbers become floats.
    """
    told = [{**asdict(row), "holds": bool(row.holds)} for row in rows]
    record = {"ok": all(row.holds for row in rows), "rows": told, **facts}
    text = json.dumps(record, indent=2, ensure_ascii=False, default=float) + "\n"
    (folder / "check.json").write_text(text, encoding="utf-8")


def new_folder(parent: Path, name: str) -> Path:
    """The first of ``name-1``, ``name-2`` ... that does not exist."""
    number = 1
    while (folder := parent / f"{name}-{number}").exists():
        number += 1
    return folder
