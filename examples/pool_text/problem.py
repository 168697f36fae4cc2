"""Real texts that every Python has: docstrings of the standard library, and the part each is of."""

import ast
import csv
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

PARTS = (
    *("asyncio", "email", "importlib", "logging"),
    *("multiprocessing", "tkinter", "unittest", "xml"),
)
FEWEST_WORDS = 6


def docstrings(part: str) -> Iterator[str]:
    """Docstrings of functions and classes in a package, by reading its source; nothing is run."""
    folder = Path(sysconfig.get_path("stdlib")) / part
    for path in sorted(folder.rglob("*.py")):
        if {"test", "tests"} & set(path.relative_to(folder).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                text = " ".join((ast.get_docstring(node) or "").split())
                if len(text.split()) >= FEWEST_WORDS:
                    yield text


def write_texts(items: Path, labels: Path) -> dict[str, str]:
    """Write the texts without their parts, and the labels apart; returns id -> part."""
    found = {text: part for part in PARTS for text in docstrings(part)}  # copies count once
    truth = {f"d{n:04d}": part for n, part in enumerate(found.values())}
    for path, head, values in ((items, "text", found), (labels, "label", truth.values())):
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("id", head))
            rows.writerows(zip(truth, values, strict=True))
    return truth


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(f"{len(write_texts(folder / 'texts.csv', folder / 'labels.csv'))} docstrings")
