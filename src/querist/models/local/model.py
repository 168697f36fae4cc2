"""A potential of atoms' surroundings, linear in its weights, which knows how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset
from querist.core.atoms import refuse
from querist.core.batch import Batch, Column
from querist.core.errors import ContractError, RunError, UnsupportedSample
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState

from ..members import check_format
from ..table import refuse_coinciding, refuse_not_finite, training_rows
from .basis import Basis
from .design import Noise, rows_of
from .pairs import Structures
from .regression import Posterior, Sums, regress
from .surroundings import Surroundings, to_atoms, to_virials

FORMAT = "querist.local/1"
NAME = "the local potential"
FloatArray = NDArray[np.float64]


class LocalPotential:
    """Energies, forces and stresses of clusters, crystals and surfaces, of any number of atoms.

    The energy is a sum over atoms, of functions of their surroundings that no translation,
    rotation, reflection or exchange of equal atoms changes (:mod:`querist.models.local.basis`).
    Forces and stresses are exactly its derivatives. The weights are inferred by Bayesian linear
    regression (:mod:`querist.models.local.regression`), and the standard deviation of the energy is
    that of their posterior, as in van der Oord et al., npj Comput. Mater. 9, 168, 2023. It does not
    know what the functions cannot express; calibrate it where that matters.

    Inputs are of the atoms schema, neutral singlets, with or without a cell; samples may differ in
    size. Outputs are ``energy`` in eV, ``forces`` in eV/Angstrom, and, where the labels have it,
    ``stress`` in eV/Angstrom^3 (NaN for samples without a cell).

    Args:
        distance: Typical distance of nearest neighbours, in Angstrom.
        draws: How many potentials are drawn from the posterior for the standard deviation of
            forces and stress; each costs half a prediction. 0: only the energy has one.
        noise: Fields of :class:`~querist.models.local.design.Noise`.
        basis: Further fields of :class:`~querist.models.local.basis.Basis`.
    """

    def __init__(
        self,
        distance: float,
        draws: int = 0,
        noise: Mapping[str, float] | None = None,
        **basis: Any,
    ) -> None:
        self._basis = {"distance": float(distance), **basis}
        self._noise, self._draws = Noise(**(noise or {})), draws
        Basis(**{"elements": (1,), **self._basis})  # refuse values without a meaning
        self._sums: tuple[Basis | None, tuple[str, ...], Sums | None] = (None, (), None)
        self._loaded: tuple[Basis, Posterior, FloatArray, bool] | None = None

    # ------------------------------------------------------------------------------------ fit

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Fit to energies, and to forces and stresses where there are any.

        Equations of labels that were fitted before by this object are not set up again.

        Raises:
            UnsupportedSample: For charges, open shells, atoms at the same place, or no atoms.
            RunError: If there is nothing to fit, or the fit was stopped.
        """
        rows = training_rows(dataset, NAME)
        refuse(rows.inputs, periodic=True, charged=False, who=NAME)
        for name, column in (*rows.inputs.columns.items(), *rows.outputs.columns.items()):
            largest = [[np.abs(item).max(initial=0.0)] for item in column.items()]
            refuse_not_finite(np.array(largest), name, rows.inputs, NAME)
        refuse_coinciding(rows.inputs, NAME)
        basis = self._basis_of(rows.inputs)
        sums = self._gather(basis, rows, request)
        constants = basis.features * (1 + np.arange(len(basis.elements))) - 1
        posterior = regress(sums, constants, _prior(basis))
        stress = "stress" in rows.outputs
        state = ModelState(
            {"weights": posterior.weights, "half": posterior.half},
            {
                "format": FORMAT,
                "basis": basis.as_json(),
                "noise": posterior.noise,
                "stress": stress,
            },
        )
        return FitResult(state, {"noise": posterior.noise, "effective": posterior.effective})

    def _basis_of(self, inputs: Batch) -> Basis:
        found = np.unique(np.asarray(inputs.columns["numbers"].data, np.int64)).tolist()
        elements = tuple(self._basis.get("elements", found))
        if not set(found) <= set(elements):
            raise UnsupportedSample(f"{NAME} is of {list(elements)}, but got {found}.")
        return Basis(**{**self._basis, "elements": elements})

    def _gather(self, basis: Basis, rows: Dataset, request: FitRequest) -> Sums:
        ids = rows.inputs.ids
        known, done, sums = self._sums
        if sums is None or known != basis or ids[: len(done)] != done:
            done, sums = (), Sums.none(basis.weights)
        for index in range(len(done), len(rows)):
            if request.should_stop():
                raise RunError(f"the fit was stopped after {index} of {len(rows)} labels.")
            sample, labels = rows.inputs.take([index]), rows.outputs.arrays(index)
            sums.add(*rows_of(basis, sample, labels, self._noise))
        self._sums = (basis, tuple(ids), sums)
        return sums

    def load(self, state: ModelState) -> None:
        """Predict with this state from now on."""
        check_format(state, FORMAT, NAME)
        basis = Basis.from_json(state.data["basis"])
        weights = np.asarray(state.arrays["weights"], np.float64)
        half = np.asarray(state.arrays["half"], np.float64)
        chance = np.random.default_rng(0).standard_normal((basis.weights, self._draws))
        drawn = weights[:, None] + half @ chance
        posterior = Posterior(weights, half, float(state.data["noise"]), 0.0)
        self._loaded = basis, posterior, drawn, bool(state.data["stress"])

    # -------------------------------------------------------------------------------- predict

    def predict(self, batch: Batch) -> Prediction:
        """Mean and standard deviation for ``n`` samples.

        Raises:
            ContractError: If nothing was loaded.
            UnsupportedSample: For elements that it was not fitted to, or a charge.
        """
        if self._loaded is None:
            raise ContractError(f"{NAME} has no state yet: call load(state) first.")
        basis, posterior, drawn, stress = self._loaded
        refuse(batch, periodic=True, charged=False, who=NAME)
        structures = Structures.of(batch, basis.reach)
        strange = sorted(set(np.unique(structures.numbers).tolist()) - set(basis.elements))
        if strange:
            raise UnsupportedSample(
                f"{NAME} was fitted to the elements {list(basis.elements)}, but got {strange}."
            )
        around = Surroundings.of(basis, structures)
        sums = around.by_sample()
        mean = {"energy": Column.stack(sums @ posterior.weights)}
        mean |= _derived(around, posterior.weights, stress)
        spread = np.sqrt(np.square(sums @ posterior.half).sum(axis=1))
        std = {"energy": Column.stack(spread)}
        if drawn.shape[1]:
            several = [_derived(around, weights, stress) for weights in drawn.T]
            std |= {
                name: _deviation([one[name] for one in several], mean[name]) for name in several[0]
            }
        return Prediction(Batch(mean), Batch(std))


def _derived(around: Surroundings, weights: FloatArray, stress: bool) -> dict[str, Column]:
    """Forces, and stresses where they are wanted."""
    structures, near = around.structures, around.near
    pair, rest = around.gradient(weights)
    forces = -to_atoms(structures.pairs, pair) - to_atoms(near, rest)
    sizes = np.diff(structures.offsets)
    shapes = np.stack([sizes, np.full(len(sizes), 3)], axis=1)
    found = {"forces": Column(forces.ravel(), structures.offsets * 3, shapes)}
    if stress:
        virials = to_virials(structures.pairs, pair, structures.offsets)
        virials += to_virials(near, rest, structures.offsets)
        found["stress"] = Column.stack(virials / structures.volumes[:, None, None])
    return found


def _deviation(drawn: Sequence[Column], mean: Column) -> Column:
    """Root mean square distance of what was drawn from the mean, number by number."""
    middle = np.asarray(mean.data, np.float64)
    away = np.stack([np.asarray(one.data, np.float64) - middle for one in drawn])
    squares = np.square(away).mean(axis=0)
    return Column(np.sqrt(squares), mean.offsets, mean.shapes)


def _prior(basis: Basis) -> FloatArray:
    """Relative prior width of each weight: the higher an order or degree, the smaller."""
    table = basis.table
    pairs = np.tile(1.0 / (1.0 + np.arange(basis.pairs)), len(basis.elements))
    level = np.repeat(np.arange(len(table.levels)), len(table.first))
    order = (table.first % basis.channels) + (table.second % basis.channels)
    doubles = 1.0 / (2.0 + np.tile(order, len(table.levels)) + level)
    triples = doubles[table.two] / (2.0 + table.one % basis.channels)
    one = np.concatenate([pairs, doubles, triples, [1.0]])
    return np.tile(one, len(basis.elements))
