"""From curves to verdicts: areas, paired differences, Wilcoxon's test, Holm's correction."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from learning_curves_problems import Problem
from numpy.typing import NDArray
from scipy import stats

Record = Mapping[str, Any]
Vector = NDArray[np.float64]
LEVEL = 0.05
LOWER_IS_BETTER = {"rmse", "regret"}
NUMBERS = {str(one) for one in range(10)}


def area(values: Sequence[float]) -> float:
    """Mean of what was measured after each round; the start, which is common to all, is left out.

    Rounds are equally far apart, so this is the area under the curve over its width.
    """
    return float(np.mean(values[1:] or values))


def holm(chances: Sequence[float]) -> list[float]:
    """Holm 1979: p-values times how many are not smaller, made monotone."""
    order = np.argsort(chances)
    left = len(order) - np.arange(len(order))
    raised = np.minimum(1.0, np.maximum.accumulate(np.asarray(chances)[order] * left))
    back = np.empty(len(order))
    back[order] = raised
    return [float(one) for one in back]


def paired(first: Vector, second: Vector) -> dict[str, float]:
    """Mean difference, its 95 % interval by Student's t, and Wilcoxon's signed rank test."""
    apart = first - second
    half = 0.0
    if len(apart) > 1:
        half = float(stats.t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / len(apart) ** 0.5)
    rounded = np.round(apart, 9)  # what differs by rounding only is equal
    p = float(stats.wilcoxon(rounded).pvalue) if rounded.any() else 1.0
    mean = float(apart.mean())
    return {"difference": mean, "low": mean - half, "high": mean + half, "p": p}


def verdict(line: Record, lower: bool) -> str:
    """Better, worse, or no difference, at 5 % after correction."""
    if line["p_holm"] >= LEVEL:
        return "no difference"
    return "better" if (line["difference"] < 0.0) == lower else "worse"


class Curves:
    """Records by problem, strategy and chooser, then by seed."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.by: dict[tuple[str, str, str], dict[int, Record]] = defaultdict(dict)
        for one in records:
            if "failed" not in one:
                self.by[one["problem"], one["strategy"], one["chooser"]][one["seed"]] = one

    def both(self, one: tuple[str, str, str], two: tuple[str, str, str]) -> list[int]:
        """Seeds that both have."""
        return sorted(set(self.by[one]) & set(self.by[two]))

    def areas(self, one: tuple[str, str, str], seeds: Sequence[int], measure: str) -> Vector:
        """``(seeds,)``."""
        return np.array([area(self.by[one][seed]["measures"][measure]) for seed in seeds])

    def mean(self, one: tuple[str, str, str]) -> dict[str, list[float]]:
        """Mean curve over seeds, of every measure."""
        found = list(self.by[one].values())
        return {
            name: np.mean([each["measures"][name] for each in found], axis=0).round(4).tolist()
            for name in found[0]["measures"]
            if name.removeprefix("recall_") not in NUMBERS  # by class: in the records
        }

    def seconds(self, one: tuple[str, str, str]) -> float:
        """CPU seconds of all selections of a curve, the mean over seeds."""
        return float(np.mean([each["select_cpu_s"] for each in self.by[one].values()]))


def _compared(
    curves: Curves, one: tuple[str, str, str], two: tuple[str, str, str], measure: str
) -> dict[str, Any]:
    seeds = curves.both(one, two)
    mine, other = (curves.areas(key, seeds, measure) for key in (one, two))
    return {
        "ours": mine.mean(),
        "peer": other.mean(),
        "limit": None,
        "ratio": mine.mean() / other.mean() if other.mean() else None,
        "measure": measure,
        "seeds": len(seeds),
        **paired(mine, other),
    }


def _corrected(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for line, raised in zip(lines, holm([line["p"] for line in lines]), strict=True):
        line["p_holm"] = raised
    return lines


def against_random(curves: Curves, known: Mapping[str, Problem], source: str) -> list[Any]:
    """A line for each problem and strategy; one correction over all of them."""
    lines = []
    for problem, name, chooser in curves.by:
        if chooser != "ours" or name in ("random", "all") or problem not in known:
            continue
        base, measure = (problem, "random", "ours"), known[problem].measure
        if len(curves.both((problem, name, chooser), base)) < 2:
            continue
        found = _compared(curves, (problem, name, chooser), base, measure)
        data = source if problem.startswith("cifar") else "bundled with scikit-learn"
        lines.append({"case": f"{problem}/{name}", "peer_name": "random", **found, "data": data})
    for line in _corrected(lines):
        line["verdict"] = verdict(line, line["measure"] in LOWER_IS_BETTER)
    return lines


def against_peers(curves: Curves, known: Mapping[str, Problem]) -> list[Any]:
    """A line for each strategy that a peer has as well; a correction of their own."""
    lines = []
    for problem, name, chooser in curves.by:
        mine, other = (problem, name, "ours"), (problem, name, chooser)
        if chooser == "ours" or problem not in known or len(curves.both(mine, other)) < 2:
            continue
        found = _compared(curves, mine, other, known[problem].measure)
        shared = [
            len({*curves.by[mine][seed]["first_picks"]} & {*curves.by[other][seed]["first_picks"]})
            / len(curves.by[mine][seed]["first_picks"])
            for seed in curves.both(mine, other)
        ]
        found["first_picks_shared"] = float(np.mean(shared))
        found["cpu_s"], found["peer_cpu_s"] = curves.seconds(mine), curves.seconds(other)
        lines.append({"case": f"{problem}/{name}", "peer_name": chooser, **found})
    for line in _corrected(lines):
        agrees = line["p_holm"] >= LEVEL
        line["verdict"] = "agrees" if agrees else "differs"
    return lines


def summary(records: Sequence[Record], known: Mapping[str, Problem], source: str) -> dict[str, Any]:
    """All that the documentation needs."""
    curves = Curves(records)
    found = {
        f"{problem}/{name}": {
            "labels": next(iter(each.values()))["labels"],
            "seeds": len(each),
            "cpu_s": round(curves.seconds((problem, name, chooser)), 4),
            "measures": curves.mean((problem, name, chooser)),
        }
        for (problem, name, chooser), each in list(curves.by.items())
        if chooser == "ours"
    }
    failed = {
        (one["problem"], one["strategy"], one["chooser"]): one["failed"]
        for one in records
        if "failed" in one
    }
    return {
        "against_random": against_random(curves, known, source),
        "against_peers": against_peers(curves, known),
        "curves": found,
        "measures": {name: one.measure for name, one in known.items()},
        "failed": [
            {"case": "/".join(case[:2]), "chooser": case[2], "failed": why}
            for case, why in failed.items()
        ],
    }


def written(found: Mapping[str, Any]) -> str:
    """JSON with a line for each comparison and curve, numbers of five digits."""
    parts = []
    for name, value in found.items():
        if isinstance(value, list):
            rows = ",\n  ".join(json.dumps(_short(one)) for one in value)
            parts.append(f'"{name}": [\n  {rows}\n ]')
        else:
            rows = ",\n  ".join(
                f"{json.dumps(each)}: {json.dumps(_short(one))}" for each, one in value.items()
            )
            parts.append(f'"{name}": {{\n  {rows}\n }}')
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {name: _short(one) for name, one in value.items()}
    return [_short(one) for one in value] if isinstance(value, list) else value
