"""Any ASE calculator as an oracle, and with it every code that ASE drives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.answers import Outcome
from querist.core.atoms import atoms_sample, refuse
from querist.core.batch import Array, Batch, Sample
from querist.core.errors import ContractError, ShapeError, require
from querist.core.roles import TaskContext, Validator, WorkerContext
from querist.core.tasks import ONE_CORE, Resources
from querist.oracles.checks import CANCELLED, AnswerCheck, callable_of, declared, failure_of

_MULTIPLICITY = ("multiplicity", "mult")


def ase_atoms(sample: Sample) -> Any:
    """The sample as ``ase.Atoms``.

    A charge and a multiplicity become initial charges and initial magnetic moments, spread evenly
    over the atoms, so that their sums are the charge and the number of unpaired electrons.

    Raises:
        ShapeError: If the sample does not follow the atoms schema.
    """
    ase = require("ase", "atoms", "an ASE calculator")
    arrays = sample.arrays
    if not {"numbers", "positions"} <= set(arrays):
        raise ShapeError(f"a calculator needs numbers and positions; got {sorted(arrays)}.")
    count = len(arrays["numbers"])
    charge, unpaired = charge_of(sample), multiplicity_of(sample) - 1
    return ase.Atoms(
        numbers=arrays["numbers"],
        positions=arrays["positions"],
        cell=arrays.get("cell"),
        pbc=arrays.get("pbc", False),
        charges=np.full(count, charge / count) if charge else None,
        magmoms=np.full(count, unpaired / count) if unpaired else None,
    )


def atoms_to_sample(atoms: Any) -> Sample:
    """The sample of ``ase.Atoms``, as :func:`ase_atoms` makes them.

    Charge and multiplicity are there where the initial charges, or outside of crystals the initial
    magnetic moments, add up to a whole number other than none. Without a periodic direction there
    is no cell; lattice vectors that nothing repeats along may be missing, and get a length.

    Raises:
        ShapeError: If a periodic direction has no lattice vector.
    """
    electrons: dict[str, float] = {}
    if charge := _whole(atoms.get_initial_charges()):
        electrons["charge"] = charge
    if not atoms.pbc.any():
        if unpaired := abs(_whole(atoms.get_initial_magnetic_moments())):
            electrons["multiplicity"] = unpaired + 1
        return atoms_sample(atoms.numbers, atoms.positions, **electrons)
    if not atoms.cell.any(1)[atoms.pbc].all():
        raise ShapeError(
            f"the atoms are periodic (pbc={atoms.pbc.tolist()}), but a lattice vector is missing "
            f"there: {atoms.cell.array.tolist()}."
        )
    cell = atoms.cell.complete().array
    return atoms_sample(atoms.numbers, atoms.positions, cell, atoms.pbc, **electrons)


def _whole(values: Array) -> int:
    total = float(np.sum(values))
    return round(total) if abs(total - round(total)) < 1e-3 else 0


def charge_of(sample: Sample) -> float:
    """Total charge in e."""
    return float(sample.arrays.get("charge", np.zeros(())))


def multiplicity_of(sample: Sample) -> int:
    """2S + 1."""
    return int(sample.arrays.get("multiplicity", np.ones((), np.int64)))


def answering_calculator(
    answer: Callable[[Sample], Mapping[str, Array]], properties: Sequence[str]
) -> Any:
    """An ASE calculator whose results something else gives, for dynamics and relaxations.

    Args:
        answer: Outputs of a sample of the atoms schema; it may raise, and ASE passes that on.
        properties: Outputs that are there: "energy", "forces", "stress" (a ``(3, 3)`` matrix).

    Raises:
        MissingExtra: If ASE is not installed.
    """
    calculators: Any = require("ase.calculators.calculator", "atoms", "an ASE calculator")
    base: Any = calculators.Calculator
    stress = require("ase.stress", "atoms", "an ASE calculator")

    class Answering(base):  # type: ignore[misc]
        implemented_properties = tuple(properties)

        def calculate(
            self,
            atoms: Any = None,
            properties: Any = None,
            system_changes: Any = calculators.all_changes,
        ) -> None:
            super().calculate(atoms, properties, system_changes)
            said = answer(atoms_to_sample(self.atoms))
            found = {name: np.asarray(value) for name, value in said.items()}
            if "stress" in found:
                found["stress"] = stress.full_3x3_to_voigt_6_stress(found["stress"])
            self.results = {
                name: float(value) if value.ndim == 0 else value for name, value in found.items()
            }

    return Answering()


@dataclass(eq=False)
class CalculatorOracle:
    """Asks an ASE calculator, one kept in each worker and made anew after any exception.

    A calculator that has the parameters ``charge`` and ``multiplicity`` (or ``mult``) gets both
    set; all others see them as initial charges and magnetic moments (:func:`ase_atoms`), which
    some calculators ignore: set ``charged=False`` for those, and a charged sample is refused.

    A code that the calculator itself starts is not under Querist's guard: a command that must not
    outlive a killed worker is better asked through :class:`~querist.oracles.command.CommandOracle`.

    Attributes:
        calculator: Makes the calculator: a callable, or "package.module:attribute".
        options: Keyword arguments of it.
        properties: What to compute: "energy" (eV), "forces" (eV/A), "stress" (eV/A^3, given as a
            ``(3, 3)`` matrix), or any other property of the calculator as ASE gives it.
        level: Level of theory.
        validator: Returns the sentence that refuses an answer, or None.
        charged, periodic: Whether it can represent charges and open shells, and periodic cells.
        reset: Whether to reset the calculator before each sample, for answers that do not depend on
            the sample before (many codes start from its wavefunction).
        cost: Cost of one answer, where it is known beforehand.
        resources: What one call needs.
    """

    calculator: Callable[..., Any] | str
    options: Mapping[str, Any] = field(default_factory=dict)
    properties: Sequence[str] = ("energy", "forces")
    level: str = ""
    validator: Validator | str | None = None
    charged: bool = True
    periodic: bool = True
    reset: bool = False
    cost: float | None = None
    resources: Resources = ONE_CORE
    _make: Callable[..., Any] = field(init=False, repr=False)
    _check: AnswerCheck = field(init=False, repr=False)
    _kept: Any = field(default=None, init=False, repr=False)
    _scratch: Path | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._make = callable_of(self.calculator, "a calculator factory")
        validator = self.validator and callable_of(self.validator, "a validator")
        shapes = {name: _SHAPES.get(name) for name in self.properties}
        self._check = AnswerCheck(declared(shapes), validator or None, self.level, self.cost)

    def open(self, context: WorkerContext) -> None:
        """Let file-based calculators work in the worker's scratch folder."""
        self._scratch = context.scratch

    def answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        """One outcome a sample; those after a cancellation are failures that say so."""
        self._scratch = context.worker.scratch
        return [
            CANCELLED if context.should_stop() else self._answer_one(sample)
            for sample in samples.samples()
        ]

    def _answer_one(self, sample: Sample) -> Outcome:
        try:
            refuse(
                Batch.from_samples([sample]),
                periodic=self.periodic,
                charged=self.charged,
                who=self.level or "the calculator",
            )
            atoms = ase_atoms(sample)
            atoms.calc = self._ready(sample)
            raw = {name: _property(atoms, name) for name in self.properties}
        except Exception as error:  # noqa: BLE001 - a calculator may raise anything
            self._kept = None  # it may be in any state now
            return failure_of(error)
        return self._check(sample, raw)

    def _ready(self, sample: Sample) -> Any:
        if self._kept is None:
            self._kept = self._make(**self.options)
            if not hasattr(self._kept, "get_potential_energy"):
                raise ContractError(
                    f"{self.calculator!r} made a {type(self._kept).__name__}, which is no ASE "
                    "calculator: it has no get_potential_energy."
                )
            _place(self._kept, self._scratch)
        elif self.reset:
            self._kept.reset()
        _set_charge(self._kept, sample)
        return self._kept


_SHAPES: dict[str, tuple[int | str, ...]] = {
    "energy": (),
    "forces": ("positions", 3),
    "stress": (3, 3),
}


def _property(atoms: Any, name: str) -> Array | float:
    if name == "energy":
        return float(atoms.get_potential_energy())
    if name == "forces":
        return np.array(atoms.get_forces(apply_constraint=False))
    if name == "stress":
        return np.array(atoms.get_stress(voigt=False))
    return np.asarray(atoms.calc.get_property(name, atoms))


def _place(calculator: Any, scratch: Path | None) -> None:
    # In-memory calculators have the attribute too, and do nothing with it.
    if scratch is not None and str(getattr(calculator, "directory", "")) == ".":
        calculator.directory = str(scratch)


def _set_charge(calculator: Any, sample: Sample) -> None:
    known = getattr(calculator, "default_parameters", {})
    charge, multiplicity = charge_of(sample), multiplicity_of(sample)
    wanted: dict[str, float] = {}
    if "charge" in known:
        wanted["charge"] = int(charge) if charge == int(charge) else charge
    wanted |= {name: multiplicity for name in _MULTIPLICITY if name in known}
    parameters = getattr(calculator, "parameters", {})
    changed = {name: value for name, value in wanted.items() if parameters.get(name) != value}
    if changed:
        calculator.set(**changed)
