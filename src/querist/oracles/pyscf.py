"""Hartree-Fock and density functional theory for molecules, through PySCF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from querist.core.answers import Outcome
from querist.core.atoms import refuse
from querist.core.batch import Array, Batch, Sample
from querist.core.errors import OracleRejected, ShapeError, require
from querist.core.roles import TaskContext, Validator
from querist.core.tasks import ONE_CORE, Resources
from querist.oracles.checks import CANCELLED, AnswerCheck, Field, callable_of, failure_of

HARTREE = 27.211386245988
"""One Hartree in eV (CODATA 2018)."""

BOHR = 0.529177210903
"""One Bohr in Angstrom (CODATA 2018)."""


@dataclass(eq=False)
class HartreeFock:
    """Energies (eV) and analytic forces (eV/A) of molecules; closed shells restricted, others not.

    Attributes:
        basis: Gaussian basis set, "def2-svp".
        method: "hf", or the name of an exchange-correlation functional, "b3lyp".
        max_cycles: Iterations after which an unconverged field is a failure.
        tolerance: Convergence of the energy in Hartree.
        level: Level of theory; ``method/basis`` unless given.
        validator: Returns the sentence that refuses an answer, or None.
        cost: Cost of one answer, where it is known beforehand.
        resources: What one call needs.
    """

    basis: str = "def2-svp"
    method: str = "hf"
    max_cycles: int = 50
    tolerance: float = 1e-9
    level: str = ""
    validator: Validator | str | None = None
    cost: float | None = None
    resources: Resources = ONE_CORE
    _check: AnswerCheck = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.level = self.level or f"{self.method}/{self.basis}"
        validator = self.validator and callable_of(self.validator, "a validator")
        outputs = {"energy": Field(()), "forces": Field(("positions", 3))}
        self._check = AnswerCheck(outputs, validator or None, self.level, self.cost)

    def answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        """One outcome a sample; those after a cancellation are failures that say so."""
        library = require("pyscf.lib", "chem", "Hartree-Fock")
        library.param.TMPDIR = str(context.worker.scratch)
        with library.with_omp_threads(context.worker.threads):
            return [
                CANCELLED if context.should_stop() else self._answer_one(sample, context)
                for sample in samples.samples()
            ]

    def _answer_one(self, sample: Sample, context: TaskContext) -> Outcome:
        try:
            one = Batch.from_samples([sample])
            refuse(one, periodic=False, charged=True, who=self.level)
            raw = self._compute(sample, context)
        except Exception as error:  # noqa: BLE001 - PySCF may raise anything
            return failure_of(error)
        return self._check(sample, raw)

    def _compute(self, sample: Sample, context: TaskContext) -> dict[str, Array | float]:
        field_ = self._field(_molecule(sample, self.basis), context.worker.memory_mb)
        energy = field_.kernel()
        if not field_.converged:
            raise OracleRejected(
                f"the {self.level} field did not converge in {self.max_cycles} cycles "
                f"(last energy {energy:.6f} Hartree)."
            )
        gradient = np.asarray(field_.nuc_grad_method().kernel())
        return {"energy": float(energy) * HARTREE, "forces": -gradient * (HARTREE / BOHR)}

    def _field(self, molecule: Any, memory_mb: int | None) -> Any:
        if self.method.lower() == "hf":
            scf = require("pyscf.scf", "chem", "Hartree-Fock")
            made = (scf.UHF if molecule.spin else scf.RHF)(molecule)
        else:
            dft = require("pyscf.dft", "chem", "density functional theory")
            made = (dft.UKS if molecule.spin else dft.RKS)(molecule, xc=self.method)
        made.max_cycle, made.conv_tol, made.verbose = self.max_cycles, self.tolerance, 0
        keep_no_checkpoint(made)
        if memory_mb is not None:
            made.max_memory = memory_mb
        return made


def keep_no_checkpoint(field: Any) -> None:
    """See that a PySCF field writes no file at every call, and close the one that it has opened."""
    field.chkfile = None
    if opened := getattr(field, "_chkfile", None):
        opened.close()


def _molecule(sample: Sample, basis: str) -> Any:
    if not {"numbers", "positions"} <= set(sample.arrays):
        raise ShapeError(f"a molecule needs numbers and positions; got {sorted(sample.arrays)}.")
    gto = require("pyscf.gto", "chem", "Hartree-Fock")
    return gto.M(
        atom=[
            (int(z), tuple(x)) for z, x in zip(sample["numbers"], sample["positions"], strict=True)
        ],
        unit=BOHR,  # our own constant, so that positions and gradients agree
        basis=basis,
        charge=int(sample.arrays.get("charge", np.zeros(()))),
        spin=int(sample.arrays.get("multiplicity", np.ones((), np.int64))) - 1,
        verbose=0,
    )
