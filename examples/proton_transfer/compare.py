"""Labels needed to 50 meV/A: chosen by the committee, at random, strided, by farthest points.

``python compare.py [--seeds 10] [--output results]`` takes some minutes on one core. For each seed
it computes new GFN2-xTB trajectories, from which all four ways choose; the same committee is fitted
to what each chose, until the force error on independent trajectories (those of ``check.py``) is
below 50 meV/A, and on to half of it. Writes ``compare.json`` and ``compare.png``. Nothing is
asserted: it measures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from check import FULL, Effort, Frames, independent_frames  # noqa: E402
from molecule import NUMBERS, PERMUTATIONS, FloatArray  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from problem import TEMPERATURES, force_field  # noqa: E402
from scipy import stats  # noqa: E402
from surfaces import CommitteeSurface, OracleSurface, Schedule, dynamics, geometries  # noqa: E402

from querist.core.answers import Dataset  # noqa: E402
from querist.core.batch import Batch  # noqa: E402
from querist.core.roles import FitRequest  # noqa: E402
from querist.oracles.xtb import xtb  # noqa: E402

HERE = Path(__file__).resolve().parent
Rows = NDArray[np.int64]

TARGETS = (50.0, 25.0)
"""Mean absolute errors of a force component to reach, in meV/A."""
SIZES = (*range(10, 50, 5), *range(50, 100, 10), 100, 115, 130, 150, 170)
"""Numbers of labels that are fitted."""
TAIL_AT = 60
"""Labels at which the largest errors are compared."""
SLICE = 12
"""Frames of one walker (30 fs) of which only the most uncertain may be chosen at a time, as an
explorer of the library does in each of its slices."""
POOL = Schedule(steps=600, skip=120, stride=5)


@dataclass(frozen=True, slots=True)
class Pool:
    """Labelled frames of trajectories to choose from, walker after walker in time.

    Attributes:
        positions: (k, 9, 3) in Angstrom.
        energies: (k,) in eV.
        forces: (k, 9, 3) in eV/A.
        slices: Which slice of which walker each frame belongs to (k,).
    """

    positions: FloatArray
    energies: FloatArray
    forces: FloatArray
    slices: Rows

    def __len__(self) -> int:
        return len(self.energies)

    def fit(self, rows: Rows, seed: int) -> CommitteeSurface:
        """The campaign's committee, fitted to these rows."""
        inputs = geometries(self.positions[rows])
        outputs = Batch.stack(energy=self.energies[rows], forces=self.forces[rows])
        model = force_field(seed=seed)
        model.load(model.fit(Dataset(inputs, outputs), FitRequest(seed=seed)).state)
        return CommitteeSurface(model)


def make_pool(rng: np.random.Generator) -> Pool:
    """New trajectories on GFN2-xTB at the campaign's temperatures."""
    path = dynamics(OracleSurface(xtb()), TEMPERATURES, POOL, rng)
    frames, walkers = path.energies.shape
    slices = np.arange(frames)[None] // SLICE + np.arange(walkers)[:, None] * frames
    return Pool(
        path.positions.swapaxes(0, 1).reshape(-1, 9, 3),
        path.energies.T.ravel(),
        path.forces.swapaxes(0, 1).reshape(-1, 9, 3),
        slices.ravel().astype(np.int64),
    )


# ------------------------------------------------------------------------------- ways to choose


Choose = Callable[[int, Rows, CommitteeSurface | None], Rows]
"""Wanted number of labels, rows chosen before, the committee fitted to them: rows to fit next."""


def at_random(order: Rows) -> Choose:
    """The first of a random order."""
    return lambda count, _before, _fitted: order[:count]


def strided(size: int) -> Choose:
    """Equally spaced over all trajectories, laid end to end; chosen anew for every number."""
    return lambda count, _before, _fitted: np.linspace(0, size - 1, count).round().astype(np.int64)


def farthest(pool: Pool, first: int) -> Choose:
    """Greedy farthest points in the committee's own descriptor, mirror images taken as equal."""
    order = farthest_order(descriptors(pool.positions), first, SIZES[-1])
    return lambda count, _before, _fitted: order[:count]


def by_committee(pool: Pool, order: Rows) -> Choose:
    """At first at random, then what the committee disagrees on most, one a slice at a time."""

    def choose(count: int, before: Rows, fitted: CommitteeSurface | None) -> Rows:
        if fitted is None:
            return order[:count]
        score = fitted.disagreement(pool.positions)
        score[before] = -np.inf
        ranked = np.argsort(-score)
        _, firsts = np.unique(pool.slices[ranked], return_index=True)
        return np.concatenate([before, ranked[np.sort(firsts)[: count - len(before)]]])

    return choose


def descriptors(positions: FloatArray) -> FloatArray:
    """Inverse distances (k, 2, 36) in 1/A of each geometry and of its mirror relabelling."""
    first, second = np.triu_indices(len(NUMBERS), 1)
    swapped = positions[:, PERMUTATIONS]
    return np.asarray(
        1.0 / np.linalg.norm(swapped[:, :, first] - swapped[:, :, second], axis=-1), np.float64
    )


def farthest_order(described: FloatArray, first: int, count: int) -> Rows:
    """Each next point is the one farthest from all before it (Gonzalez 1985).

    Args:
        described: (k, 2, d), the descriptor under each permutation.
        first: Where to begin.
        count: How many.

    Returns:
        Rows (count,).
    """
    chosen = [first]
    nearest = np.full(len(described), np.inf)
    while len(chosen) < count:
        away = np.linalg.norm(described - described[chosen[-1], :1], axis=-1).min(axis=1)
        nearest = np.minimum(nearest, away)
        chosen.append(int(nearest.argmax()))
    return np.array(chosen, np.int64)


# ---------------------------------------------------------------------------------- one seed


@dataclass(frozen=True, slots=True)
class Curve:
    """Force errors by the number of labels.

    Attributes:
        labels: Numbers of labels.
        errors: Mean absolute error of a component, in meV/A.
        tails: 95th percentile over frames of the error on the worst atom, in meV/A.
    """

    labels: list[int]
    errors: list[float]
    tails: list[float]

    def needed(self, target: float) -> float:
        """Labels at which the error first crosses a target, interpolated in its logarithm.

        NaN where it never does.
        """
        below = [i for i, error in enumerate(self.errors) if error < target]
        if not below:
            return float("nan")
        i = below[0]
        if i == 0:
            return float(self.labels[0])
        left, right = np.log(self.errors[i - 1]), np.log(self.errors[i])
        share = (left - np.log(target)) / (left - right)
        return float(self.labels[i - 1] + share * (self.labels[i] - self.labels[i - 1]))


def learn(pool: Pool, choose: Choose, test: Frames, seed: int) -> Curve:
    """Fit to more and more labels until the last target is reached."""
    curve = Curve([], [], [])
    rows, fitted = np.zeros(0, np.int64), None
    for count in SIZES:
        rows = choose(count, rows, fitted)
        fitted = pool.fit(rows, seed)
        difference = 1000.0 * (fitted(test.positions)[1] - test.forces)
        worst = np.linalg.norm(difference, axis=-1).max(axis=-1)
        curve.labels.append(count)
        curve.errors.append(float(np.abs(difference).mean()))
        curve.tails.append(float(np.quantile(worst, 0.95)))
        if curve.errors[-1] < TARGETS[-1]:
            break
    return curve


def one_seed(seed: int, test: Frames) -> dict[str, Curve]:
    """All four ways on one pool; those that begin at random begin with the same frames."""
    rng = np.random.default_rng([31, seed])
    pool = make_pool(rng)
    order = rng.permutation(len(pool))
    ways = {
        "committee": by_committee(pool, order),
        "random": at_random(order),
        "strided": strided(len(pool)),
        "farthest point": farthest(pool, int(order[0])),
    }
    return {name: learn(pool, choose, test, seed) for name, choose in ways.items()}


# ---------------------------------------------------------------------------------- statistics


def paired(needed: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """What another way needs (or errs) beyond the committee, seed by seed.

    Returns:
        For each other way: mean difference, its 95 % interval (Student's t), and the p value of a
        paired t test after Holm's correction for the number of comparisons.
    """
    base = np.array(needed["committee"])
    found: dict[str, dict[str, float]] = {}
    for name, values in needed.items():
        if name == "committee":
            continue
        difference = np.array(values) - base
        test = stats.ttest_1samp(difference, 0.0)
        low, high = test.confidence_interval(0.95)
        mean = float(difference.mean())
        found[name] = {
            "mean": mean,
            "low": float(low),
            "high": float(high),
            "p": float(test.pvalue),
        }
    return _holm(found)


def _holm(found: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    largest = 0.0
    for rank, name in enumerate(sorted(found, key=lambda key: found[key]["p"])):
        largest = max(largest, min(1.0, (len(found) - rank) * found[name]["p"]))
        found[name]["p_holm"] = largest
    return found


def result(curves: Sequence[dict[str, Curve]], test: Frames, seconds: float) -> dict[str, Any]:
    """What ``compare.json`` holds."""
    return {
        "seeds": len(curves),
        "test_frames": len(test.positions),
        "cpu_seconds": round(seconds, 1),
        "targets": [at_target(curves, target) for target in TARGETS],
        "tail": tails(curves),
        "curves": [
            {
                name: {"labels": c.labels, "force_mae": c.errors, "tail": c.tails}
                for name, c in one.items()
            }
            for one in curves
        ],
    }


def at_target(curves: Sequence[dict[str, Curve]], target: float) -> dict[str, Any]:
    """Labels that each way needed to a target in meV/A, and the paired differences."""
    needed = {name: [one[name].needed(target) for one in curves] for name in curves[0]}
    return {
        "force_mae_meV_per_A": target,
        "labels_needed": needed,
        "mean_labels_needed": {name: float(np.mean(v)) for name, v in needed.items()},
        "needed_beyond_committee": paired(needed),
    }


def tails(curves: Sequence[dict[str, Curve]]) -> dict[str, Any]:
    """The largest errors at an equal number of labels, in meV/A, and the paired differences."""
    values = {
        name: [one[name].tails[one[name].labels.index(TAIL_AT)] for one in curves]
        for name in curves[0]
    }
    return {
        "labels": TAIL_AT,
        "worst_atom_95th_percentile_meV_per_A": values,
        "mean": {name: float(np.mean(v)) for name, v in values.items()},
        "beyond_committee": paired(values),
    }


def draw(found: dict[str, Any], path: Path) -> None:
    """Learning curves of all seeds, and the labels needed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.0), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
    names = list(found["targets"][0]["labels_needed"])
    colours = dict(zip(names, ("#1f6fb4", "#d1720f", "#3a8f5c", "#8a5aa8"), strict=True))
    _curves(left, found, colours)
    _needed(right, found, colours)
    for axes in (left, right):
        axes.grid(color="#dddddd", lw=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def _curves(axes: Any, found: dict[str, Any], colours: dict[str, str]) -> None:
    from matplotlib.ticker import ScalarFormatter

    for name, colour in colours.items():
        curves = [one[name] for one in found["curves"]]
        for curve in curves:
            axes.plot(curve["labels"], curve["force_mae"], color=colour, lw=0.6, alpha=0.4)
        common = min(len(curve["labels"]) for curve in curves)
        mean = np.mean([curve["force_mae"][:common] for curve in curves], axis=0)
        axes.plot(curves[0]["labels"][:common], mean, color=colour, lw=2, label=name)
    for at in found["targets"]:
        axes.axhline(at["force_mae_meV_per_A"], color="#222222", lw=0.8, ls="--")
    axes.set(yscale="log", xlabel="labels", ylabel="force MAE, independent frames / meV Å⁻¹")
    axes.set_yticks([20, 25, 50, 100, 200, 400])
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.legend(frameon=False, title="mean over seeds, by who chooses")


def _needed(axes: Any, found: dict[str, Any], colours: dict[str, str]) -> None:
    for at, mark in zip(found["targets"], "os", strict=True):
        for place, (name, values) in enumerate(at["labels_needed"].items()):
            axes.plot([place] * len(values), values, mark, color=colours[name], ms=4, alpha=0.6)
            mean = float(np.mean(values))
            axes.plot([place - 0.25, place + 0.25], [mean] * 2, color=colours[name], lw=2)
            axes.annotate(f"{mean:.0f}", (place + 0.28, mean), va="center", fontsize=8)
    axes.set_xticks(range(len(colours)), [name.replace(" ", "\n") for name in colours])
    axes.set_ylabel("labels to {:g} (circles), {:g} (squares) meV Å⁻¹".format(*TARGETS))
    axes.set_xlim(-0.5, len(colours) - 0.2)
    axes.set_ylim(bottom=0)


def said(found: dict[str, Any]) -> str:
    """The result in text."""
    lines = []
    for at in found["targets"]:
        target = at["force_mae_meV_per_A"]
        lines.append(f"Labels to {target:g} meV/A, mean over {found['seeds']} seeds:")
        lines += _lines(at["mean_labels_needed"], at["needed_beyond_committee"])
    tail = found["tail"]
    lines.append(f"Error on the worst atom, 95th percentile, at {tail['labels']} labels, meV/A:")
    lines += _lines(tail["mean"], tail["beyond_committee"])
    return "\n".join(lines)


def _lines(means: dict[str, float], beyond: dict[str, dict[str, float]]) -> list[str]:
    lines = []
    for name, mean in means.items():
        line = f"  {name:15s} {mean:6.1f}"
        if name in beyond:
            d = beyond[name]
            line += f"   {d['mean']:+.1f} [{d['low']:+.1f}, {d['high']:+.1f}] beyond the committee"
            line += f", p = {d['p_holm']:.2g} (Holm)"
        lines.append(line)
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--output", type=Path, default=HERE / "results")
    options = parser.parse_args(arguments)
    begin = time.process_time()
    effort: Effort = FULL
    test = independent_frames(OracleSurface(xtb()), "GFN2-xTB", effort)
    curves = []
    for seed in range(options.seeds):
        curves.append(one_seed(seed, test))
        needed = {
            name: [round(curve.needed(target), 1) for target in TARGETS]
            for name, curve in curves[-1].items()
        }
        print(f"seed {seed}: {needed}, {time.process_time() - begin:.0f} CPU s", flush=True)
    found = result(curves, test, time.process_time() - begin)
    options.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1) + "\n"
    (options.output / "compare.json").write_text(text, encoding="utf-8")
    draw(found, options.output / "compare.png")
    print(said(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
