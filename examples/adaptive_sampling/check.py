"""Check: do walkers that begin where little was seen find more than plain dynamics does?

    python examples/adaptive_sampling/check.py [--full] [--system chignolin] [--folder RUN]

The quick form runs the campaign and two strategies with two seeds, the full one all strategies with
ten. ``--system chignolin`` runs the campaign of another molecule. It prints wanted against got,
writes pictures and ``check.json`` into the run's folder, and ends with exit code 1 if anything
fails.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import compare
import numpy as np
import problem
import transfer
from drawing import draw_latent, draw_maps, draw_strategies
from dynamics import TEMPERATURE, Segments, temperature
from landscape import counted, markov
from molecules import EXTENDED, dihedrals, molecule
from numpy.typing import NDArray
from reference import crossings, reference, reference_torsions
from restarts import questions

from querist import Study
from querist.accounting.summary import summarise
from querist.campaign.campaign import Campaign, RunResult
from querist.core.errors import QueristError
from querist.store.reader import read_journal
from querist.testing.checks import Row, below, finish, near, new_folder, save
from querist.tuning.settings import load_study

HERE = Path(__file__).resolve().parent
SEED = 7
QUICK = {
    "strategy": {"choice": ["plain", "least_visited"]},
    "seed": {"integer": [0, 1]},
    "labels": {"choice": [100]},
}
SEGMENTS = {"alanine": (100, 150), "chignolin": (40, 200)}  # of the quick and of the full form
CLUSTERS = 6
DEEP = 5.0  # kT; bins of maps that are compared


def dynamics_rows(segments: Segments) -> list[Row]:
    """The molecule and the engine, against what is known of them."""
    built = segments.molecule
    angles = dihedrals(built.positions[None], built.torsions)[0]
    first, again = (segments(built.positions, SEED)["frames"] for _ in range(2))
    heat = temperature(segments, 200, SEED)
    return [
        near("torsions of the built molecule: phi, degrees", EXTENDED[0], angles[0], 1.0),
        near("  psi, degrees", EXTENDED[1], angles[1], 1.0),
        below("one question asked twice: change of frames, Å", 1e-9, np.abs(first - again).max()),
        near("mean kinetic temperature, K", TEMPERATURE, heat, 0.1 * TEMPERATURE),
    ]


def campaign(system: str, labels: int) -> Campaign:
    """The campaign of ``campaign.yaml``, of a molecule."""
    told = Campaign.load(HERE / "campaign.yaml").settings.model_dump()
    for role in (told["generators"][0], told["model"], told["oracles"]["dynamics"]):
        role["options"] = {**role["options"], "system": system}
    return Campaign(**{**told, "budget": {"labels": labels}})


def utilisation(folder: Path) -> dict[str, float]:
    """Share of the time in which workers were busy, by what they do, from the journal."""
    pools = summarise(list(read_journal(folder / "journal")))["workers"]["pools"]
    return {name: float(pool["share"]) for name, pool in pools.items() if pool["share"]}


def restart_rows(result: RunResult, system: str, count: int) -> list[Row]:
    """Where walkers began, against what was seen, in cells of the latent space."""
    data, model = result.dataset(), result.model()
    frames, begun = problem.seen(data), np.asarray(data.inputs["positions"], np.float32)
    known = {frame.tobytes() for frame in frames}
    known.add(molecule(system).positions.astype(np.float32).tobytes())
    strange = sum(frame.tobytes() not in known for frame in begun)
    return [
        Row("segments", str(count), str(len(data)), len(data) == count),
        Row("walkers that began where nobody was", "0", str(strange), strange == 0),
        *(rare_row(model, frames, name) for name in ("least_visited", "outliers")),
    ]


def rare_row(model: Any, frames: NDArray[np.float32], name: str) -> Row:
    """Whether a strategy's first twentieth of all frames lies where little was seen."""
    batch = questions(frames, np.random.default_rng(SEED))
    cells = model.cells_of(model.nets[0].encode(model.images(frames)))
    visits = np.bincount(cells, minlength=len(model.centres))[cells]
    wanted = model.predict(batch).uncertainty(name)
    first = np.argsort(-wanted)[: len(frames) // 20]
    ratio = float(visits[first].mean() / visits.mean())
    return below(f"{name}: visits of cells where it begins / of all frames'", 0.7, ratio)


def latent_rows(result: RunResult, segments: Segments, folder: Path) -> list[Row]:
    """The latent space on a trajectory that it was not trained on; draws it, clustered."""
    model, atoms = result.model(), segments.molecule.torsions
    frames, other = problem.seen(result.dataset()), transfer.unseen(segments, 500, SEED)
    places, apart = (model.nets[0].encode(model.images(x)) for x in (frames, other))
    known, asked = dihedrals(frames, atoms), dihedrals(other, atoms)
    if len(atoms) > 2:  # distances of alpha carbons do not tell single torsions
        seen, true = model.images(frames), model.images(other)
        error, blind = _rms(model.nets[0].decode(apart) - true), _rms(seen.mean(axis=0) - true)
        return [below("unseen trajectory: error of pictures / of the mean's", 0.8, error / blind)]
    error = transfer.torsion_error((places, known), (apart, asked))
    blind = transfer.blind_error(known, asked)
    clusters = transfer.clusters_of(places, CLUSTERS, SEED)
    draw_latent(places, known, clusters, (apart, asked), folder / "latent.png")
    return [below("unseen trajectory: error of torsions / of a blind guess", 0.8, error / blind)]


def _rms(away: NDArray[Any]) -> float:
    return float(np.sqrt((away**2).mean()))


def strategies(folder: Path, full: bool) -> list[dict[str, Any]]:
    """All runs of the study of ``strategies.yaml``, or of its quick form; gone on with if there."""
    told = load_study(HERE / "strategies.yaml")
    told = told if full else told.model_copy(update={"space": {**told.space, **QUICK}})
    study = Study(told)
    made = (study.resume if folder.exists() else study.run)(folder, progress=False)
    failed = [str(trial.failure) for trial in made.trials if trial.failure]
    if failed:
        raise QueristError(f"{len(failed)} runs failed; the first: {failed[0]}")
    return [{**trial.settings, **trial.outputs} for trial in made.trials]


def strategy_rows(runs: Sequence[dict[str, Any]]) -> list[Row]:
    """What Markov models of all runs say of the map, which restarts must not have biased."""
    deep = reference().free_energy[reference().free_energy < DEEP]
    errors = float(np.median([run["map_error"] for run in runs]))
    name = "median error of maps by the Markov model / of a flat map"
    return [below(name, 0.75, errors / float(deep.std()))]


def described(runs: Sequence[dict[str, Any]]) -> str:
    """What strategies found, at equal simulated time."""
    names = [name for name in compare.STRATEGIES if any(r["strategy"] == name for r in runs)]
    lines = [f"{name:14} {_found(runs, name)}" for name in names]
    often = 1000.0 * crossings() / len(reference_torsions())
    lines.append(f"{'the long run':14} {often:.2f} a nanosecond")
    return "\n".join([f"runs of {runs[0]['simulated']:.0f} ps with phi > 0 seen:", *lines])


def _found(runs: Sequence[dict[str, Any]], name: str) -> str:
    mine = [run for run in runs if run["strategy"] == name]
    found, cells = sum(run["found"] for run in mine), np.mean([run["cells"] for run in mine])
    rate = 1000.0 * found / sum(run["first_left"] for run in mine)
    return f"{found:.0f} of {len(mine)}, {rate:.2f} a nanosecond; {cells:.0f} cells"


def maps(result: RunResult, folder: Path) -> None:
    """Draw the free energy of the campaign, as it is counted and by the Markov model."""
    torsions = compare.torsions_of(result.dataset())
    told = {
        "reference": reference(),
        "restarted, counted": counted(torsions),
        "restarted, Markov model": markov(list(torsions), compare.LAG),
    }
    draw_maps(told, folder / "maps.png")


def examine(options: argparse.Namespace, folder: Path) -> list[Row]:
    """Everything that is run and checked."""
    segments = Segments(options.system)
    count = SEGMENTS[options.system][int(options.full)]
    result = campaign(options.system, count).run(folder)
    rows = restart_rows(result, options.system, count) + latent_rows(result, segments, folder)
    facts: dict[str, Any] = {"busy": utilisation(folder)}
    if options.system == "alanine":
        runs = strategies(folder.with_name(f"{folder.name}-strategies"), options.full)
        rows = dynamics_rows(segments) + rows + strategy_rows(runs)
        draw_strategies(runs, runs[0]["simulated"], folder / "strategies.png")
        maps(result, folder)
        facts["runs"] = runs
        print(described(runs))
    save(folder, rows, facts)
    busy = ", ".join(f"{name} {100 * share:.0f} %" for name, share in facts["busy"].items())
    print(f"busy: {busy}\n  pictures and check.json in {folder}")
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help="all strategies, ten seeds")
    parser.add_argument("--system", choices=("alanine", "chignolin"), default="alanine")
    parser.add_argument("--folder", type=Path, help="of the run")
    options = parser.parse_args(arguments)
    folder = options.folder or new_folder(Path("runs"), "adaptive_sampling")
    try:
        return finish(examine(options, folder))
    except QueristError as error:
        print(f"check: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
