"""Learns copper from effective medium theory, and compares what both say of it.

``python check.py [--full] [--engine ENGINE]``. The quick form (half a minute) takes 50 labels, the
full one 160, more held-out geometries and longer dynamics. It prints wanted against got, writes
pictures, a report and ``check.json`` into the run's folder, and ends with exit code 1 if anything
fails.
"""

from __future__ import annotations

import argparse
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
from crystal import (  # noqa: E402
    GPA,
    MEASURED,
    Crystal,
    FloatArray,
    Potential,
    bulk,
    drift,
    emt,
    one,
    slab,
    strained,
    stress_error,
    surface_energy,
)
from drawing import draw_held_out, draw_properties  # noqa: E402
from lammps_explorer import missing_lammps  # noqa: E402
from problem import FACES, strained_crystals, strained_slabs  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402

from querist.campaign.campaign import Campaign, RunResult  # noqa: E402
from querist.core.batch import Batch  # noqa: E402
from querist.core.errors import QueristError  # noqa: E402
from querist.core.prediction import Prediction  # noqa: E402
from querist.core.roles import Model  # noqa: E402
from querist.engines.mpi import attend  # noqa: E402
from querist.store.reader import read_journal  # noqa: E402
from querist.testing.checks import Row, above, below, finish, near, new_folder, save, table  # noqa: E402

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done, and how near the model has to come.

    Attributes:
        labels: Answers of the oracle.
        layers: Of the slabs whose surface energy is computed; none that were learned from.
        held_out: Geometries that the model did not see.
        steps: Of dynamics, of 2 fs.
        elastic: Allowed relative error of elastic constants.
        surface: Likewise of surface energies.
        state: Allowed error of the equation of state, in meV an atom.
    """

    labels: int
    layers: int
    held_out: int
    steps: int
    elastic: float
    surface: float
    state: float


QUICK = Size(50, 9, 24, 150, 0.05, 0.03, 10.0)
FULL = Size(160, 13, 120, 2000, 0.02, 0.01, 3.0)


def means(model: Model) -> Potential:
    """What the model says, without its doubt."""

    def potential(batch: Batch) -> Batch:
        return model.predict(batch).mean

    return potential


# ---------------------------------------------------------------------------------------- campaign


def campaign(size: Size, engine: str | None, lammps: bool) -> Campaign:
    """The campaign of ``campaign.yaml``, with LAMMPS as one more explorer where it is."""
    values = Campaign.load(HERE / "campaign.yaml", engine=engine).settings.model_dump()
    values["budget"] = {"labels": size.labels}
    if lammps:
        values["generators"] = [*values["generators"], {"use": "lammps_explorer:LammpsWalkers"}]
    if values["engine"]["kind"] == "inline":
        # There one answer comes after each slice of exploring: short ones.
        values["slice"] = {"steps": 10, "seconds": None}
    return Campaign(**values)


def explored(run: Path) -> int:
    """Geometries that the model was asked for."""
    facts = read_journal(run / "journal")
    return sum(int(fact.data["proposed"]) for fact in facts if fact.kind == "explored")


# ------------------------------------------------------------------------------------------- rows


def crystal_rows(true: Crystal, learned: Crystal, size: Size) -> list[Row]:
    """Lattice constant, elastic constants, equation of state."""
    rows = [near("lattice constant", true.spacing, learned.spacing, 0.002, "Å", share=True)]
    for name in ("c11", "c12", "c44"):
        values = getattr(true, name), getattr(learned, name)
        rows.append(near(name.upper(), *values, size.elastic, "GPa", share=True))
    rows.append(
        near("bulk modulus", true.modulus, learned.modulus, size.elastic, "GPa", share=True)
    )
    from_elastic = (learned.c11 + 2 * learned.c12) / 3
    rows.append(
        near(
            "(C11 + 2 C12) / 3 of the model", learned.modulus, from_elastic, 0.02, "GPa", share=True
        )
    )
    away = 1000 * float(np.abs(learned.energies - true.energies).max())
    rows.append(below("equation of state, largest error", size.state, away, "meV an atom"))
    return rows


def surface_rows(
    model: Potential, true: Crystal, learned: Crystal, size: Size
) -> tuple[list[Row], dict[str, tuple[float, float]]]:
    """Energies of both surfaces, which are relaxed by either potential on its own."""
    rows, found = [], {}
    for face in FACES:
        wanted, moved = surface_energy(emt, face, true, size.layers)
        got, moves = surface_energy(model, face, learned, size.layers)
        found[face] = (wanted, got)
        rows.append(near(f"surface energy ({face})", wanted, got, size.surface, "J/m²", share=True))
        rows.append(
            Row(
                f"first layer of ({face}) moves out, %",
                f"{moved:.2f} ± 0.5",
                f"{moves:.2f}",
                bool(abs(moves - moved) < 0.5),
            )
        )
    return rows, found


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Force components and stress components, the oracle's and the model's, and the doubt."""

    forces: tuple[FloatArray, FloatArray]
    stress: tuple[FloatArray, FloatArray]
    doubt: FloatArray
    error: FloatArray


def held_out(model: Model, size: Size) -> HeldOut:
    """Geometries of bulk and surfaces that no one has asked."""
    seeds = {"seed": 77}
    half = size.held_out // 2
    batch = Batch.concatenate(
        [strained_crystals(**seeds).initial(half), strained_slabs(**seeds).initial(half)]
    )
    said: Prediction = model.predict(batch)
    true = emt(batch)
    pairs = zip(said.mean.columns["forces"].items(), true.columns["forces"].items(), strict=True)
    worst = [float(np.linalg.norm(a - b, axis=1).max()) for a, b in pairs]
    return HeldOut(
        (np.ravel(true.columns["forces"].data), np.ravel(said.mean.columns["forces"].data)),
        (GPA * np.ravel(true["stress"]), GPA * np.ravel(said.mean["stress"])),
        said.uncertainty("forces"),
        np.array(worst),
    )


def rms(pair: tuple[FloatArray, FloatArray]) -> float:
    """Root mean square difference."""
    return float(np.sqrt(np.mean((pair[0] - pair[1]) ** 2)))


def held_out_rows(seen: HeldOut) -> list[Row]:
    """Errors of what was not learned, beside the size of what is predicted."""
    size = float(np.sqrt(np.mean(seen.forces[0] ** 2)))
    rows = [below(f"held-out forces (of {size:.2f}), rms error", 0.02, rms(seen.forces), "eV/Å")]
    size = float(np.sqrt(np.mean(seen.stress[0] ** 2)))
    rows.append(below(f"held-out stress (of {size:.2f}), rms error", 0.15, rms(seen.stress), "GPa"))
    ranks = spearmanr(seen.doubt, seen.error).statistic
    rows.append(above("rank correlation of doubt and error", 0.6, ranks))
    return rows


def law_rows(potential: Potential, size: Size) -> list[Row]:
    """What must hold whatever was learned."""
    shear = strained(bulk(), np.array([[0.01, 0.02, 0], [0.02, -0.01, 0.01], [0, 0.01, 0.02]]))
    forces = np.asarray(potential(one(bulk(3.7, 2)))["forces"][0])
    small, large = potential(Batch.from_samples([bulk(), bulk(repeat=2)]))["energy"]
    samples = [shear, slab("100", 5), slab("111", 5)]
    change = drift(potential, size.steps)
    return [
        below(
            "stress against the energy's derivative", 1e-3, stress_error(potential, samples), "GPa"
        ),
        below("sum of the forces", 1e-8, float(np.abs(forces.sum(axis=0)).max()), "eV/Å"),
        below("32 atoms against 8 times 4", 1e-8, abs(float(large - 8 * small)), "eV"),
        below(f"drift in {size.steps * 0.002:g} ps at 600 K", 1.0, abs(change), "meV an atom"),
    ]


def examine(result: RunResult, size: Size) -> tuple[list[Row], dict[str, Any]]:
    """Everything that is checked of one campaign."""
    model = result.model()
    potential = means(model)
    true, learned = Crystal.of(emt), Crystal.of(potential)
    surfaces, found = surface_rows(potential, true, learned, size)
    seen = held_out(model, size)
    rows = [*crystal_rows(true, learned, size), *surfaces, *held_out_rows(seen)]
    rows += law_rows(potential, size)
    asked, looked = len(result.dataset()), explored(result.folder)
    properties = result.folder / "properties.png"
    draw_properties({"EMT": true, "model": learned}, found, MEASURED, properties)
    draw_held_out(
        seen.forces, seen.stress, (seen.doubt, seen.error), result.folder / "held_out.png"
    )
    return rows, {"labels": asked, "explored": looked}


# ------------------------------------------------------------------------------------------ output


def learn(options: argparse.Namespace, say: Callable[[str], None] = print) -> list[Row]:
    """Run the campaign and examine it."""
    size = FULL if options.full else QUICK
    missing = missing_lammps()
    if missing:
        say(missing)
    folder = new_folder(Path("runs"), "periodic_metal")
    begin = time.monotonic()
    result = campaign(size, options.engine, not missing).run(folder)
    learned = time.monotonic() - begin
    rows, facts = examine(result, size)
    save(folder, rows, {**facts, "seconds": learned, "lammps": not missing})
    say(table(rows))
    say(
        f"{facts['labels']} of {facts['explored']:,} geometries were asked; learned in "
        f"{learned:.0f} s, {time.monotonic() - begin:.0f} s in all.\n"
        f"  report   {result.report()}\n  pictures {folder}/properties.png, held_out.png"
    )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Learn and check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help="160 labels, thicker slabs")
    parser.add_argument("--engine", choices=("processes", "inline", "mpi"))
    options = parser.parse_args(arguments)
    if options.engine == "mpi":
        attend()  # ranks other than 0 work here until the job ends
    try:
        rows = learn(options)
    except QueristError as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    return finish(rows, tabled=True)


if __name__ == "__main__":
    sys.exit(main())
