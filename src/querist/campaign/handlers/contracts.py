"""What anyone's models and generators return, looked at before it is used: cheap, on every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from querist.core.answers import Dataset
from querist.core.batch import Array, Batch
from querist.core.errors import ContractError, ShapeError
from querist.core.prediction import Prediction, Proposal
from querist.core.roles import FitRequest, FitResult, ModelState


def proposed(generator: Any) -> Proposal:
    """The next proposal of a generator.

    Raises:
        ContractError: If it is something else.
    """
    found = generator.propose()
    if not (isinstance(found, Proposal) and isinstance(found.batch, Batch)):
        wanted = "a Proposal (a Batch, and the number of the walker behind each sample)"
        raise _wrong(generator, "propose", wanted, found, getattr(found, "batch", None))
    return found


def predicted(model: Any, batch: Batch) -> Prediction:
    """A model's prediction of a batch.

    Raises:
        ContractError: If it is something else.
        ShapeError: If it is of another number of samples.
    """
    found = model.predict(batch)
    parts = (getattr(found, "mean", None), getattr(found, "std", None))
    if not (isinstance(found, Prediction) and all(isinstance(part, Batch) for part in parts)):
        raise _wrong(model, "predict", "a Prediction (mean and std, a Batch each)", found, *parts)
    if len(found) != len(batch):
        raise ShapeError(
            f"{type(model).__name__}.predict was given {len(batch)} samples, but its mean has "
            f"{len(found)} rows."
        )
    return found


def fitted(model: Any, dataset: Dataset, request: FitRequest) -> FitResult:
    """What comes of a fit.

    Raises:
        ContractError: If it is something else.
    """
    found = model.fit(dataset, request)
    state = getattr(found, "state", None)
    if not (isinstance(found, FitResult) and isinstance(state, ModelState)):
        raise _wrong(model, "fit", "a FitResult (a ModelState, and metrics)", found, state)
    return found


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """A fit's metrics.

    Raises:
        ContractError: If one is no number.
    """
    try:
        return {name: float(value) for name, value in metrics.items()}
    except (TypeError, ValueError) as error:
        raise ContractError(
            f"a fit's metrics should be numbers by name, but are {metrics}."
        ) from error


def stated(generator: Any) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
    """The state of a generator.

    Raises:
        ContractError: If it is something else than arrays and data.
    """
    found = generator.state()
    if not (isinstance(found, tuple) and [isinstance(p, Mapping) for p in found] == [True, True]):
        wanted = "two mappings, named arrays and data for JSON"
        parts = found if isinstance(found, tuple) else ()
        raise _wrong(generator, "state", wanted, found, *parts)
    arrays, data = found
    return arrays, data


def _wrong(role: Any, method: str, wanted: str, found: Any, *parts: Any) -> ContractError:
    said = type(found).__name__
    if any(part is not None for part in parts):  # the right shell around something else
        said += f" of {', '.join(type(part).__name__ for part in parts)}"
    return ContractError(
        f"{type(role).__name__}.{method} should return {wanted}, but returned {said}."
    )
