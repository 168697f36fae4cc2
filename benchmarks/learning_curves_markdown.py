"""Tables of the documentation, from a summary that ``learning_curves.py --summary`` wrote.

python benchmarks/learning_curves_markdown.py SUMMARY.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from learning_curves_tables import LEVEL, LOWER_IS_BETTER

GROUPS = {
    "Classification": (
        "digits", "wine", "breast-cancer", "cifar-patches", "cifar-network", "cifar-pixels",
        "cifar-long-tail", "cifar-unseen-class",
    ),
    "Regression": ("diabetes", "friedman1", "friedman2", "friedman3"),
    "Search": ("friedman1-maximum", "friedman2-maximum"),
    "ALaaS": ("cifar-budget", "cifar-one-round"),
}  # fmt: skip
Summary = Mapping[str, Any]


def row(cells: Sequence[str]) -> str:
    """Of a table."""
    return f"| {' | '.join(cells)} |"


def head(cells: Sequence[str]) -> list[str]:
    """The first two lines of a table."""
    return [row(cells), row(["---"] * len(cells))]


def cell(line: Mapping[str, Any] | None) -> str:
    """Gain over random in hundredths, half the interval; bold after correction, hollow before."""
    if line is None:
        return ""
    sign = -1.0 if line["measure"] in LOWER_IS_BETTER else 1.0
    gain = 100.0 * sign * line["difference"]
    half = 50.0 * (line["high"] - line["low"])
    text = f"{gain:+.1f} ± {half:.1f}"
    marks = {"better": f"**{text}** ▲", "worse": f"**{text}** ▼"}
    hint = "" if line["p"] >= LEVEL else " △" if gain > 0.0 else " ▽"
    return marks.get(line["verdict"], text + hint)


def against_random(summary: Summary, problems: Sequence[str]) -> Iterator[str]:
    """A row a strategy, a column a problem; the best mean first."""
    lines = {line["case"]: line for line in summary["against_random"]}
    there = [one for one in problems if f"{one}/random" in summary["curves"]]
    names = {case.split("/")[1] for case in lines if case.split("/")[0] in there}

    def mean(name: str) -> float:
        found = [lines[f"{one}/{name}"] for one in there if f"{one}/{name}" in lines]
        signs = [-1.0 if one["measure"] in LOWER_IS_BETTER else 1.0 for one in found]
        pairs = zip(signs, found, strict=True)
        return sum(sign * one["difference"] for sign, one in pairs) / len(found)

    yield from head(["strategy", *there])
    yield row(["random itself", *(_mean_area(summary, one) for one in there)])
    for name in sorted(names, key=mean, reverse=True):
        yield row([name, *(cell(lines.get(f"{one}/{name}")) for one in there)])


def _mean_area(summary: Summary, problem: str) -> str:
    values = summary["curves"][f"{problem}/random"]["measures"][summary["measures"][problem]]
    rest = values[1:]
    return f"{100.0 * sum(rest) / len(rest):.1f}"


def against_peers(summary: Summary) -> Iterator[str]:
    """A row for each strategy, problem and peer."""
    yield from head(
        ["strategy", "peer", "problem", "ours less peer", "p (Holm)", "first picks shared", ""]
    )
    for line in sorted(summary["against_peers"], key=lambda one: one["case"].split("/")[1]):
        problem, name = line["case"].split("/")
        half = 50.0 * (line["high"] - line["low"])
        identical = line["difference"] == 0.0 and half == 0.0
        apart = "identical" if identical else f"{100.0 * line['difference']:+.2f} ± {half:.2f}"
        shared = f"{100.0 * line['first_picks_shared']:.0f} %"
        yield row([name, line["peer_name"], problem, apart, f"{line['p_holm']:.2g}", shared,
                   line["verdict"]])  # fmt: skip


def verdicts(summary: Summary) -> Iterator[str]:
    """How often each strategy was better, no different and worse."""
    counts: dict[str, dict[str, list[str]]] = {}
    for line in summary["against_random"]:
        problem, name = line["case"].split("/")
        counts.setdefault(name, {}).setdefault(line["verdict"], []).append(problem)
    yield from head(["strategy", "better", "no difference", "worse", "worse on"])
    found = {
        name: [len(each.get(one, [])) for one in ("better", "no difference", "worse")]
        for name, each in counts.items()
    }
    for name in sorted(found, key=lambda one: (found[one][2] - found[one][0], one)):
        numbers = [str(one) for one in found[name]]
        yield row([name, *numbers, ", ".join(counts[name].get("worse", []))])


def last(summary: Summary, problem: str, measures: Sequence[str], place: int = -1) -> Iterator[str]:
    """Measures of all strategies after a round, the last by default."""
    yield from head(["strategy", *(one.replace("_", " ") for one in measures), "CPU s"])
    curves = of_problem(summary, problem)
    order = sorted(curves, key=lambda one: curves[one]["measures"][measures[0]][-1], reverse=True)
    for name in order:
        values = curves[name]["measures"]
        spent = "" if name == "all" else f"{curves[name]['cpu_s']:.3g}"
        at = -1 if name == "all" else place
        yield row([name, *(f"{100.0 * values[one][at]:.1f}" for one in measures), spent])


def of_problem(summary: Summary, problem: str) -> dict[str, Any]:
    """Curves of one problem, by strategy; none where it was not run."""
    return {
        case.split("/")[1]: one
        for case, one in summary["curves"].items()
        if case.startswith(f"{problem}/")
    }


def budgets(summary: Summary, measure: str) -> Iterator[str]:
    """ALaaS's figure 5: a measure by the number of labels."""
    curves = of_problem(summary, "cifar-budget")
    labels = curves["random"]["labels"] if curves else []
    yield from head([measure, *map(str, labels)])
    for name, one in curves.items():
        values = one["measures"][measure]
        shown = values if name != "all" else values * len(labels)
        yield row([name, *(f"{100.0 * value:.1f}" for value in shown)])


def main() -> None:
    """Print all tables."""
    summary = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    ranks = [f"recall_rank_{place}" for place in range(10)]
    parts = {
        "Verdicts": verdicts(summary),
        **{name: against_random(summary, group) for name, group in GROUPS.items()},
        "Peers": against_peers(summary),
        "Long tail": last(summary, "cifar-long-tail", ["macro_f1", "accuracy", *ranks]),
        "Unseen class": last(
            summary, "cifar-unseen-class", ["macro_f1", "accuracy", "recall_unseen", "found"]
        ),
        "Found after one round": last(
            summary, "cifar-unseen-class", ["macro_f1", "recall_unseen", "found"], 1
        ),
        "One round": last(summary, "cifar-one-round", ["accuracy", "top5"]),
        "Budget, accuracy": budgets(summary, "accuracy"),
        "Budget, top 5": budgets(summary, "top5"),
    }
    for name, lines in parts.items():
        print(f"\n## {name}\n")
        print("\n".join(lines))


if __name__ == "__main__":
    main()
