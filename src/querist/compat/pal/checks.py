"""``prediction_check`` and ``adjust_input_for_oracle``: lists of arrays to decisions by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.compat.pal.kernels import Vector, vector
from querist.core.errors import ContractError

LEAST = 1e-300
"""Score of what is asked though the members agree: above 0, the score of what is not asked."""

Committee = Sequence[NDArray[np.float64]]
"""For each row the ``(members, size)`` predictions."""


def checked(
    function: Callable[..., Any], rows: Sequence[Vector], predictions: Committee
) -> tuple[NDArray[np.bool_], list[Vector]]:
    """Call the user's ``prediction_check``.

    Args:
        function: It.
        rows: What ``n`` generators propose, in order.
        predictions: Of each row.

    Returns:
        ``(n,)`` whether each row is to be labelled, and what each generator is told.

    Raises:
        ContractError: If it returns something else than PAL documents, or an input for the oracle
            that no generator proposed.
    """
    answer = function(_copies(rows), _copies(predictions))
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise ContractError(
            "prediction_check should return (list_input_to_orcl, list_data_to_gene_checked), "
            f"but returned {type(answer).__name__}."
        )
    chosen, told = answer
    if len(told) != len(rows):
        raise ContractError(
            f"list_data_to_gene_checked of prediction_check has {len(told)} elements for "
            f"{len(rows)} generators."
        )
    asked = np.zeros(len(rows), np.bool_)
    asked[_places(rows, chosen, "prediction_check")] = True
    return asked, [vector(item, "an element of list_data_to_gene_checked") for item in told]


def adjusted(
    function: Callable[..., Any],
    rows: Sequence[Vector],
    predictions: Committee,
    scores: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Call the user's ``adjust_input_for_oracle`` and say its order as scores.

    The rows it keeps share out their own scores, the largest to the first; what it drops gets 0. So
    the order is the user's, and scores stay comparable with those of new candidates.

    Args:
        function: It.
        rows: ``n`` inputs that wait.
        predictions: Of each row.
        scores: ``(n,)`` uncertainty of each row, above 0.
    """
    if len(rows) < 2:
        return scores  # as in PAL, which asks for two at least
    kept = _places(rows, function(_copies(rows), _copies(predictions)), "adjust_input_for_oracle")
    kept = list(dict.fromkeys(kept))
    shared = np.sort(scores[kept])
    for place in range(1, len(shared)):  # from the last to the first, strictly growing
        least = max(shared[place - 1] * (1 + 1e-9), shared[place - 1] + LEAST)
        shared[place] = max(shared[place], least)
    result = np.zeros(len(rows))
    result[kept[::-1]] = shared
    return result


def _copies(arrays: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """User code may write into what it is given."""
    return [array.copy() for array in arrays]


def _places(rows: Sequence[Vector], chosen: Any, who: str) -> list[int]:
    """Where each chosen array stands among the rows; equal rows are taken in turn."""
    free: dict[bytes, list[int]] = {}
    for place, row in enumerate(rows):
        free.setdefault(row.tobytes(), []).append(place)
    found = []
    for item in chosen:
        places = free.get(vector(item, f"an input for the oracle of {who}").tobytes())
        if not places:
            raise ContractError(
                f"{who} returned an input for the oracle that it was not given; it should choose "
                "from the arrays in its first argument, unchanged."
            )
        found.append(places.pop(0) if len(places) > 1 else places[0])
    return found
