"""What all committees share: seeds by member, checks of states, and mean and std over members."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Batch
from querist.core.errors import RunError
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, ModelState

from .table import Fields


@runtime_checkable
class SupportsMembers(Protocol):
    """A committee whose members can be fitted apart."""

    @property
    def members(self) -> int:
        """How many members."""


@runtime_checkable
class SupportsMemberPrediction(Protocol):
    """A committee whose members can predict apart, on several ranks; all load all the weights."""

    @property
    def loaded_members(self) -> int:
        """How many members predict."""

    def predict_members(self, batch: Batch, members: Sequence[int]) -> tuple[Batch, ...]:
        """The outputs of each of these members for ``n`` samples."""

    def combine(self, batch: Batch, outputs: Sequence[Batch]) -> Prediction:
        """The prediction of ``n`` samples from the outputs of all members, in order."""


def member_rng(seed: int, member: int) -> np.random.Generator:
    """The stream of randomness of one member, the same whoever else is fitted."""
    return np.random.default_rng([seed, member])


def wanted_members(request: FitRequest, count: int) -> tuple[int, ...]:
    """The members that a request asks for.

    Raises:
        RunError: If the committee has no such member.
    """
    chosen = tuple(range(count)) if request.members is None else tuple(request.members)
    wrong = [member for member in chosen if not 0 <= member < count]
    if wrong or not chosen:
        raise RunError(f"a committee of {count} was asked to fit the members {list(chosen)}.")
    return chosen


def stop_between(request: FitRequest, done: int, of: int) -> None:
    """Leave a fit that makes no sense in part.

    Raises:
        RunError: If the request's ``should_stop`` says so.
    """
    if request.should_stop():
        raise RunError(f"the fit was stopped after {done} of {of} members; nothing was kept.")


def check_format(state: ModelState, format: str, who: str) -> None:
    """Check that a state was written by this kind of model.

    Raises:
        RunError: If it was not.
    """
    got = state.data.get("format")
    if got != format:
        raise RunError(f"{who} wants a state of the format {format!r}, but got {got!r}.")


def check_members(state: ModelState, suffix: str, who: str) -> int:
    """How many members a state holds, after checking that it holds all of them.

    Args:
        state: With the number of members in ``data["members"]``.
        suffix: Member ``i`` must have the array ``m{i}{suffix}``.
        who: Name for the sentence.

    Raises:
        RunError: If a member is missing.
    """
    count = int(state.data["members"])
    missing = [i for i in range(count) if f"m{i}{suffix}" not in state.arrays]
    if missing:
        raise RunError(
            f"{who} wants all {count} members in a state, but {missing} are missing; merge the "
            "parts first (ModelState.merge)."
        )
    return count


def not_loaded(who: str) -> RunError:
    """The error of a prediction without weights."""
    return RunError(f"{who} cannot predict before load(): fit it, then load the state.")


def bootstrap(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """``count`` rows drawn with replacement (Efron 1979)."""
    return rng.integers(0, count, count)


def combine(outputs: NDArray[np.float64], fields: Fields, ddof: int = 1) -> Prediction:
    """Mean, standard deviation and members of ``(M, n, width)`` outputs.

    The variance is divided by ``M - ddof``: 1 for members independent of each other. A single
    member has no spread, so its standard deviation is 0.
    """
    spread = outputs.std(axis=0, ddof=ddof if len(outputs) > 1 else 0)
    members = tuple(fields.split(member) for member in outputs)
    return Prediction(fields.split(outputs.mean(axis=0)), fields.split(spread), members)


def rejoin(outputs: Sequence[Batch], fields: Fields, who: str, ddof: int = 1) -> Prediction:
    """As :func:`combine`, of outputs that were split into fields by member."""
    return combine(np.stack([fields.matrix(batch, who) for batch in outputs]), fields, ddof)


def same(values: Iterable[object], what: str, who: str) -> None:
    """Refuse members that were fitted to different things.

    Raises:
        RunError: If the values are not all equal.
    """
    held = list(values)
    if any(value != held[0] for value in held):
        raise RunError(f"{who} was given members of different {what}; fit them to the same data.")
