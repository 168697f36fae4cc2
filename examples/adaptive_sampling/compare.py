"""One run of one strategy with one seed, in one process; what a study asks for over both.

``plain`` goes on where walkers ended. ``random`` begins at frames that are drawn at random.
``torsion_cells`` counts visits of phi and psi, as one can who knows them. The others know pictures
of distances alone, and what a network made of them (latent.py).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import problem
from landscape import basins_of, difference, is_left, markov
from numpy.typing import NDArray
from reference import reference

from querist.campaign.campaign import Campaign
from querist.core.answers import Dataset
from querist.core.errors import RunError

HERE = Path(__file__).resolve().parent
LEARNED = ("least_visited", "outliers", "uncertainty")
STRATEGIES = ("plain", "random", "torsion_cells", *LEARNED)
PICOSECONDS, EVERY = 4.0, 0.2
WALKERS = 2
LAG = 10  # frames


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


def judged(torsions: NDArray[np.float64]) -> dict[str, float]:
    """What segments found, in the order in which they were answered.

    ``first_left`` is the simulated time in ps, over all walkers, until the left-handed side was
    seen; all of it where it was not (``found`` is zero).
    """
    seen = torsions[:, 1:].reshape(-1, 2)
    left = np.flatnonzero(is_left(seen))
    total = len(seen) * EVERY
    model, known = markov(list(torsions), LAG), reference()
    return {
        "first_left": float(left[0] + 1) * EVERY if len(left) else total,
        "found": float(len(left) > 0),
        "basins": float(len(np.unique(basins_of(seen)))),
        "cells": float(len(np.unique(problem.cells_of(seen), axis=0))),
        "left": model.left,
        "map_error": difference(model, known),
        "simulated": total,
    }


def run(strategy: str, seed: int, labels: int = 150) -> dict[str, float]:
    """One strategy with one seed."""
    with tempfile.TemporaryDirectory() as folder:
        told = campaign(strategy, int(seed), int(labels))
        result = told.run(Path(folder) / "run", progress=False, handle_signals=False)
        data = result.dataset()
        if len(data) < labels:
            raise RunError(f"{len(data)} of {labels} segments were made: {result.reason}")
        return judged(torsions_of(data))
