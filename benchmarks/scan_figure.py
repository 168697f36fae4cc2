"""The picture of images a second by size of batch, from the lines of ``scan.py --case batch-size``.

python benchmarks/scan_figure.py LINES.jsonl PICTURE.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

NAMES = {"local": "local files", "s3": "S3, 50 ms", "http": "HTTP, 50 ms"}


def main(lines: Path, picture: Path) -> None:
    """Draw one line a source: by CPU time, and by wall time."""
    told = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    points = [one for one in told if one["case"] == "batch-size"]
    figure, both = plt.subplots(1, 2, figsize=(9.0, 3.8), dpi=120)
    for axes, value, name in zip(both, ("ours_cpu", "ours"), ("CPU", "wall"), strict=True):
        _draw(axes, points, value)
        axes.set_ylabel(f"images a second of {name} time")
    both[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(picture)


def _draw(axes: Any, points: list[dict[str, Any]], value: str) -> None:
    for source, name in NAMES.items():
        chosen = [one for one in points if one["source"] == source]
        axes.plot([one["batch"] for one in chosen], [o[value] for o in chosen], "o-", label=name)
    axes.set_xscale("log", base=2)
    sizes = sorted({one["batch"] for one in points})
    axes.set_xticks(sizes, [str(size) for size in sizes], fontsize="small")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("images in a batch")
    axes.grid(visible=True, alpha=0.25)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
