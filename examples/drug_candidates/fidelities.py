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
BEST, SHARE, NEAR = 20, 0.25, 0.1
"""The best that are compared; the seconds that may be spent, as a share of those of all dear
answers; and how near to the best of all a dear answer has to be for the search to end
(kcal/mol)."""
PARTS = {"head": list(HEADS), "linker": list(LINKERS), "tail": list(TAILS)}
Table = Mapping[int, tuple[float, float]]
Floats = NDArray[np.float64]


def tables(host: str, cheap: str, dear: str, folder: Path) -> dict[int, Table]:
    """Energies and seconds by fidelity and molecule, of molecules that were asked at both."""
    found = [read(folder / f"{host}-{one}.csv") for one in (cheap, dear)]
    both = sorted(found[CHEAP].keys() & found[DEAR].keys())
    return {one: {row: found[one][row] for row in both} for one in (CHEAP, DEAR)}


def study(known: Mapping[int, Table], seconds: float, seed: int, levels: Sequence[int]) -> Study:
    """The search for the best of all, with both fidelities or the dear one alone.

    It ends when a dear answer is the best of all, or near, or after so many seconds of answers.
    """
    best = max(-energy for energy, _ in known[DEAR].values())
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
        stop={"target": best - NEAR},
        seed=seed,
        engine="inline",
        **both,
    )


def until(spent: Floats, good: NDArray[np.bool_]) -> float:
    """Seconds until something is so for the first time; infinite where it never is."""
    return float(spent[np.argmax(good)]) if good.any() else np.inf


def first(known: Mapping[int, Table], trials: Sequence[Any]) -> float:
    """Seconds of answers until a dear one was within :data:`NEAR` of the best of all."""
    best = max(-energy for energy, _ in known[DEAR].values())
    spent = np.cumsum([trial.outputs["seconds"] for trial in trials])
    dear = np.array([trial.settings.get("level", DEAR) == DEAR for trial in trials])
    told = np.array([trial.outputs["affinity"] for trial in trials])
    return until(spent, dear & (told >= best - NEAR))


def searched(
    known: Mapping[int, Table], seconds: float, seed: int, levels: Sequence[int]
) -> tuple[float, int, int]:
    """One search: seconds until the best was found, and how many cheap and dear answers."""
    with tempfile.TemporaryDirectory() as folder:
        told = study(known, seconds, seed, levels).run(Path(folder) / "run", progress=False)
        trials = [trial for trial in told.trials if trial.outputs]
    cheap = sum(trial.settings.get("level", DEAR) == CHEAP for trial in trials)
    return first(known, trials), cheap, len(trials) - cheap


def compared(known: Mapping[int, Table], seeds: int, seconds: float) -> dict[str, Any]:
    """Seconds until the best was found, seed by seed, and by how many answers of each kind."""
    told: dict[str, Any] = {}
    for name, levels in (("both", (CHEAP, DEAR)), ("dear alone", (DEAR,))):
        made = [searched(known, seconds, seed, levels) for seed in range(seeds)]
        spent, cheap, dear = zip(*made, strict=True)
        told[name] = {
            "seconds": [round(one, 1) for one in spent],
            "median": float(np.median(spent)),
            "found": int(np.isfinite(spent).sum()),
            "cheap": float(np.mean(cheap)),
            "dear": float(np.mean(dear)),
        }
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


def asked(about: str) -> argparse.Namespace:
    """Which tables are compared, and how often: the options of both comparisons."""
    parser = argparse.ArgumentParser(description=about.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--host", default="beta")
    parser.add_argument("--cheap", default="1")
    parser.add_argument("--dear", default="8")
    parser.add_argument("--table", type=Path, default=HERE / "results", help="folder of tables")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=10)
    return parser.parse_args()


def main() -> None:
    """Compare, say what was paid, and draw both fidelities."""
    options = asked(__doc__)
    known = tables(options.host, options.cheap, options.dear, options.table)
    facts: dict[str, Any] = agreement(known)
    print(json.dumps(facts), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / f"fidelities-{options.host}-{options.dear}"
    labels = f"{options.host}, {options.cheap}", f"{options.host}, {options.dear}"
    draw_fidelities(known, labels, Path(f"{stem}.png"))
    facts |= compared(known, options.seeds, SHARE * sum(s for _, s in known[DEAR].values()))
    print(json.dumps(facts, indent=2))
    Path(f"{stem}.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
