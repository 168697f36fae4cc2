"""One run of one strategy with one seed, in one process; what a study asks for over both.

``plain`` goes on where walkers ended. ``random`` begins at frames that are drawn at random.
``torsion_cells`` counts visits of phi and psi, as one can who knows them. The others know pictures
of distances alone, and what a network made of them (latent.py).
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import problem
from landscape import BASINS, basins_of, is_left
from numpy.typing import NDArray

from querist.campaign.campaign import Campaign
from querist.core.answers import Dataset
from querist.core.errors import RunError

HERE = Path(__file__).resolve().parent
LEARNED = ("least_visited", "outliers", "uncertainty")
STRATEGIES = ("plain", "random", "torsion_cells", *LEARNED)
PICOSECONDS, EVERY = 4.0, 0.2
WALKERS = 2
LAG = 10  # frames
SETTLED = 5  # frames of a segment that Markov models leave out


def campaign(strategy: str, seed: int, labels: int, system: str = "alanine") -> Campaign:
    """The campaign of ``campaign.yaml`` with another strategy, in this process."""
    told = Campaign.load(HERE / "campaign.yaml", engine="inline").settings.model_dump()
    told |= {"seed": seed, "budget": {"labels": labels}, "slice": {"steps": 1, "seconds": None}}
    cells = {"use": "problem:TorsionCells", "options": {"system": system}}
    if strategy == "plain":
        plain = {"use": "restarts:Plain", "options": {"system": system, "walkers": WALKERS}}
        told |= {"generators": [plain], "trainers": 0, "initial": labels, "model": cells}
        told["gate"] = {"output": "random"}
        return Campaign(**told)
    members = 2 if strategy == "uncertainty" else 1
    latent = {"use": "latent:LatentSpace", "options": {"system": system, "members": members}}
    told["model"] = latent if strategy in LEARNED else cells
    name = "least_visited" if strategy == "torsion_cells" else strategy
    told["gate"] = {**told["gate"], "output": name}
    return Campaign(**told)


def torsions_of(data: Dataset, system: str = "alanine") -> NDArray[np.float64]:
    """Torsions of each segment with the frame that it began at (labels, frames + 1, t)."""
    begun = np.asarray(data.inputs["positions"], np.float32)[:, None]
    whole = np.concatenate([begun, np.asarray(data.outputs["frames"], np.float32)], axis=1)
    flat = problem.dihedrals(whole.reshape(-1, *whole.shape[2:]), problem.molecule(system).torsions)
    return flat.reshape(*whole.shape[:2], -1)


def first(flags: NDArray[np.bool_]) -> float:
    """Simulated time in ps until the first of flags (frames,); all of it where there is none."""
    at = np.flatnonzero(flags)
    return float(at[0] + 1 if len(at) else len(flags)) * EVERY


def judged(torsions: NDArray[np.float64]) -> dict[str, float]:
    """What segments found, in the order in which they were answered.

    ``first_left`` is the simulated time in ps, over all walkers, until the left-handed side was
    seen, ``first_all`` that until all basins were; all of it where they were not (``found`` is
    zero, and ``basins`` is less than five).
    """
    seen = torsions[:, 1:].reshape(-1, 2)
    left, basins = is_left(seen), basins_of(seen)
    known = [np.logical_or.accumulate(basins == number) for number in range(len(BASINS))]
    return {
        "first_left": first(left),
        "found": float(left.any()),
        "first_all": first(np.logical_and.reduce(known)),
        "basins": float(len(np.unique(basins))),
        "cells": float(len(np.unique(problem.cells_of(seen), axis=0))),
        "counted_left": float(left.mean()),
        "simulated": len(seen) * EVERY,
    }


def run(strategy: str, seed: int, labels: int = 500, keep: str = "") -> dict[str, float]:
    """One strategy with one seed.

    Args:
        strategy: One of ``STRATEGIES``.
        seed: Of the campaign.
        labels: Segments.
        keep: A folder for the torsions of all segments, where runs that are there are not made
            again; empty for none.
    """
    kept = Path(keep) / f"{strategy}-{int(seed)}.npz"
    if not (keep and kept.exists()):
        torsions, spent = simulated(strategy, int(seed), int(labels))
        if not keep:
            return {**judged(torsions), "cpu_seconds": spent}
        kept.parent.mkdir(parents=True, exist_ok=True)
        half = kept.with_suffix(".part.npz")
        np.savez_compressed(half, torsions=torsions.astype(np.float32), cpu_seconds=spent)
        half.replace(kept)
    with np.load(kept) as held:
        torsions = held["torsions"].astype(np.float64)
        return {**judged(torsions), "cpu_seconds": float(held["cpu_seconds"])}


def simulated(strategy: str, seed: int, labels: int) -> tuple[NDArray[np.float64], float]:
    """Torsions of all segments (labels, frames + 1, 2) of a run, and its CPU time in seconds."""
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        told = campaign(strategy, seed, labels)
        result = told.run(Path(folder) / "run", progress=False, handle_signals=False)
        data = result.dataset()
        if len(data) < labels:
            raise RunError(f"{len(data)} of {labels} segments were made: {result.reason}")
        return torsions_of(data), time.process_time() - begin
