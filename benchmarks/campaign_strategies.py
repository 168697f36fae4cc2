"""Strategies in whole campaigns: ``auto`` against single ones, and how true the hold-out is.

    python benchmarks/campaign_strategies.py [--quick] [--case NAME ...] [--seeds N] [--processes 1]

Every run is a campaign of the library, journal and all, on the engine ``inline``: a pool of
handwritten digits (scikit-learn), drawn by the seed, an oracle that knows them, and logistic
regression.

- ``choice``: ``auto`` and ``albl`` among six strategies, and each of the six alone; 20 labels at
  the start, rounds, a hold-out of a tenth of the labels that all pay for. What is measured is each
  model that was published, on digits outside the pool.
- ``holdout``: the error on the campaign's own hold-out against that on digits outside the pool, for
  hold-outs that are set aside before anything is chosen, and drawn from what a strategy leaves.

One JSON object a line. Differences are paired by seed, with a 95 % interval by Student's t and
Wilcoxon's p, corrected by Holm over the lines that have one. ``--quick`` takes two seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from learning_curves_tables import LEVEL, holm, paired

from querist import Campaign
from querist.campaign import wiring
from querist.campaign.handlers.parts import load_state
from querist.core.batch import Batch
from querist.core.tasks import ModelRef
from querist.store.run_folder import RunFolder

SINGLES = ("margin", "entropy", "badge", "k-center", "k-means", "random")
CHOOSERS = ("auto", "albl")
LOGISTIC = {
    "estimator": "sklearn.linear_model:LogisticRegression",
    "members": 1,
    "bootstrap": False,
    "options": {"C": 10.0, "max_iter": 1000},
}


def digits(seed: int) -> tuple[Any, Any, Any]:
    """All pixels, all digits, and an order drawn by the seed."""
    from sklearn.datasets import load_digits

    pixels, named = load_digits(return_X_y=True)
    return pixels / 16.0, named, np.random.default_rng(seed).permutation(len(pixels))


class Known:
    """The oracle.

    Args:
        pixels: ``(n, 64)``.
        named: ``(n,)`` digits.
    """

    def __init__(self, pixels: Any, named: Any) -> None:
        rows = zip(pixels, named, strict=True)
        self._known = {row.tobytes(): int(digit) for row, digit in rows}

    def __call__(self, x: Any) -> int:
        """The digit of some pixels."""
        return self._known[np.ascontiguousarray(x).tobytes()]


def campaign(
    strategy: dict[str, Any], folder: Path, data: tuple[Any, Any, Any], **more: Any
) -> Any:
    """A campaign over a pool, which is written into the folder."""
    pixels, named, pool = data
    np.savez(folder / "pool.npz", x=pixels[pool])
    return Campaign(
        generator={"use": "candidates", "options": {"samples": str(folder / "pool.npz")}},
        model={"use": "committee", "options": LOGISTIC},
        oracle=Known(pixels, named),
        output="digit",
        strategy={"least": len(pool) // 2, "embeddings": "inputs", **strategy},
        initial=20,
        engine="inline",
        **more,
    )


def wrong(model: Any, pixels: Any, named: Any) -> Any:
    """``(n,)`` whether each digit is mistaken."""
    return np.asarray(model.predict(Batch.stack(x=pixels)).mean["digit"]) != named


def choice(arm: str, seed: int, quick: bool) -> dict[str, Any]:
    """One campaign of one arm: accuracy on digits outside the pool."""
    budget, batch = (100, 10) if quick else (260, 10)
    pixels, named, order = digits(seed)
    pool, unseen = order[:1200], order[1200:]
    chosen: dict[str, Any] = {"use": arm, "batch": batch}
    if arm in CHOOSERS:
        chosen["among"] = list(SINGLES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = campaign(chosen, folder, (pixels, named, pool), holdout=0.1, seed=seed,
                        budget={"labels": budget}, queue={"limit": 2000, "max_fresh": batch},
                        retrain={"every_labels": batch})  # fmt: skip
        begun = time.process_time()
        made.run(folder / "run", progress=False)
        spent = time.process_time() - begun
        curve = dict(curve_of(folder / "run", made, pixels[unseen], named[unseen]))
        asked = facts(folder / "run", "question.asked")
    return {
        "curve": [curve[labels] for labels in sorted(curve)][1:],  # the first model is everyone's
        "end": curve[max(curve)],
        "labels": max(curve),
        "seconds": spent,
        "asked_by": Counter(q["why"] for q in asked if q["purpose"] == "train"),
    }


def facts(run: Path, kind: str) -> list[dict[str, Any]]:
    """Data of all records of a kind."""
    return [r.data for r in RunFolder(run).journal_reader().read_new() if r.kind == kind]


def curve_of(run: Path, made: Any, pixels: Any, named: Any) -> Iterator[tuple[int, float]]:
    """Labels that a published model has learned from (hold-out aside), and its accuracy."""
    model = made.model(run)
    for told in facts(run, "model.published"):
        ref = ModelRef(told["version"], tuple(told["files"]), told["digest"])
        try:
            model.load(load_state(run, ref))
        except FileNotFoundError:  # old weights are removed
            continue
        yield told["dataset"], float(1.0 - wrong(model, pixels, named).mean())


def holdout(aside: bool, seed: int, quick: bool) -> dict[str, Any]:
    """One campaign by margin: the error of its last model on its hold-out, and outside."""
    budget = 200 if quick else 400
    pixels, named, order = digits(seed)
    pool, unseen = order[:600], order[600:]
    places = {sample: at for at, sample in enumerate(Batch.stack(x=pixels).with_ids().ids)}
    finite = wiring._is_finite
    if not aside:
        wiring._is_finite = lambda _: False  # as it was before hold-outs were set aside
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            made = campaign({"use": "margin", "batch": 20}, folder, (pixels, named, pool),
                            holdout=0.25, budget={"labels": budget}, seed=seed,
                            queue={"limit": 1000, "max_fresh": 20},
                            retrain={"every_labels": 20})  # fmt: skip
            made.run(folder / "run", progress=False)
            asked = facts(folder / "run", "question.asked")
            mistakes = wrong(made.model(folder / "run"), pixels, named)
    finally:
        wiring._is_finite = finite
    held = [places[q["sample"]] for q in asked if q["purpose"] == "holdout"]
    return {"held": float(mistakes[held].mean()), "unseen": float(mistakes[unseen].mean())}


def run_all(work: Any, jobs: Sequence[tuple[Any, int]], quick: bool, processes: int) -> list[Any]:
    """Results of all jobs, in their order."""
    alone = partial(_one, work, quick)
    if processes == 1:
        return [alone(job) for job in jobs]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(alone, jobs))


def _one(work: Any, quick: bool, job: tuple[Any, int]) -> Any:
    return work(*job, quick)


def choices(seeds: int, quick: bool, processes: int) -> Iterator[dict[str, Any]]:
    """Lines of the case ``choice``."""
    arms = (*SINGLES, *CHOOSERS)
    jobs = [(arm, seed) for arm in arms for seed in range(seeds)]
    found = run_all(choice, jobs, quick, processes)
    by_arm = {arm: found[i * seeds : (i + 1) * seeds] for i, arm in enumerate(arms)}
    areas = {arm: np.array([np.mean(one["curve"]) for one in runs]) for arm, runs in by_arm.items()}
    ends = {arm: np.array([one["end"] for one in runs]) for arm, runs in by_arm.items()}
    for arm in arms:
        by = sum((one["asked_by"] for one in by_arm[arm]), Counter())
        yield {
            "case": "choice", "arm": arm, "seeds": seeds,
            "area": round(float(areas[arm].mean()), 4), "end": round(float(ends[arm].mean()), 4),
            "models": float(np.mean([len(one["curve"]) for one in by_arm[arm]])),
            "cpu_seconds": round(float(np.mean([one["seconds"] for one in by_arm[arm]])), 2),
            "asked_by": {name: round(n / seeds, 1) for name, n in by.most_common()},
        }  # fmt: skip
    yield from _compared({"area": areas, "end": ends})


def _compared(measured: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    lines = []
    for what, values in measured.items():
        best = max(SINGLES, key=lambda arm: values[arm].mean())
        peers = {"random": values["random"], f"best-single ({best})": values[best]}
        peers["mean-single"] = np.mean([values[arm] for arm in SINGLES], axis=0)
        for arm in CHOOSERS:
            for peer, theirs in peers.items():
                told = paired(values[arm], theirs)
                lines.append({"case": "choice", "arm": arm, "peer": peer, "of": what, **told})
    yield from _corrected(lines)


def _corrected(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for line, p in zip(lines, holm([line["p"] for line in lines]), strict=True):
        yield {**line, "p_holm": p, "differs": bool(p < LEVEL)}


def holdouts(seeds: int, quick: bool, processes: int) -> Iterator[dict[str, Any]]:
    """Lines of the case ``holdout``."""
    jobs = [(aside, seed) for aside in (True, False) for seed in range(seeds)]
    found = run_all(holdout, jobs, quick, processes)
    lines = []
    for at, name in enumerate(("set aside", "from what is left")):
        part = found[at * seeds : (at + 1) * seeds]
        held, unseen = (np.array([one[key] for one in part]) for key in ("held", "unseen"))
        means = {"holdout_error": round(float(held.mean()), 4)}
        means["unseen_error"] = round(float(unseen.mean()), 4)
        lines.append({"case": "holdout", "drawn": name, "seeds": seeds, **means,
                      **paired(held, unseen)})  # fmt: skip
    yield from _corrected(lines)


CASES = {"choice": choices, "holdout": holdouts}


def main() -> None:
    """Run the chosen cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1)
    chosen = parser.parse_args()
    seeds = 2 if chosen.quick else chosen.seeds
    for case in chosen.case or CASES:
        for line in CASES[case](seeds, chosen.quick, chosen.processes):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
