"""Items that wait for a label, as a file to fill in."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from querist.cli.output import Record


def write_todo(path: Path, items: list[Record]) -> None:
    """Items with a column of labels to be filled in or corrected: CSV, or JSON Lines."""
    if path.suffix in (".jsonl", ".ndjson"):
        lines = (json.dumps({"label": None, **one}, ensure_ascii=False) + "\n" for one in items)
        path.write_text("".join(lines), encoding="utf-8")
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        more = [name for name in ("suggested", "quality") if items and name in items[0]]
        columns = ("id", "item", "label", *more)
        rows = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        rows.writeheader()
        rows.writerows(items)
