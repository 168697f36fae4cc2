"""Barriers by a committee of MACE potentials, beside the kernel committee's of the same labels.

``python compare_mace.py [RUN] [--python PYTHON] [--labels N] [--sites N] [--finish N] [--tune N]``.
Runs ``campaign-mace.yaml`` (or takes a run of it), fits the kernel committee to the labels that it
chose, and computes the barriers of the 20 held-out sites of ``check.py`` on both. Of a run of
``campaign.yaml`` it takes the labels, and fits the MACE committee to them. The oracle's own
barriers there are read from ``results/check.json``, which ``check.py --full`` wrote; ``--again``
computes them anew (7,319 calls). ``--finish N`` fits all labels once more, from the campaign's last
weights, in N passes. ``--tune N`` fine-tunes a member from a checkpoint trained on half
of the labels, on the other half, and fits another to that half from nothing, N passes each. It
prints a table and writes ``mace.json`` and ``mace.png`` into the run's folder.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from check import HERE, SEED
from drawing import barriers, draw_committees
from paths import CommitteeSurface, OracleSurface, transfers
from peptides import FloatArray, geometries, sites
from problem import Scans, force_field

from querist.campaign.campaign import Campaign
from querist.campaign.handlers.parts import load_state
from querist.campaign.labels import LabelReader
from querist.campaign.models import published_model
from querist.core.answers import Dataset, Purpose
from querist.core.roles import FitRequest, Model, ModelState
from querist.models.external.model import External
from querist.oracles.xtb import xtb
from querist.store.run_folder import RunFolder

SITES, POINTS = 20, 9
"""As of ``check.py --full``."""
LENGTH_SCALE = 7.0
"""Of the kernel committee, in 1/Angstrom, as in ``campaign.yaml``."""
TESTED = 60
"""Geometries drawn at random on which forces are compared."""


def campaign(options: argparse.Namespace) -> Campaign:
    """That of ``campaign-mace.yaml``, with what was asked for."""
    settings = Campaign.load(HERE / "campaign-mace.yaml", engine=options.engine).settings
    values = settings.model_dump()
    how = values["model"]["options"]
    if options.python:
        how["python"] = options.python
    if options.epochs:
        how["options"]["epochs"] = options.epochs
    if options.labels:
        values["budget"] = {"labels": options.labels}
    if values["engine"]["kind"] == "inline":
        values["slice"] = {"steps": 5, "seconds": None}
    return Campaign(**values)


def external(run: Campaign, **changes: Any) -> External:
    """The campaign's model as it is made there, some of its script's options changed."""
    options = dict(run.settings.model.options)
    members = changes.pop("members", options["members"])
    return External(**options | {"members": members, "options": options["options"] | changes})


def cpu_seconds() -> float:
    """Of this process, and of those it started that have ended."""
    return sum(os.times()[:4])


def true_barriers(placed: FloatArray, again: bool) -> FloatArray:
    """``(sites, 2)`` the oracle's, in kcal/mol."""
    if again:
        return barriers(transfers(OracleSurface(xtb()), placed, POINTS))
    recorded = json.loads((HERE / "results" / "check.json").read_text(encoding="utf-8"))
    return np.array(recorded["barriers"])


class Tested:
    """Geometries that no campaign chose, and what the oracle says of them."""

    def __init__(self, count: int = TESTED) -> None:
        there = Scans(1, seed=SEED + 2).initial(count)["positions"]
        self.positions = np.asarray(there, np.float64)
        self.forces = OracleSurface(xtb())(self.positions)[1]

    def error(self, model: Model) -> float:
        """Mean absolute error of force components, in meV/A."""
        said = model.predict(geometries(self.positions)).mean["forces"]
        return 1000.0 * float(np.abs(np.asarray(said) - self.forces).mean())


def judged(model: Model, placed: FloatArray, wanted: FloatArray, tested: Tested) -> dict[str, Any]:
    """Errors of one committee."""
    got = barriers(transfers(CommitteeSurface(model), placed, POINTS))
    error = np.abs(got - wanted)
    whole = np.isfinite(error)
    return {
        "force_mae_meV_per_A": tested.error(model),
        "barriers": got.tolist(),
        "whole_paths": int(whole.all(axis=1).sum()),
        "mean_error": float(error[whole].mean()),
        "median_error": float(np.median(error[whole])),
        "largest_error": float(error[whole].max()),
        "bias": float((got - wanted)[whole].mean()),
    }


def tuned(
    run: Campaign, labels: Dataset, passes: int, tested: Tested, folder: Path
) -> dict[str, float]:
    """One member from a checkpoint and from nothing: force errors on :class:`Tested`, meV/A."""
    rows = np.random.default_rng(SEED).permutation(labels.rows(Purpose.TRAIN))
    halves = np.split(rows, [len(rows) // 2])
    first, second = (labels.take(np.sort(half)) for half in halves)
    checkpoint = folder / "checkpoint.model"
    started = external(run, members=1, epochs=passes)
    state = started.fit(first, FitRequest(seed=7)).state
    ((_, weights),) = state.arrays.items()
    checkpoint.write_bytes(np.asarray(weights, np.uint8).tobytes())
    ways: dict[str, tuple[External, ModelState]] = {"checkpoint": (started, state)}
    for name, more in (("tuned", {"checkpoint": str(checkpoint.resolve())}), ("from_nothing", {})):
        model = external(run, members=1, epochs=passes, **more)
        ways[name] = model, model.fit(second, FitRequest(seed=8)).state
    errors = {"labels_of_each_half": float(len(second))}
    for name, (model, state) in ways.items():
        model.load(state)
        errors[name] = tested.error(model)
        model.close()
    return errors


@dataclass(frozen=True, slots=True)
class Learned:
    """A MACE committee, and what it learned from.

    Attributes:
        settings: A campaign of ``campaign-mace.yaml``.
        folder: Of the run whose labels these are.
        model: The committee, loaded.
        labels: All.
    """

    settings: Campaign
    folder: Path
    model: Model
    labels: Dataset


def committee(options: argparse.Namespace) -> Learned:
    """Run the campaign, or take a run of it, or fit to the labels of a run of ``campaign.yaml``."""
    if not options.run:
        made = campaign(options)
        result = made.run("runs/hydrogen_transfer_mace")
        found = Learned(made, result.folder, result.model(), result.dataset())
        return finished(found, options.finish)
    folder = Path(options.run)
    made, labels = Campaign.of_run(folder), LabelReader(folder / "journal").all()
    if made.settings.model.use == "external":
        return finished(Learned(made, folder, made.model(folder), labels), options.finish)
    made = campaign(options)
    model = external(made)
    model.load(model.fit(labels, FitRequest(seed=1)).state)
    return Learned(made, folder, model, labels)


def finished(found: Learned, passes: int | None) -> Learned:
    """All labels fitted once more, from the campaign's last weights."""
    if not passes:
        return found
    model = external(found.settings, epochs=passes)
    previous = load_state(found.folder, published_model(RunFolder(found.folder)))
    model.load(model.fit(found.labels, FitRequest(seed=1, previous=previous)).state)
    return replace(found, model=model)


def learn(options: argparse.Namespace) -> dict[str, Any]:
    """All that is compared, as it is written into ``mace.json``."""
    begin = cpu_seconds(), time.monotonic()
    learned = committee(options)
    labels, folder, fitted = learned.labels, learned.folder, cpu_seconds() - begin[0]
    kernel = force_field(4, length_scale=LENGTH_SCALE)
    kernel.load(kernel.fit(labels, FitRequest(seed=1)).state)
    placed, tested = sites(SITES, np.random.default_rng(SEED))[: options.sites], Tested()
    wanted = true_barriers(placed, options.again)[: options.sites]
    guess = float(np.abs(wanted - wanted.mean()).mean())
    found: dict[str, Any] = {"labels": len(labels), "oracle": wanted.tolist(), "guess": guess}
    for name, one in (("mace", learned.model), ("kernel", kernel)):
        found[name] = judged(one, placed, wanted, tested)
    if options.tune:
        found["fine_tuning_meV_per_A"] = tuned(
            learned.settings, labels, options.tune, tested, folder
        )
    if isinstance(learned.model, External):
        learned.model.close()  # its process counts when it has ended
    found["cpu_seconds"] = {"learning": fitted, "all": cpu_seconds() - begin[0]}
    found["seconds"] = time.monotonic() - begin[1]
    text = json.dumps(found, indent=1) + "\n"
    (folder / "mace.json").write_text(text, encoding="utf-8")
    draw_committees(found, folder / "mace.png")
    return found


def told(found: dict[str, Any]) -> str:
    """As text."""
    head = "forces meV/Å  whole paths  barriers kcal/mol: mean, median, largest error, bias"
    lines = [f"{found['labels']} labels; a guess that knows the mean: {found['guess']:.2f}", head]
    for name in ("mace", "kernel"):
        one = found[name]
        errors = [one[k] for k in ("mean_error", "median_error", "largest_error", "bias")]
        numbers = "  ".join(f"{value:.2f}" for value in errors)
        paths = f"{one['whole_paths']:3} of {len(found['oracle'])}"
        lines.append(f"{name:8} {one['force_mae_meV_per_A']:6.0f}  {paths}  {numbers}")
    if "fine_tuning_meV_per_A" in found:
        lines.append(f"fine-tuning, forces meV/Å: {found['fine_tuning_meV_per_A']}")
    cpu = found["cpu_seconds"]
    lines.append(f"CPU: {cpu['learning']:.0f} s to learn, {cpu['all']:.0f} s in all")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("run", nargs="?", help="a run of campaign-mace.yaml or campaign.yaml")
    parser.add_argument("--python", help="the interpreter that has mace-torch; this one's if none")
    parser.add_argument("--engine", choices=("processes", "inline"))
    parser.add_argument("--labels", type=int, help="instead of the file's")
    parser.add_argument("--epochs", type=int, help="of each fit, instead of the file's")
    parser.add_argument("--finish", type=int, help="passes of one more fit to all labels")
    parser.add_argument("--tune", type=int, help="passes of the comparison of fine-tuning")
    parser.add_argument("--sites", type=int, default=SITES, help="only so many of the 20")
    parser.add_argument("--again", action="store_true", help="the oracle's barriers computed anew")
    print(told(learn(parser.parse_args(arguments))))


if __name__ == "__main__":
    main()
