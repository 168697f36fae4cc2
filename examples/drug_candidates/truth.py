"""Every molecule docked into a host: ``python truth.py HOST [EXHAUSTIVENESS] [FOLDER]``.

With ``dynamics`` in the place of an exhaustiveness, poses of eight searches move (:mod:`dynamics`).
Each result is a line of ``FOLDER/HOST-EXHAUSTIVENESS.csv`` (``results`` by default) as soon as it
is known; a second call goes on where the first was stopped. The order is random, so that what there
is is a fair sample.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from docking import dock, ligand_pdbqt
from dynamics import rescore
from molecules import library
from pocket import typed
from receptors import host_named

HERE = Path(__file__).resolve().parent
FIELDS = ("index", "smiles", "energy", "seconds")


def read(path: Path) -> dict[int, tuple[float, float]]:
    """Energy (kcal/mol) and processor seconds of each molecule that was docked, by its index."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["seconds"]]
    return {int(row["index"]): (float(row["energy"]), float(row["seconds"])) for row in rows}


def asked(smiles: str, name: str, fidelity: str) -> tuple[float, float]:
    """Energy (kcal/mol) and processor seconds of one molecule in the host of a name."""
    moves = fidelity == "dynamics"
    found = dock(ligand_pdbqt(smiles), host_named(name), 8 if moves else int(fidelity))
    if not moves:
        return found.energy, found.seconds
    moved = rescore(found.pose, typed(name))
    return moved.energy, found.seconds + moved.seconds


def exhaust(name: str, fidelity: str, folder: Path) -> Path:
    """Ask what is missing in the table; its path."""
    path = folder / f"{name}-{fidelity}.csv"
    known, molecules = read(path), library()
    text = path.read_text(encoding="utf-8") if known else ",".join(FIELDS) + "\n"
    path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")  # without a line cut off
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for index in np.random.default_rng(0).permutation(len(molecules)):
            if int(index) in known:
                continue
            energy, seconds = asked(molecules[index], name, fidelity)
            writer.writerow([index, molecules[index], f"{energy:.3f}", f"{seconds:.2f}"])
            file.flush()
    return path


if __name__ == "__main__":
    _fidelity = sys.argv[2] if len(sys.argv) > 2 else "1"
    _folder = Path(sys.argv[3]) if len(sys.argv) > 3 else HERE / "results"
    _folder.mkdir(parents=True, exist_ok=True)
    print(exhaust(sys.argv[1], _fidelity, _folder))
