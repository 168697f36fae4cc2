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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gain
import numpy as np
import problem
import transfer
from drawing import draw_latent, draw_maps, draw_strategies
from dynamics import TEMPERATURE, Segments, temperature
from landscape import shortfall
from molecules import EXTENDED, dihedrals, molecule
from numpy.typing import NDArray
from reference import left_error, plain, reference
from restarts import questions

from querist import Study
from querist.accounting.summary import summarise
from querist.campaign.campaign import Campaign, RunResult
from querist.core.errors import QueristError
from querist.store.reader import read_journal
from querist.testing.checks import Row, above, below, finish, near, new_folder, save
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
LATENT = ("least_visited", "outliers")


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


def kept_in(folder: Path) -> Path:
    """Where torsions of all runs of a study are kept."""
    return folder.with_name(f"{folder.name}-paths")


def strategies(folder: Path, full: bool) -> list[dict[str, Any]]:
    """All runs of the study of ``strategies.yaml``, or of its quick form; gone on with if there."""
    told = load_study(HERE / "strategies.yaml")
    space = {**told.space, "keep": {"choice": [str(kept_in(folder).resolve())]}}
    space |= {} if full else QUICK
    study = Study(told.model_copy(update={"space": space}))
    made = (study.resume if folder.exists() else study.run)(folder, progress=False)
    failed = [str(trial.failure) for trial in made.trials if trial.failure]
    if failed:
        raise QueristError(f"{len(failed)} runs failed; the first: {failed[0]}")
    return [{**trial.settings, **trial.outputs} for trial in made.trials]


def reference_rows() -> list[Row]:
    """The long plain runs against the flat ones, which know the rare side better."""
    error = shortfall(plain(), reference())
    return [below("map of the long plain runs, off the flat ones, kT", 1.0, error)]


def strategy_rows(pooled: Mapping[str, gain.Pooled]) -> list[Row]:
    """What Markov models of all runs say of the map, which restarts must not have biased."""
    deep = reference().free_energy[reference().free_energy < DEEP]
    errors = np.concatenate([one.differences() for one in pooled.values()])
    name = "median error of maps by the Markov model / of a flat map"
    return [below(name, 0.75, float(np.median(errors) / deep.std()))]


def gain_rows(runs: Sequence[Mapping[str, Any]], gained: Mapping[str, Any]) -> list[Row]:
    """Of the full form: the rare side is found sooner, and its weight is right all the same."""
    latent = [run for run in runs if run["strategy"] in LATENT]
    together = gain.rate_of(latent, "first_left").over(gain.plain_rate(runs))[0]
    known, cells = gained["torsion_cells"]["first_left"], gained["torsion_cells"]
    bias = abs(float(np.log(max(cells["left"], 1e-9) / reference().left)))
    return [
        above(
            "phi > 0 found, times as often as plain: cells of torsions", 1.5, known["times_plain"]
        ),
        above(f"  latent strategies ({', '.join(LATENT)})", 1.2, together),
        below("cells of torsions: weight of phi > 0 by all seeds, off, kT", 1.5, bias),
        below("  map by all seeds, off, kT", 1.0, cells["errors"][-1]),
    ]


def described(gained: Mapping[str, Any]) -> str:
    """What strategies found, at equal simulated time."""
    header = f"{'strategy':14} phi > 0 seen  a ns  times plain         all basins"
    lines = [f"{header}  map, kT  phi > 0: Markov            counted  CPU s"]
    for name, one in gained.items():
        first, every = one["first_left"], one["first_all"]
        (low, high), (a, b) = first["times_plain_interval"], one["left_interval"]
        times = "" if name == "plain" else f"{first['times_plain'] or 0:.1f} ({low:.1f}-{high:.1f})"
        found, rate = f"{first['events']} of {one['runs']}", first["per_nanosecond"]
        lines.append(
            f"{name:14} {found:12}  {rate:4.2f}  {times:18}  {every['events']:10}"
            f"  {one['errors'][-1]:7.2f}  {one['left']:7.2%} ({a:.2%}-{b:.2%})"
            f"  {one['counted_left']:8.2%}  {one['cpu_seconds']:5.0f}"
        )
    return "\n".join([*lines, f"known: {reference().left:.2%} +- {left_error():.2%}"])


def drawn(
    runs: Sequence[Mapping[str, Any]], pooled: Mapping[str, gain.Pooled], folder: Path
) -> Any:
    """What choosing gained; draws it, and the maps."""
    gained = gain.gains(runs, pooled)
    draw_strategies(runs, gained, (reference().left, left_error()), folder / "strategies.png")
    shown = pooled.get("torsion_cells", pooled["least_visited"])
    maps = {
        "known (flat run)": reference(),
        "plain dynamics": pooled["plain"].counted(),
        "restarted, counted": shown.counted(),
        "restarted, Markov model": shown.map(),
    }
    draw_maps(maps, folder / "maps.png")
    print(described(gained))
    return gained


def examine(options: argparse.Namespace, folder: Path) -> list[Row]:
    """Everything that is run and checked."""
    segments = Segments(options.system)
    count = SEGMENTS[options.system][int(options.full)]
    result = campaign(options.system, count).run(folder)
    rows = restart_rows(result, options.system, count) + latent_rows(result, segments, folder)
    facts: dict[str, Any] = {"busy": utilisation(folder)}
    if options.system == "alanine":
        made = folder.with_name(f"{folder.name}-strategies")
        facts["runs"] = runs = strategies(made, options.full)
        names = dict.fromkeys(run["strategy"] for run in runs)
        pooled = {name: gain.Pooled.load(name, kept_in(made)) for name in names}
        facts["gained"] = drawn(runs, pooled, folder)
        rows = dynamics_rows(segments) + rows + strategy_rows(pooled) + reference_rows()
        rows += gain_rows(runs, facts["gained"]) if options.full else []
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
