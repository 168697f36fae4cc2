"""A cheap and a dear answer in one search: ``python fidelities.py [--host beta --dear 8]``.

The cheap one is a docking of exhaustiveness 1, the dear one of 8 or, as ``dynamics``, the energy of
a pose that moved. The library's search with a fidelity learns from both and takes the molecule and
the fidelity that promise most for their cost; only what the dear one said counts. Answers come from
the tables of :mod:`truth`, with the seconds that they took, so this repeats without Vina.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from drawing import draw_fidelities
from molecules import HEADS, LINKERS, TAILS, parts_of
from numpy.typing import NDArray
from truth import HERE, read

from querist import Study

CHEAP, DEAR = 0, 1
BEST, SHARE, GRID = 20, 0.1, 101
"""The best that are looked for, the seconds that are spent as a share of those of all dear answers,
and at how many places they are looked at."""
PARTS = {"head": list(HEADS), "linker": list(LINKERS), "tail": list(TAILS)}
Table = Mapping[int, tuple[float, float]]
Floats = NDArray[np.float64]


def tables(host: str, cheap: str, dear: str, folder: Path) -> dict[int, Table]:
    """Energies and seconds by fidelity and molecule, of molecules that were asked at both."""
    found = [read(folder / f"{host}-{one}.csv") for one in (cheap, dear)]
    both = sorted(found[CHEAP].keys() & found[DEAR].keys())
    return {one: {row: found[one][row] for row in both} for one in (CHEAP, DEAR)}


def study(known: Mapping[int, Table], seconds: float, seed: int, levels: Sequence[int]) -> Study:
    """The search for so many seconds of answers, with both fidelities or the dear one alone."""
    places = {parts_of(row): row for row in known[DEAR]}

    def replay(head: str, linker: str, tail: str, level: int = DEAR) -> dict[str, float]:
        energy, spent = known[int(level)][places[head, linker, tail]]
        return {"affinity": -energy, "seconds": spent}

    rows: list[dict[str, Any]] = [dict(zip(PARTS, parts, strict=True)) for parts in places]
    space: dict[str, Any] = {name: {"choice": choices} for name, choices in PARTS.items()}
    both: dict[str, Any] = {}
    if len(levels) > 1:
        rows = [{**row, "level": one} for row in rows for one in levels]
        space["level"] = {"choice": list(levels)}
        both = {"fidelity": {"setting": "level", "target": DEAR}}
    return Study(
        name="fidelities",
        space=space,
        candidates=rows,
        maximise="affinity",
        simulation=replay,
        cost="seconds",
        budget={"cost": seconds},
        seed=seed,
        engine="inline",
        **both,
    )


def progress(known: Mapping[int, Table], trials: Sequence[Any]) -> tuple[Floats, Floats, Floats]:
    """After each answer: seconds spent, the best dear affinity, and the share of the best found."""
    dear = {row: -energy for row, (energy, _) in known[DEAR].items()}
    best = set(sorted(dear, key=lambda row: -dear[row])[:BEST])
    places = {parts_of(row): row for row in dear}
    spent, top, found = [], [-np.inf], [0]
    for trial in trials:
        spent.append(trial.outputs["seconds"])
        counts = trial.settings.get("level", DEAR) == DEAR
        row = places[tuple(trial.settings[name] for name in PARTS)]
        top.append(max(top[-1], dear[row] if counts else -np.inf))
        found.append(found[-1] + (counts and row in best))
    return np.cumsum(spent), np.array(top[1:]), np.array(found[1:]) / len(best)


def until(spent: Floats, good: NDArray[np.bool_]) -> float:
    """Seconds until something is so for the first time; infinite where it never is."""
    return float(spent[np.argmax(good)]) if good.any() else np.inf


def searched(known: Mapping[int, Table], seconds: float, seed: int, levels: Sequence[int]) -> Any:
    """One search: how many cheap and dear answers, and its progress."""
    with tempfile.TemporaryDirectory() as folder:
        told = study(known, seconds, seed, levels).run(Path(folder) / "run", progress=False)
        trials = [trial for trial in told.trials if trial.outputs]
    cheap = sum(trial.settings.get("level", DEAR) == CHEAP for trial in trials)
    return (cheap, len(trials) - cheap), progress(known, trials)


def compared(known: Mapping[int, Table], seeds: int, seconds: float) -> dict[str, Any]:
    """Both searches over seeds: seconds to the best, and shares of the best at the same seconds."""
    most = max(-energy for energy, _ in known[DEAR].values())
    grid = np.linspace(0.0, seconds, GRID)
    told: dict[str, Any] = {"grid": grid}
    for name, levels in (("both", (CHEAP, DEAR)), ("dear alone", (DEAR,))):
        one: dict[str, list[Any]] = {"asked": [], "first": [], "half": [], "found": []}
        for seed in range(seeds):
            asked, (spent, top, found) = searched(known, seconds, seed, levels)
            one["asked"].append(asked)
            one["first"].append(until(spent, top >= most - 0.1))
            one["half"].append(until(spent, found >= 0.5))
            place = np.searchsorted(spent, grid, side="right") - 1
            one["found"].append(np.where(place < 0, 0.0, found[place]))
        told[name] = {key: np.array(value) for key, value in one.items()}
    return told


def agreement(known: Mapping[int, Table]) -> dict[str, float]:
    """How far the cheap answer is from the dear one, and how many of the best it has.

    ``worth`` is what a second of cheap answers tells beside a second of dear ones: the square of
    the correlation, which is the share of the variance that it explains, times the ratio of costs.
    """
    cheap, dear = (np.array(list(known[one].values())) for one in (CHEAP, DEAR))
    best = [set(np.argsort(one[:, 0], kind="stable")[:BEST].tolist()) for one in (cheap, dear)]
    alike = float(np.corrcoef(cheap[:, 0], dear[:, 0])[0, 1])
    seconds = float(cheap[:, 1].mean()), float(dear[:, 1].mean())
    return {
        "molecules": len(dear),
        "higher": float((cheap[:, 0] - dear[:, 0]).mean()),
        "worse by over 0.5": float((cheap[:, 0] - dear[:, 0] > 0.5).mean()),
        "correlation": alike,
        "shared": len(best[0] & best[1]) / BEST,
        "cheap_seconds": seconds[0],
        "dear_seconds": seconds[1],
        "worth": alike**2 * seconds[1] / seconds[0],
    }


def main() -> None:
    """Compare, say what was paid, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--host", default="beta")
    parser.add_argument("--cheap", default="1")
    parser.add_argument("--dear", default="8")
    parser.add_argument("--table", type=Path, default=HERE / "results", help="folder of tables")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    known = tables(options.host, options.cheap, options.dear, options.table)
    facts: dict[str, Any] = agreement(known)
    print(json.dumps(facts), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / f"fidelities-{options.host}-{options.dear}"
    labels = f"{options.host}, {options.cheap}", f"{options.host}, {options.dear}"
    draw_fidelities(known, labels, Path(f"{stem}.png"))
    told = compared(known, options.seeds, SHARE * sum(s for _, s in known[DEAR].values()))
    for name in ("both", "dear alone"):
        one = told[name]
        facts[name] = {
            "asked": one["asked"].mean(axis=0).round(1).tolist(),
            "best within 0.1": [round(s, 1) for s in one["first"].tolist()],
            "half of the best": [round(s, 1) for s in one["half"].tolist()],
            "share at the end": one["found"][:, -1].round(2).tolist(),
        }
        print(name, json.dumps(facts[name]), flush=True)
    Path(f"{stem}.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
