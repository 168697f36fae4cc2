"""Items that wait for a label, as a file to fill in."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from querist.cli.output import Record


def write_todo(path: Path, items: list[Record]) -> None:
    """Items with a column of labels to be filled in: CSV, or JSON Lines."""
    if path.suffix in (".jsonl", ".ndjson"):
        lines = (json.dumps({**one, "label": None}, ensure_ascii=False) + "\n" for one in items)
        path.write_text("".join(lines), encoding="utf-8")
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "item", "label"))
        rows.writerows((one["id"], one["item"], "") for one in items)
