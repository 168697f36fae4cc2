"""The picture of images a second by size of batch, from the lines of ``scan.py --case batch-size``.

python benchmarks/scan_figure.py LINES.jsonl PICTURE.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

NAMES = {"local": "local files", "s3": "S3, 50 ms", "http": "HTTP, 50 ms"}


def main(lines: Path, picture: Path) -> None:
    """Draw one line a source."""
    told = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    points = [one for one in told if one["case"] == "batch-size"]
    figure, axes = plt.subplots(figsize=(6.4, 4.0), dpi=130)
    for source, name in NAMES.items():
        chosen = [one for one in points if one["source"] == source]
        if chosen:
            axes.plot(
                [one["batch"] for one in chosen], [one["ours"] for one in chosen], "o-", label=name
            )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    sizes = sorted({one["batch"] for one in points})
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xlabel("images in a batch")
    axes.set_ylabel("images a second, end to end")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
