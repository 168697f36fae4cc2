"""The gradient-domain committee behind the library's model contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset
from querist.core.atoms import refuse
from querist.core.batch import Batch
from querist.core.errors import ContractError, RunError, ShapeError, UnsupportedSample
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState

from ..table import refuse_coinciding, refuse_not_finite, training_rows
from .committee import CommitteeSettings, FittedCommittee, fit_committee, fit_member
from .predictor import Predictor, UnrepresentableError, check_molecule
from .solve import FitInterruptedError
from .state import merge_states
from .symmetry import close_group, detect_group
from .training import FitSettings, TrainingSet

NAME = "the gradient-domain model"
ERRORS = "forces_error"
"""The label that tells how exact forces are."""
NEUTRAL_SINGLET = (0.0, 1)
"""Charge in e and multiplicity where samples, or states of earlier versions, tell none."""


class GradientDomain:
    """A committee of gradient-domain kernel force fields for one molecule.

    Inputs are of the atoms schema, without a cell, all with the same atoms in the same order and in
    one electronic state: one charge and one multiplicity, which may be any. Outputs are ``energy``
    in eV and ``forces`` in eV/Angstrom, which are exactly minus the gradient of the energy for
    every member and for the mean.

    Labels are ``forces``, and ``energy`` where it is known: mean forces of a coarse-grained
    potential have none, and then the mean energy of the labels is taken for zero. A label
    ``forces_error`` of the shape of the forces, their standard error in eV/Angstrom, says how exact
    each is: noisy ones are smoothed accordingly (:mod:`querist.models.gradient_domain.noise`).

    Args:
        members: Size of the committee, at least 2.
        permutations: Permutations of identical atoms that leave the molecule the same, as lists of
            indices; their group is used. "detect" finds them from the bonded graphs of the
            training set (the moving bond must have been seen on both sides). None for none.
        fraction: Chance of a geometry to be in a member's training set.
        length_scale: In 1/Angstrom; None chooses it by cross-validation in each fit.
        seed: Of the members' subsets; geometries keep their members as the dataset grows.
        kernel: "inverse_quadratic", "gaussian", "matern52" or "matern72".
        regularisation: Added to the diagonal, relative.
        energy_weight: Weight of energies beside forces.
    """

    def __init__(
        self,
        members: int = 4,
        permutations: Sequence[Sequence[int]] | str | None = None,
        fraction: float = 0.8,
        length_scale: float | None = None,
        seed: int = 0,
        **fit: Any,
    ) -> None:
        self._permutations = permutations
        self._settings = CommitteeSettings(
            members, fraction, seed, length_scale, FitSettings(**fit)
        )
        self._predictor: Predictor | None = None
        self._electrons = NEUTRAL_SINGLET

    @property
    def members(self) -> int:
        """Size of the committee."""
        return self._settings.members

    def predict(self, batch: Batch) -> Prediction:
        """Mean, standard deviation and members for ``n`` geometries.

        Raises:
            ContractError: If nothing was loaded.
            UnsupportedSample: For other atoms, another charge or another multiplicity than those
                it was fitted to, or a cell.
        """
        if self._predictor is None:
            raise ContractError(f"{NAME} has no state yet: call load(state) first.")
        refuse(batch, periodic=False, charged=True, who=NAME)
        for state in _electronic_states(batch) - {self._electrons}:
            raise UnsupportedSample(
                f"{NAME} was fitted to {_told(self._electrons)}, but was given {_told(state)}."
            )
        said = self._predictor.predict(self._positions(batch, self._predictor))
        energies, forces = said.energies, said.forces
        members = tuple(
            Batch.stack(energy=energies[m], forces=forces[m]) for m in range(len(energies))
        )
        return Prediction(
            Batch.stack(energy=energies.mean(axis=0), forces=forces.mean(axis=0)),
            Batch.stack(energy=energies.std(axis=0, ddof=1), forces=_spread(forces)),
            members,
        )

    def _positions(self, batch: Batch, predictor: Predictor) -> NDArray[np.float64]:
        expected = predictor.species.numbers
        if not len(batch):
            return np.zeros((0, len(expected), 3))
        try:
            for numbers in np.unique(batch["numbers"], axis=0):
                check_molecule(expected, numbers)
            return np.asarray(batch["positions"], np.float64)
        except (UnrepresentableError, ShapeError) as error:
            raise UnsupportedSample(f"{NAME} was fitted to one molecule: {error}") from error

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Fit to forces, and to energies where there are any.

        Raises:
            UnsupportedSample: If the labels are not all of one molecule without a cell, in one
                electronic state.
            ValueError: If there are fewer geometries than members.
            RunError: If there is nothing to fit, or the fit was stopped.
        """
        rows = training_rows(dataset, NAME)
        data = self._training_set(rows)
        charge, multiplicity = next(iter(_electronic_states(rows.inputs)))
        try:
            fitted = self._fit(data, request)
        except FitInterruptedError as error:
            raise RunError(f"{NAME}: {error}") from error
        arrays = merge_states([part.arrays for part in fitted])
        metrics: dict[str, float] = {}
        for part in fitted:
            metrics.update(part.metrics)
        electrons = {"charge": charge, "multiplicity": multiplicity}
        return FitResult(ModelState(arrays, {**fitted[0].metadata, **electrons}), metrics)

    def _fit(self, data: TrainingSet, request: FitRequest) -> list[FittedCommittee]:
        if request.members is None:
            return [fit_committee(data, self._settings, request.should_stop)]
        return [
            fit_member(data, index, self._settings, request.should_stop)
            for index in request.members
        ]

    def _training_set(self, dataset: Dataset) -> TrainingSet:
        inputs, outputs = dataset.inputs, dataset.outputs
        refuse(inputs, periodic=False, charged=True, who=NAME)
        if len(states := _electronic_states(inputs)) > 1:
            raise UnsupportedSample(
                f"{NAME} learns one electronic state, but the labels have "
                f"{' and '.join(_told(state) for state in sorted(states))}; learn each with a "
                "model of its own."
            )
        try:
            numbers, positions = inputs["numbers"], inputs["positions"]
        except ShapeError as error:
            raise UnsupportedSample(f"{NAME} needs geometries of one molecule: {error}") from error
        for other in np.unique(numbers, axis=0):
            check_molecule(numbers[0], other)
        names = [n for n in ("energy", "forces", ERRORS) if n == "forces" or n in outputs]
        labels = {name: np.asarray(outputs[name], np.float64) for name in names}
        for name, values in {"positions": positions, **labels}.items():
            flat = np.asarray(values, np.float64).reshape(len(dataset), -1)
            refuse_not_finite(flat, name, inputs, NAME)
        refuse_coinciding(inputs, NAME)
        group = self._group(np.asarray(numbers[0], np.int64), np.asarray(positions, np.float64))
        energy, errors = labels.get("energy"), labels.get(ERRORS)
        return TrainingSet.of(numbers[0], positions, energy, labels["forces"], group, errors)

    def _group(
        self, numbers: NDArray[np.int64], positions: NDArray[np.float64]
    ) -> NDArray[np.int64] | None:
        if self._permutations is None:
            return None
        if isinstance(self._permutations, str):
            return detect_group(numbers, positions)
        return close_group(self._permutations)

    def load(self, state: ModelState) -> None:
        """Predict with this state from now on."""
        arrays: Mapping[str, Any] = state.arrays
        self._predictor = Predictor.from_state(arrays, state.data)
        charge, multiplicity = NEUTRAL_SINGLET
        self._electrons = (
            float(state.data.get("charge", charge)),
            int(state.data.get("multiplicity", multiplicity)),
        )


def _electronic_states(batch: Batch) -> set[tuple[float, int]]:
    """Charges (in e) and multiplicities that occur together."""
    charge, multiplicity = (
        np.asarray(batch[name]) if name in batch else np.full(len(batch), plain)
        for name, plain in zip(("charge", "multiplicity"), NEUTRAL_SINGLET, strict=True)
    )
    return {(float(c), int(m)) for c, m in zip(charge, multiplicity, strict=True)}


def _told(state: tuple[float, int]) -> str:
    return f"charge {state[0]:g} and multiplicity {state[1]}"


def _spread(forces: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(n, atoms, 3)`` standard deviation over the ``(M, n, atoms, 3)`` members."""
    spread: NDArray[np.float64] = forces.std(axis=0, ddof=1)
    return spread
