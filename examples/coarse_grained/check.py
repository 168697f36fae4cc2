"""Learns beads of alanine dipeptide from mean forces, and compares them with all atoms.

``python check.py [RUN] [--full] [--engine ENGINE]``. The quick form takes 220 labels, the full one
300 and longer dynamics; with a run's folder it is checked again. It prints wanted against got,
writes pictures, a report and ``check.json`` into the run's folder, and ends with exit code 1 if
anything fails.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from drawing import draw_maps  # noqa: E402
from peptide import (  # noqa: E402
    NUMBERS,
    FloatArray,
    Molecule,
    extended,
    mean_forces,
    openmm,
    torsions,
)
from sampling import (  # noqa: E402
    CENTRES,
    KJ,
    Bias,
    Forces,
    Walked,
    density,
    free_energy,
    walk,
)

from querist.campaign.campaign import Campaign, RunResult  # noqa: E402
from querist.campaign.inspecting import effective_of  # noqa: E402
from querist.core.batch import Batch  # noqa: E402
from querist.core.errors import QueristError  # noqa: E402
from querist.core.roles import Model  # noqa: E402
from querist.engines.mpi import attend  # noqa: E402
from querist.testing.checks import Row, above, below, finish, near, new_folder, save  # noqa: E402

HERE = Path(__file__).resolve().parent
TELLING = 15.0
"""Maps are compared where all atoms have a free energy below this, in kJ/mol: 6 kT."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done, and how near the model has to come.

    Attributes:
        labels: Answers of the oracle.
        steps: Of each of 128 walkers on the learned potential, of 2 fs.
        forces: Allowed error of held-out mean forces, in eV/Angstrom.
        map: Allowed error of the torsion map, in kJ/mol.
        helix: Allowed error of the right-handed helix's free energy, in kJ/mol.
        left: Allowed error of the left-handed helix's free energy, in kJ/mol.
    """

    labels: int
    steps: int
    forces: float
    map: float
    helix: float
    left: float


QUICK = Size(220, 1_500, 1.0, 8.0, 12.0, 15.0)
FULL = Size(300, 3_000, 0.4, 7.0, 9.0, 8.0)


@dataclass(frozen=True, slots=True)
class Known:
    """What ``reference.py`` found.

    Attributes:
        probability: Of phi and psi, of all atoms ``(36, 36)``.
        scatter: Root mean square difference of the maps of its two runs, in kJ/mol.
        seconds: CPU time of both.
        beads: Held-out geometries ``(n, 6, 3)``, in Angstrom.
        forces: Their mean forces, in eV/Angstrom.
        errors: Standard errors of these.
    """

    probability: FloatArray
    scatter: float
    seconds: float
    beads: FloatArray
    forces: FloatArray
    errors: FloatArray

    @classmethod
    def load(cls, path: Path = HERE / "reference.json") -> Known:
        """Read the file."""
        record = json.loads(path.read_text(encoding="utf-8"))
        one, two = (np.array(run["density"]) for run in record["maps"])
        probability = (one + two) / (one.sum() + two.sum())
        where = free_energy(probability) < TELLING
        held = {name: np.array(values) for name, values in record["held_out"].items()}
        return cls(
            probability,
            rms(free_energy(one)[where] - free_energy(two)[where]),
            sum(run["cpu_seconds"] for run in record["maps"]),
            held["positions"],
            held["forces"],
            held["errors"],
        )


def rms(values: FloatArray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def batch_of(beads: FloatArray) -> Batch:
    """Geometries ``(n, 6, 3)`` as samples."""
    return Batch.stack(numbers=np.tile(NUMBERS, (len(beads), 1)), positions=beads)


def forces_of(model: Model) -> Forces:
    """The committee's mean force."""

    def forces(beads: FloatArray) -> FloatArray:
        return np.asarray(model.predict(batch_of(beads)).mean["forces"])

    return forces


# ------------------------------------------------------------------------------------------- maps


@dataclass(frozen=True, slots=True)
class Sampled:
    """What dynamics on a learned potential gave.

    Attributes:
        probability: Of phi and psi ``(36, 36)``.
        error: Root mean square error of the free energy where it tells, in kJ/mol, without the
            best constant; cells that nobody visited count with ``TELLING``.
        helix: Share of the right-handed helix.
        left: Free energy of phi > 0 against phi < 0, in kJ/mol.
        lost: How often a walker left the molecule.
        speed: Steps of one molecule in a second of CPU time.
    """

    probability: FloatArray
    error: float
    helix: float
    left: float
    lost: int
    speed: float


def shares(probability: FloatArray) -> tuple[float, float]:
    """Share of the right-handed helix, and free energy of phi > 0 in kJ/mol."""
    turned = (CENTRES > -120) & (CENTRES < 50)
    left = float(probability[CENTRES > 0].sum())
    return float(probability[np.ix_(CENTRES < 0, turned)].sum()), float(
        -KJ * np.log(max(left, 1e-12) / (1 - left))
    )


def map_error(probability: FloatArray, true: FloatArray) -> float:
    """See :class:`Sampled`."""
    known = free_energy(true)
    where = known < TELLING
    off = free_energy(probability)[where] - known[where]
    weights = true[where] * np.isfinite(off)
    off = off - np.average(np.nan_to_num(off, posinf=0.0), weights=weights)
    return rms(np.where(np.isfinite(off), np.clip(off, -TELLING, TELLING), TELLING))


def sample(forces: Forces, known: Known, steps: int, seed: int) -> Sampled:
    """The torsion map of beads, by dynamics with a bias that would make all atoms' map flat."""
    rng = np.random.default_rng(seed)
    bias = Bias.against(free_energy(known.probability))
    starts = known.beads[rng.integers(0, len(known.beads), 128)]
    begin = time.process_time()
    walked: Walked = walk(forces, starts, steps, rng, bias)
    seconds = time.process_time() - begin
    angles = walked.angles[len(walked.angles) // 10 :].reshape(-1, 2)
    found = density(angles, bias(angles))
    error = map_error(found, known.probability)
    return Sampled(found, error, *shares(found), walked.lost, 128 * steps / seconds)


# ------------------------------------------------------------------------------------------- rows


def map_rows(got: Sampled, known: Known, size: Size) -> list[Row]:
    """Structure: the torsion map against that of all atoms."""
    helix, left = shares(known.probability)
    return [
        below("torsion map, rms error below 15 kJ/mol", size.map, got.error, "kJ/mol"),
        near(
            "right-handed helix, against the rest",
            *_against(helix, got.helix),
            size.helix,
            "kJ/mol",
        ),
        near("left-handed, free energy of phi > 0", left, got.left, size.left, "kJ/mol"),
    ]


def _against(*shares: float) -> list[float]:
    """Free energies of parts of the map against the rest of it, in kJ/mol."""
    held = np.clip(shares, 1e-12, 1 - 1e-12)
    return [float(energy) for energy in -KJ * np.log(held / (1 - held))]


def force_rows(model: Model, known: Known, size: Size) -> list[Row]:
    """Mean forces that nobody learned, and whether doubts tell their errors."""
    said = model.predict(batch_of(known.beads))
    off = np.asarray(said.mean["forces"]) - known.forces
    worst = np.linalg.norm(off, axis=2).max(axis=1)
    ranks = np.argsort(np.argsort([said.uncertainty("forces"), worst], axis=1), axis=1)
    name = f"held-out mean forces (of {rms(known.forces):.2f}), rms error"
    return [
        below(name, size.forces, rms(off), "eV/Å"),
        above(
            "rank correlation of doubt and error", 0.2, float(np.corrcoef(ranks)[0, 1]), digits=2
        ),
    ]


def label_rows(known: Known) -> list[Row]:
    """Whether labels scatter as much as their errors say."""
    (one, first), (two, second) = (mean_forces(known.beads[:8], seed) for seed in (100, 200))
    scatter = (one - two) / np.hypot(first, second)
    return [
        near("scatter of labels asked twice, in their errors", 1.0, rms(scatter), 0.35),
        below("sum of a label's forces", 1e-5, float(np.abs(one.sum(axis=1)).max()), "eV/Å"),
    ]


def law_rows(model: Model, known: Known) -> list[Row]:
    """What must hold whatever was learned."""
    beads = known.beads[:8]
    forces = forces_of(model)(beads)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))  # may reflect, too
    moved = forces_of(model)(beads @ turn + [3.0, -2.0, 1.0])
    torque = np.cross(beads, forces).sum(axis=1)
    step, slopes = 1e-4, np.zeros_like(beads)
    for bead in range(len(NUMBERS)):
        for axis in range(3):
            shift = np.zeros_like(beads)
            shift[:, bead, axis] = step
            ends = [model.predict(batch_of(beads + s)).mean["energy"] for s in (shift, -shift)]
            slopes[:, bead, axis] = (ends[0] - ends[1]) / (2 * step)
    return [
        below("net force", 1e-8, float(np.abs(forces.sum(axis=1)).max()), "eV/Å"),
        below("net torque", 1e-7, float(np.abs(torque).max()), "eV"),
        below(
            "turned, mirrored and moved", 1e-7, float(np.abs(moved - forces @ turn).max()), "eV/Å"
        ),
        below(
            "forces against the energy's slope", 1e-4, float(np.abs(slopes + forces).max()), "eV/Å"
        ),
    ]


def all_atom_speed(steps: int = 4_000) -> float:
    """Steps with all atoms in a second of CPU time."""
    molecule = Molecule(1)
    molecule.put(extended())
    begin = time.process_time()
    molecule.step(steps)
    return steps / (time.process_time() - begin)


# ------------------------------------------------------------------------------------------- runs


def campaign(size: Size, engine: str | None) -> Campaign:
    """The campaign of ``campaign.yaml``."""
    values = Campaign.load(HERE / "campaign.yaml", engine=engine).settings.model_dump()
    values["budget"] = {"labels": size.labels}
    if values["engine"]["kind"] == "inline":
        values["slice"] = {"steps": 50, "seconds": None}
    return Campaign(**values)


def facts_of(result: RunResult, got: Sampled, known: Known) -> dict[str, Any]:
    """What it cost, and what was gained."""
    effective = effective_of(result.folder)
    atoms = all_atom_speed()
    return {
        "labels": len(result.dataset()),
        "steps_per_cpu_second": {"all atoms": atoms, "beads": got.speed},
        "all_atoms_map": {"cpu_seconds": known.seconds, "scatter_kj": known.scatter},
        "effective": {name: effective[name] for name in ("elapsed", "audited", "spent", "t_seq")},
    }


def learn(options: argparse.Namespace) -> int:
    """Run the campaign, or take a run, and examine it; returns the exit code."""
    openmm()
    size, known, begin = FULL if options.full else QUICK, Known.load(), time.monotonic()
    if options.run is None:
        folder = new_folder(Path("runs"), "coarse_grained")
        result = campaign(size, options.engine).run(folder)
    else:
        result = RunResult(options.run, "finished", "as it was found")
    model, learned = result.model(), time.monotonic() - begin
    got = sample(forces_of(model), known, size.steps, 5)
    rows = [*map_rows(got, known, size), *force_rows(model, known, size)]
    rows += [*label_rows(known), *law_rows(model, known)]
    facts = {**facts_of(result, got, known), **told(forces_of(model), got, known)}
    asked = torsions(np.asarray(result.dataset().inputs["positions"]))
    draw_maps(known.probability, got.probability, asked, result.folder / "maps.png")
    save(result.folder, rows, {**facts, "seconds": learned})
    code = finish(rows)
    tell(facts, result, time.monotonic() - begin)
    return code


def told(forces: Forces, got: Sampled, known: Known) -> dict[str, float]:
    """Errors of a potential: forces in eV/Angstrom on both sides of phi, maps in kJ/mol."""
    off = forces(known.beads) - known.forces
    return {
        "forces": rms(off),
        "forces_right": rms(off[torsions(known.beads)[:, 0] < 0]),
        "forces_left": rms(off[torsions(known.beads)[:, 0] > 0]),
        "map": got.error,
        "helix": got.helix,
        "left": got.left,
        "lost": got.lost,
    }


def tell(facts: Mapping[str, Any], result: RunResult, seconds: float) -> None:
    """Print what it cost."""
    speeds = facts["steps_per_cpu_second"]
    spent = facts["effective"]["spent"]
    print(
        f"{facts['labels']} mean forces, {seconds:.0f} s in all; "
        f"{spent['training_simulations'] + spent['other_simulations']:.0f} s of the oracle.\n"
        f"Steps of 2 fs in a second of CPU time: {speeds['all atoms']:,.0f} with all atoms, "
        f"{speeds['beads']:,.0f} of beads.\n"
        f"  report   {result.report()}\n  pictures {result.folder}/maps.png"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Learn and check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path, nargs="?", help="a run's folder, to check it again")
    parser.add_argument("--full", action="store_true", help="300 labels, longer dynamics")
    parser.add_argument("--engine", choices=("processes", "inline", "mpi"))
    options = parser.parse_args(arguments)
    if options.engine == "mpi":
        attend()  # ranks other than 0 work here until the job ends
    try:
        return learn(options)
    except QueristError as error:
        print(f"check: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
