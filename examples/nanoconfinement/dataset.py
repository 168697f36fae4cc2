"""Answers of LAMMPS that were kept, and the picture of them.

    python examples/nanoconfinement/dataset.py runs/nanoconfinement [more folders]

writes ``results/answers.npz`` and ``results/profiles.png`` from the journals of surrogates.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from network import INPUTS, OUTPUTS, network
from numpy.typing import NDArray
from slit import BINS, places

from querist.campaign.labels import LabelReader
from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.roles import FitRequest, Model

RESULTS = Path(__file__).resolve().parent / "results"
Arrays = dict[str, NDArray[np.float64]]


def collected(folders: list[str]) -> Arrays:
    """Inputs and outputs of all answers in these folders, each once."""
    parts = [LabelReader(Path(folder) / "journal").all() for folder in folders]
    found: Arrays = {}
    for name in (*INPUTS, *OUTPUTS):
        rows = [(p.inputs if name in INPUTS else p.outputs)[name] for p in parts]
        found[name] = np.concatenate(rows).astype(np.float64)
    key = np.stack([found[name] for name in INPUTS], axis=1)
    _, once = np.unique(key, axis=0, return_index=True)
    return {name: array[np.sort(once)] for name, array in found.items()}


def keep(found: Arrays, path: Path) -> None:
    """Write answers: one side of the symmetric profiles, in three digits."""
    small = {name: array.astype(np.float32) for name, array in found.items()}
    small["profile"] = found["profile"][:, : BINS // 2 + 1].astype(np.float16)
    np.savez_compressed(path, **small)


def kept() -> Arrays:
    """The answers that come with the example."""
    with np.load(RESULTS / "answers.npz", allow_pickle=False) as file:
        found = {name: np.asarray(file[name], np.float64) for name in file.files}
    half = found["profile"]
    return {**found, "profile": np.concatenate([half, half[:, -2::-1]], axis=1)}


def fitted(found: Arrays, rows: Any, model: Model) -> Model:
    """A model of these rows."""
    inputs = Batch.stack(**{name: found[name][rows] for name in INPUTS})
    outputs = Batch.stack(**{name: found[name][rows] for name in OUTPUTS})
    model.load(model.fit(Dataset(inputs, outputs), FitRequest()).state)
    return model


def predicted(model: Model, found: Arrays, rows: Any) -> Arrays:
    """Means for these rows."""
    said = model.predict(Batch.stack(**{name: found[name][rows] for name in INPUTS}))
    return {name: np.asarray(said.mean[name], np.float64) for name in OUTPUTS}


def split(found: Arrays, seed: int = 0) -> tuple[Any, Any]:
    """A third of the rows to test on, and the others."""
    order = np.random.default_rng(seed).permutation(len(found["peak"]))
    test, train = np.split(order, [len(order) // 3])
    return test, train


def errors(found: Arrays, model: Model | None = None) -> dict[str, tuple[float, float]]:
    """By output: mean absolute error on a third held out, and that of the mean (mol/l)."""
    test, train = split(found)
    said = predicted(fitted(found, train, model or network()), found, test)
    told = {}
    for name in OUTPUTS:
        truth, mean = found[name][test], found[name][train].mean(axis=0)
        told[name] = float(np.abs(said[name] - truth).mean()), float(np.abs(mean - truth).mean())
    return told


def draw(found: Arrays, path: Path) -> None:
    """Held-out profiles, simulated and predicted, and the three numbers against each other."""
    from matplotlib.figure import Figure

    test, train = split(found)
    said = predicted(fitted(found, train, network()), found, test)
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    shown = [int(np.flatnonzero(found["cation"][test] == z)[0]) for z in (1, 2, 3)]
    for colour, row in zip(("tab:blue", "tab:orange", "tab:green"), shown, strict=True):
        at = test[row]
        place = places(found["length"][at], found["diameter"][at])
        salt = f"{found['cation'][at]:.0f}:{found['anion'][at]:.0f}"
        name = f"{salt}, {found['concentration'][at]:.2f} mol/l, {found['diameter'][at]:.2f} nm"
        left.step(place, found["profile"][at], where="mid", color=colour, lw=1, label=name)
        left.plot(place, said["profile"][row], color=colour, lw=2, alpha=0.6)
    left.set_xlabel("distance from a wall, nm")
    left.set_ylabel("density of cations, mol/l")
    left.legend(fontsize=8, title="steps: LAMMPS, lines: model", title_fontsize=8)
    for name in OUTPUTS[:3]:
        right.plot(found[name][test], said[name], ".", label=name)
    top = max(found[name].max() for name in OUTPUTS[:3])
    right.plot([0, top], [0, top], color="0.6", lw=1)
    right.set_xlabel("LAMMPS, mol/l")
    right.set_ylabel("model, mol/l (held out)")
    right.legend(fontsize=8)
    figure.savefig(path, dpi=100)


def main(folders: list[str]) -> None:
    """Collect, keep, draw, and say how good a model is."""
    found = collected(folders) if folders else kept()
    RESULTS.mkdir(exist_ok=True)
    if folders:
        keep(found, RESULTS / "answers.npz")
    draw(found, RESULTS / "profiles.png")
    print(f"{len(found['peak'])} answers; on a third held out (mean absolute error, of the mean):")
    for name, (error, plain) in errors(found).items():
        print(f"  {name:9} {error:.3f} mol/l, {plain:.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
