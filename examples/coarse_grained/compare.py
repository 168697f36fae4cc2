"""The same number of labels, chosen in other ways than by the committee's doubt.

``python compare.py RUN`` takes a run of ``check.py --full``, and compares its potential with those
of as many labels: of frames of plain dynamics with mean forces, of such frames with the forces of
that instant, and of the same walkers at random. It writes ``compare.json`` and ``ways.png`` into
the run's folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
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


def other_ways(labels: int, plan: Campaign, folder: Path) -> Iterator[tuple[str, Model]]:
    """Models by the name of how their labels were chosen.

    Args:
        labels: How many, hold-out included; as many are learned from as in the campaign.
        plan: The campaign, whose model, walkers and oracle are used.
        folder: For its run without choice.
    """
    values = plan.settings.model_dump()
    count = round(labels * (1 - values["holdout"]))
    beads, instant = frames(count, 21)
    means, errors = mean_forces(beads, 22)
    yield "plain dynamics, mean forces", fitted(plan, beads, means, errors)
    yield (
        "plain dynamics, forces of an instant",
        fitted(plan, beads, instant, np.full_like(instant, INSTANT)),
    )
    values["gate"] = {name: values["gate"][name] for name in ("output", "reject")}
    values["strategy"] = {"use": "random", "batch": 12, "least": 36}
    yield "walkers, at random", Campaign(**values).run(folder / "at_random").model()


def main() -> int:
    """Compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path, help="folder of a run of check.py --full")
    folder = parser.parse_args().run
    result, known = RunResult(folder, "finished", "as it was found"), Known.load()
    plan, labels, ways = campaign(FULL, None), len(result.dataset()), {}
    models = [("walkers, by doubt", result.model())]
    for name, model in (*models, *other_ways(labels, plan, folder)):
        forces = forces_of(model)
        ways[name] = told(forces, sample(forces, known, FULL.steps, 5), known)
        print(name, ways[name], flush=True)
    (folder / "compare.json").write_text(json.dumps(ways, indent=1) + "\n", encoding="utf-8")
    draw_ways(ways, folder / "ways.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
