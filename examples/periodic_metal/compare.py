"""What choosing pays: the campaign's labels against as many drawn at random.

``python compare.py [--quick]``. Both come from the same generators. For the random ones these run
on EMT itself, which gives them an advantage: every place is one that copper visits, where a
campaign's young model leads its dynamics astray at first. A pool of 1,000 such geometries is drawn
from, evenly over the generators, and the same model is fitted. Several seeds of each. It prints a
table, and writes ``random.json`` into the folder where it runs.

Of each it tells the largest relative errors of the elastic constants and of the surface energies
(in percent), the largest error of the equation of state (meV an atom), root mean square errors of
held-out forces (eV/A), and, of hot crystals and surfaces that no campaign has seen, the mean and
the largest error of the force on the worst atom (eV/A).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from check import FULL, QUICK, Size, campaign, held_out, means, rms
from crystal import Crystal, FloatArray, emt, surface_energy
from problem import FACES, hot_crystal, hot_slab, strained_crystals, strained_slabs

from querist.campaign.campaign import Campaign
from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.prediction import Feedback, Prediction, Verdict, Verdicts
from querist.core.roles import FitRequest, Generator, Model
from querist.models.local.model import LocalPotential

POOL = 1000
"""Geometries that are drawn from."""
APART = 5
"""Steps of dynamics between two that are kept."""
ROWS = {
    "elastic": "elastic constants, % (largest)",
    "surface": "surface energies, % (largest)",
    "state": "equation of state, meV an atom (largest)",
    "forces": "held-out forces, eV/Å (rms)",
    "hot": "hot geometries: worst atom's force, eV/Å (mean)",
    "hottest": "  the same (largest)",
}


def generators(seed: int) -> list[tuple[Generator, int]]:
    """Those of ``campaign.yaml``, each with the steps between two geometries that are kept."""
    made: list[tuple[Generator, int]] = [
        (strained_crystals(4, seed=seed), 1),
        (strained_slabs(4, seed=seed), 1),
        (hot_crystal(3, seed=seed), APART),
    ]
    return made + [(hot_slab(face, 2, seed=seed), APART) for face in FACES]


def visited(generator: Generator, count: int, apart: int) -> Batch:
    """So many geometries that a generator visits on the oracle's own forces."""
    kept: list[Batch] = []
    step = 0
    while sum(map(len, kept)) < count:
        proposal = generator.propose()
        if step % apart == 0:
            kept.append(proposal.batch)
        said = Prediction(emt(proposal.batch), Batch({}))
        number = len(proposal.batch)
        trust = Verdicts(np.full(number, Verdict.TRUST, np.int8), np.zeros(number))
        generator.observe(Feedback(proposal.walkers, said, trust))
        step += 1
    return Batch.concatenate(kept).take(np.arange(count))


def pool(count: int, seed: int) -> list[Batch]:
    """Of each generator as many."""
    made = generators(seed)
    return [visited(one, count // len(made), apart) for one, apart in made]


def at_random(pools: Sequence[Batch], labels: int, seed: int) -> Model:
    """The campaign's model, fitted to labels drawn from all pools alike."""
    rng = np.random.default_rng(seed)
    all_of_them = Batch.concatenate(pools)
    chosen = all_of_them.take(rng.permutation(len(all_of_them))[:labels])
    held = rng.permutation(labels) < round(0.15 * labels)  # as the campaign holds out
    purposes = tuple((Purpose.HOLDOUT if one else Purpose.TRAIN).value for one in held)
    model = LocalPotential(**campaign(QUICK, None, lammps=False).settings.model.options)
    said = model.fit(Dataset(chosen, emt(chosen), purposes), FitRequest(seed=seed))
    model.load(said.state)
    return model


def by_campaign(labels: int, seed: int) -> Model:
    """What a campaign with this seed learns."""
    values = campaign(QUICK, None, lammps=False).settings.model_dump()
    values |= {"seed": seed, "budget": {"labels": labels}}
    with tempfile.TemporaryDirectory() as folder:
        return Campaign(**values).run(Path(folder) / "run", progress=False).model()


def worst_forces(model: Model, hot: Batch) -> FloatArray:
    """``(n,)`` error of the force on the worst atom of each geometry."""
    true, said = emt(hot).columns["forces"], model.predict(hot).mean.columns["forces"]
    pairs = zip(said.items(), true.items(), strict=True)
    return np.array([float(np.linalg.norm(a - b, axis=1).max()) for a, b in pairs])


def judged(model: Model, true: Crystal, hot: Batch, size: Size) -> dict[str, float]:
    """Errors of one model, by the names of :data:`ROWS`."""
    potential = means(model)
    learned = Crystal.of(potential)
    pairs = [(getattr(true, name), getattr(learned, name)) for name in ("c11", "c12", "c44")]
    areas = [
        (surface_energy(emt, f, true, 9)[0], surface_energy(potential, f, learned, 9)[0])
        for f in FACES
    ]
    worst = worst_forces(model, hot)
    return {
        "elastic": max(100 * abs(got / wanted - 1) for wanted, got in pairs),
        "surface": max(100 * abs(got / wanted - 1) for wanted, got in areas),
        "state": 1000 * float(np.abs(learned.energies - true.energies).max()),
        "forces": rms(held_out(model, size).forces),
        "hot": float(worst.mean()),
        "hottest": float(worst.max()),
    }


def told(labels: int, found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Medians, with the range of all seeds."""
    lines = [f"{labels} labels (median of seeds; smallest to largest)"]
    for name, text in ROWS.items():
        cells = []
        for way in found:
            values = np.array([one[name] for one in found[way]])
            cells.append(f"{np.median(values):.3g} ({values.min():.2g} to {values.max():.2g})")
        lines.append(f"  {text:48} " + "  ".join(f"{cell:26}" for cell in cells))
    return "\n".join([lines[0] + "   " + ", ".join(found), *lines[1:]])


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="one seed, 50 labels")
    options = parser.parse_args(arguments)
    seeds, sizes = (1, (QUICK.labels,)) if options.quick else (3, (QUICK.labels, FULL.labels))
    begin, true = time.process_time(), Crystal.of(emt)
    pools, hot = pool(POOL, seed=1000), Batch.concatenate(pool(100, seed=2000)[2:])
    record: dict[str, Any] = {"pool": POOL, "seeds": seeds}
    for labels in sizes:
        found: dict[str, list[dict[str, float]]] = {"by the campaign": [], "at random": []}
        for seed in range(1, seeds + 1):
            models = by_campaign(labels, seed), at_random(pools, labels, seed)
            for way, model in zip(found, models, strict=True):
                found[way].append(judged(model, true, hot, FULL))
        print(told(labels, found), flush=True)
        record[str(labels)] = found
    record["cpu_seconds"] = time.process_time() - begin
    Path("random.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
