"""Pictures of the learning curves: means over seeds, and differences from random with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from learning_curves_tables import LOWER_IS_BETTER

SHOWN = (
    "random", "margin", "entropy", "bald", "badge", "dbal", "k-center", "typiclust",
    "lcmd", "igs", "bait", "qbc-variance", "thompson", "log-ei",
)  # fmt: skip
BEFORE = {"better": "#1f6fb4", "worse": "#c0392b", "no difference": "#999999"}
CURVES = {
    "classes": ("digits", "breast-cancer", "cifar-patches", "cifar-network", "cifar-pixels"),
    "rare": ("cifar-long-tail", "cifar-long-tail:", "cifar-unseen-class", "cifar-unseen-class:"),
    "numbers": ("diabetes", "friedman1", "friedman2", "friedman3"),
}

# Second panels of a problem.
MORE = {"cifar-long-tail:": "recall_rare", "cifar-unseen-class:": "recall_unseen"}


def draw(summary: Mapping[str, Any], folder: Path) -> None:
    """Small PNG files: curves by group of problems, all differences, ALaaS's figure 5."""
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    measures = summary["measures"] | MORE
    for name, group in CURVES.items():
        there = [one for one in group if f"{one.split(':')[0]}/random" in summary["curves"]]
        panels = [(one.split(":")[0], measures[one]) for one in there]
        if panels:
            _curves(summary, panels, folder / f"label-efficiency-{name}.png")
    if "cifar-budget/random" in summary["curves"]:
        panels = [("cifar-budget", "accuracy"), ("cifar-budget", "top5")]
        _curves(summary, panels, folder / "label-efficiency-budget.png")
    _differences(summary["against_random"], folder / "label-efficiency-differences.png")


def _curves(summary: Mapping[str, Any], panels: Sequence[tuple[str, str]], file: Path) -> None:
    import matplotlib.pyplot as plt

    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.0 * columns, 3.0 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, (problem, measure) in zip(axes.flat, panels, strict=False):
        _panel(axis, summary["curves"], problem, measure)
    handles = {
        label: line
        for axis in axes.flat
        for line, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=6, fontsize=8)
    figure.savefig(file, dpi=90)
    plt.close(figure)


def _panel(axis: Any, curves: Mapping[str, Any], problem: str, measure: str) -> None:
    for place, name in enumerate(SHOWN):
        one = curves.get(f"{problem}/{name}")
        if one:
            style: dict[str, Any] = {"color": f"C{place % 10}", "lw": 1.2}
            style["ls"] = "-" if place < 10 else "--"
            if name == "random":
                style = {"color": "black", "lw": 2.2}
            axis.plot(one["labels"], one["measures"][measure], label=name, **style)
    bound = curves.get(f"{problem}/all")
    if bound:
        axis.axhline(bound["measures"][measure][0], color="grey", ls=":", label="all labels")
    axis.set_title(f"{problem}", fontsize=9)
    axis.set_xlabel("labels", fontsize=8)
    axis.set_ylabel(measure.replace("_", " "), fontsize=8)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.3)


def _differences(lines: Sequence[Mapping[str, Any]], file: Path) -> None:
    """A panel a problem: difference of each strategy from random; to the right is better."""
    import matplotlib.pyplot as plt

    by: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        by.setdefault(line["case"].split("/")[0], []).append(line)
    columns = min(4, len(by))
    rows = -(-len(by) // columns)
    most = max(len(some) for some in by.values())
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(3.4 * columns, (0.13 * most + 0.8) * rows),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat[len(by) :]:
        axis.set_visible(False)
    for axis, (problem, some) in zip(axes.flat, by.items(), strict=False):
        sign = -1.0 if some[0]["measure"] in LOWER_IS_BETTER else 1.0
        for place, line in enumerate(sorted(some, key=lambda one: sign * one["difference"])):
            low, high = sorted((sign * line["low"], sign * line["high"]))
            axis.plot([low, high], [place, place], color=BEFORE[line["verdict"]], lw=1.5)
            axis.plot(sign * line["difference"], place, "o", ms=3, color=BEFORE[line["verdict"]])
            axis.text(1.02, place, line["case"].split("/")[1][:28], fontsize=6, va="center",
                      transform=axis.get_yaxis_transform())  # fmt: skip
        axis.axvline(0.0, color="black", lw=0.8)
        axis.set_title(f"{problem}, {some[0]['measure'].replace('_', ' ')}", fontsize=8)
        axis.set_yticks([])
        axis.tick_params(labelsize=6)
    figure.savefig(file, dpi=90)
    plt.close(figure)
