"""The same number of labels, chosen in other ways than by the committee's doubt.

``python compare.py RUN [--seeds 3]`` takes a run of ``check.py --full``, and compares its potential
with those of as many labels: of the same walkers at random, of frames of plain dynamics with mean
forces, and of such frames with the forces of that instant. With more seeds walkers are run again,
by doubt and at random. It writes ``compare.json`` and ``ways.png`` into the run's folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from check import FULL, Known, campaign, forces_of, sample, told
from drawing import draw_ways
from peptide import BEADS, NUMBERS, STEP, FloatArray, Molecule, extended, mean_forces

from querist.campaign.campaign import Campaign, RunResult
from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.roles import FitRequest, Model
from querist.models.gradient_domain import GradientDomain

INSTANT = 0.35
"""Scatter of a force at one instant about its mean, in eV/Angstrom (measured; see README)."""


def frames(count: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Beads and forces of that instant ``(count, 6, 3)``, every 2 ps of plain dynamics at 300 K."""
    molecule = Molecule(seed)
    molecule.put(extended())
    beads, forces = [], []
    for _ in range(count):
        molecule.step(round(2.0 / STEP))
        beads.append(molecule.positions()[BEADS])
        forces.append(molecule.forces())
    return np.array(beads), np.array(forces)


def fitted(plan: Campaign, beads: FloatArray, forces: FloatArray, errors: FloatArray) -> Model:
    """The campaign's model, fitted to these labels."""
    model = GradientDomain(**plan.settings.model.options)
    numbers = np.tile(NUMBERS, (len(beads), 1))
    inputs = Batch.stack(numbers=numbers, positions=beads)
    labels = Dataset(inputs, Batch.stack(forces=forces, forces_error=errors))
    model.load(model.fit(labels, FitRequest()).state)
    return model


DOUBT, RANDOM = "walkers, by doubt", "walkers, at random"
PLAIN, INSTANTS = "plain dynamics, mean forces", "plain dynamics, forces of an instant"


def campaigns(plan: Campaign, seeds: int, folder: Path) -> Iterator[tuple[str, Model]]:
    """Models of walkers by how labels were chosen of what they met.

    Args:
        plan: The campaign by doubt; that of its own seed was run before.
        seeds: Of each way.
        folder: For the runs.
    """
    doubt = plan.settings.model_dump()
    random = {**doubt, "strategy": {"use": "random", "batch": 12, "least": 36}}
    random["gate"] = {name: doubt["gate"][name] for name in ("output", "reject")}
    for extra in range(seeds):
        for name, values in ((DOUBT, doubt), (RANDOM, random)):
            if extra or name == RANDOM:
                told = Campaign(**{**values, "seed": doubt["seed"] + extra})
                made = folder / f"{name.split()[-1]}-{extra}"
                yield name, told.run(made, progress=False).model()


def from_plain_dynamics(count: int, plan: Campaign) -> Iterator[tuple[str, Model]]:
    """Models of so many frames of plain dynamics, by the name of what was learned of them."""
    beads, instant = frames(count, 21)
    means, errors = mean_forces(beads, 22)
    yield PLAIN, fitted(plan, beads, means, errors)
    yield INSTANTS, fitted(plan, beads, instant, np.full_like(instant, INSTANT))


def main() -> int:
    """Compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path, help="folder of a run of check.py --full")
    parser.add_argument("--seeds", type=int, default=1, help="of walkers")
    options = parser.parse_args()
    result, known = RunResult(options.run, "finished", "as it was found"), Known.load()
    plan, labels = campaign(FULL, None), len(result.dataset())
    learned = round(labels * (1 - plan.settings.holdout))
    ways: dict[str, list[dict[str, float]]] = {}
    for name, model in chain(
        [(DOUBT, result.model())],
        campaigns(plan, options.seeds, options.run),
        from_plain_dynamics(learned, plan),
    ):
        forces = forces_of(model)
        ways.setdefault(name, []).append(told(forces, sample(forces, known, FULL.steps, 5), known))
        print(name, ways[name][-1], flush=True)
        text = json.dumps(ways, indent=1) + "\n"
        (options.run / "compare.json").write_text(text, encoding="utf-8")
    draw_ways(ways, options.run / "ways.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
