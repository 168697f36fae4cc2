"""Learns the transfer of a hydrogen between peptides, and compares barriers with the oracle's.

``python check.py [--full] [--engine ENGINE]``. The quick form takes 100 labels and 3 held-out
sites, the full one 240 labels and 20 sites. Nothing is read from a table: the oracle's barriers are
computed here. It prints wanted against got, writes pictures, a report and ``check.json`` into the
run's folder, and ends with exit code 1 if anything fails.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from drawing import barriers, draw_barriers, draw_paths  # noqa: E402
from paths import CommitteeSurface, OracleSurface, Transfer, transfers  # noqa: E402
from peptides import (  # noqa: E402
    KCAL_PER_MOL,
    MASSES,
    MULTIPLICITY,
    NUMBERS,
    SWAP,
    FloatArray,
    geometries,
    net_force_and_torque,
    rotation,
    sites,
)
from scipy.stats import spearmanr  # noqa: E402

from querist.campaign.campaign import Campaign, RunResult  # noqa: E402
from querist.core.batch import Batch  # noqa: E402
from querist.core.errors import QueristError, UnsupportedSample  # noqa: E402
from querist.core.prediction import Feedback, Prediction, Verdict, Verdicts  # noqa: E402
from querist.core.roles import Model  # noqa: E402
from querist.engines.mpi import attend  # noqa: E402
from querist.generators.langevin import ACCELERATION, LangevinWalkers  # noqa: E402
from querist.oracles.xtb import xtb  # noqa: E402
from querist.store.reader import read_journal  # noqa: E402
from querist.testing.checks import Row, below, finish, new_folder, save, table  # noqa: E402

HERE = Path(__file__).resolve().parent
SEED = 20_000
"""Of the held-out sites and everything else drawn here; no campaign uses it."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done.

    Attributes:
        labels: Answers of the oracle.
        sites: Held out, each with a barrier forward and one backward.
        points: Of each path.
        independent: Whether the oracle's relaxations begin where the fragments were put, not at the
            surrogate's geometries.
        steps: Of dynamics without a thermostat at most.
        error: Allowed mean error of barriers, in kcal/mol.
        rank: Wanted rank correlation of doubt and error.
        engine: Where the campaign runs; None as its file says.
    """

    labels: int
    sites: int
    points: int
    independent: bool
    steps: int
    error: float
    rank: float = 0.3
    engine: str | None = None


# What many workers ask differs from run to run, which with few labels shows.
QUICK = Size(100, 3, 7, False, 200, 4.0, 0.1, "inline")
FULL = Size(240, 20, 9, True, 2000, 1.0)

TIME_STEP = 0.25
"""Of dynamics, in fs."""

REJECTED = 1.5
"""Doubt in eV/A that the campaign's gate rejects (campaign.yaml)."""

DRIFT_BELOW = 5.0
"""Change of the total energy in dynamics, in meV; 25 atoms at 300 K have 970 meV of kinetic."""


def campaign(size: Size, engine: str | None, file: str = "campaign.yaml") -> Campaign:
    """The campaign of a file, with the budget of a size."""
    values = Campaign.load(HERE / file, engine=engine or size.engine).settings.model_dump()
    values["budget"] = {"labels": size.labels}
    if values["engine"]["kind"] == "inline":
        values["slice"] = {"steps": 20, "seconds": None}
    return Campaign(**values)


def explored(run: Path) -> int:
    """Geometries that the model was asked for."""
    facts = read_journal(run / "journal")
    return sum(int(fact.data["proposed"]) for fact in facts if fact.kind == "explored")


# ------------------------------------------------------------------------------------------- rows


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Both surfaces at sites that no campaign has seen.

    Attributes:
        true, said: Paths of the oracle and of the surrogate, each relaxed on its own surface.
        calls: Of the oracle.
    """

    true: list[Transfer]
    said: list[Transfer]
    calls: int


def held_out(model: Model, size: Size) -> HeldOut:
    """Compute all barriers on both surfaces."""
    placed = sites(size.sites, np.random.default_rng(SEED))
    oracle = OracleSurface(xtb())
    said = transfers(CommitteeSurface(model), placed, size.points)
    true = transfers(oracle, placed, size.points, None if size.independent else said)
    return HeldOut(true, said, oracle.calls)


def barrier_rows(seen: HeldOut, limit: float) -> tuple[list[Row], dict[str, Any]]:
    """The error of barriers, and that of a guess that knows their mean."""
    wanted, got = barriers(seen.true), barriers(seen.said)
    error = np.abs(got - wanted)
    guess = float(np.abs(wanted - wanted.mean()).mean())
    shift = [np.ptp(path.energies[[0, -1]]) for path in seen.true]
    reaction = np.abs((got[:, 0] - got[:, 1]) - (wanted[:, 0] - wanted[:, 1]))
    on = f"of {wanted.size} barriers of {wanted.min():.1f} to {wanted.max():.1f} kcal/mol"
    rows = [
        below(f"mean error {on}, kcal/mol", limit, float(error.mean())),
        below(
            "  the same, against a guess that knows their mean", 1.0, float(error.mean()) / guess
        ),
    ]
    facts = {
        "mean_error": float(error.mean()),
        "largest_error": float(error.max()),
        "median_error": float(np.median(error)),
        "bias": float((got - wanted).mean()),
        "guess": guess,
        "reaction_energy_error": float(reaction.mean()),
        "largest_reaction_energy": float(max(shift)) / KCAL_PER_MOL,
        "barriers": wanted.tolist(),
        "surrogate": got.tolist(),
        "oracle_calls_of_the_check": seen.calls,
    }
    return rows, facts


def force_rows(
    model: Model, seen: HeldOut, limit: float, rng: np.random.Generator
) -> tuple[list[Row], float]:
    """Forces on the oracle's paths, shaken by 0.03 A, and whether doubt ranks their errors."""
    there = np.concatenate([path.positions for path in seen.true])
    there = there + 0.03 * rng.standard_normal(there.shape)
    surface = CommitteeSurface(model)
    difference = surface(there)[1] - OracleSurface(xtb())(there)[1]
    worst = np.linalg.norm(difference, axis=-1).max(axis=-1)
    rank = float(spearmanr(surface.disagreement(there), worst).statistic)
    row = Row("rank correlation of doubt and error", f"> {limit:g}", f"{rank:.2f}", rank > limit)
    return [row], 1000.0 * float(np.abs(difference).mean())


def law_rows(model: Model, seen: HeldOut, size: Size, rng: np.random.Generator) -> list[Row]:
    """What must hold whatever was learned."""
    surface = CommitteeSurface(model)
    here = np.concatenate([path.positions for path in seen.said])
    energies, forces = surface(here)
    turn = rotation(rng.standard_normal(3), 1.0)
    turned = surface(here @ turn.T + 2.0)
    swapped = surface(here[:, SWAP])
    away = [np.abs(turned[0] - energies).max(), np.abs(turned[1] - forces @ turn.T).max()]
    other = [np.abs(swapped[0] - energies).max(), np.abs(swapped[1] - forces[:, SWAP]).max()]
    net, torque = net_force_and_torque(here, forces)
    change, lasted = drift(surface, here, size)
    return [
        below("turned and moved: change of energy (eV), forces (eV/Å)", 1e-6, float(max(away))),
        below("fragments exchanged: likewise", 1e-6, float(max(other))),
        below("net force, eV/Å", 1e-8, net),
        below("net torque, eV", 1e-8, torque),
        below(f"total energy over {lasted:g} fs of dynamics, meV", DRIFT_BELOW, change),
        Row("a singlet is refused", "yes", *_refused(model, here)),
    ]


def _refused(model: Model, here: FloatArray) -> tuple[str, bool]:
    columns = geometries(here[:1]).columns
    singlet = Batch({**columns, "multiplicity": Batch.stack(m=[MULTIPLICITY - 1]).columns["m"]})
    try:
        model.predict(singlet)
    except UnsupportedSample:
        return "yes", True
    return "no", False


def drift(surface: CommitteeSurface, here: FloatArray, size: Size) -> tuple[float, float]:
    """Largest change of the total energy without a thermostat, two walkers from 300 K.

    It ends where the committee's doubt of either walker is what the campaign's gate rejects: beyond
    it nothing was learned, and a campaign's walkers are put back.

    Returns:
        In meV, and after how many fs it ended.
    """
    starts = geometries(here[[0, size.points - 1]])
    walkers = LangevinWalkers(starts, 2, 300.0, time_step=TIME_STEP, friction=0.0, seed=SEED)
    trust = Verdicts(np.full(2, Verdict.TRUST, np.int8), np.zeros(2))
    masses, totals = MASSES[NUMBERS][:, None], []
    for _ in range(size.steps):
        proposal = walkers.propose()
        positions = np.asarray(proposal.batch["positions"], np.float64)
        if totals and surface.disagreement(positions).max() > REJECTED:
            break
        energies, forces = surface(positions)
        said = Prediction(Batch.stack(energy=energies, forces=forces), Batch({}))
        walkers.observe(Feedback(proposal.walkers, said, trust))
        velocities = np.asarray(walkers.state()[0]["velocities"], np.float64)
        kinetic = 0.5 * (masses * velocities**2).sum(axis=(1, 2)) / ACCELERATION
        totals.append(energies + kinetic)
    total = np.stack(totals)
    return 1000.0 * float(np.abs(total - total[0]).max()), len(totals) * TIME_STEP


def examine(model: Model, size: Size, folder: Path) -> tuple[list[Row], dict[str, Any]]:
    """Everything that is checked of one model; pictures go into the folder."""
    rng = np.random.default_rng(SEED + 1)
    seen = held_out(model, size)
    rows, facts = barrier_rows(seen, size.error)
    doubts, error = force_rows(model, seen, size.rank, rng)
    rows += [*doubts, *law_rows(model, seen, size, rng)]
    draw_barriers(seen.true, seen.said, folder / "barriers.png")
    draw_paths(seen.true, seen.said, folder / "paths.png")
    return rows, {**facts, "force_mae_meV_per_A": error}


# ------------------------------------------------------------------------------------------ output


def learn(options: argparse.Namespace) -> list[Row]:
    """Run the campaign and examine what it learned."""
    size = FULL if options.full else QUICK
    begin = time.monotonic()
    if options.run is None:
        folder = new_folder(Path("runs"), "hydrogen_transfer")
        result: RunResult = campaign(size, options.engine).run(folder)
        labels, model = len(result.dataset()), result.model()
    else:
        folder = options.run
        labels, model = 0, Campaign.of_run(folder).model(folder)
    learned = time.monotonic() - begin
    rows, facts = examine(model, size, folder)
    looked = explored(folder)
    seconds = {"learning": learned, "check": time.monotonic() - begin - learned}
    save(folder, rows, {**facts, "labels": labels, "explored": looked, "seconds": seconds})
    print(table(rows))
    print(
        f"{labels} labels, {looked:,} geometries explored; force error on shaken paths "
        f"{facts['force_mae_meV_per_A']:.0f} meV/Å, largest error of a barrier "
        f"{facts['largest_error']:.2f} kcal/mol.\nLearned in {learned:.0f} s, checked in "
        f"{seconds['check']:.0f} s.\n  pictures {folder}/barriers.png, paths.png"
    )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Learn and check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path, nargs="?", help="a run's folder, to check it again")
    parser.add_argument("--full", action="store_true", help="240 labels, 20 held-out sites")
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
