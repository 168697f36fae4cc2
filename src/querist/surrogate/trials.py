"""Models that are on trial, and why none of them is trusted yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.surrogate.gate import GRID, Trial

SUREST = 0.25  # share of the audits that a model is surest of
MIDDLE = 0.5


def trial_of(
    version: int, learned: int, trial: Trial, errors: NDArray[np.float64]
) -> dict[str, Any]:
    """What the audits say of a model, JSON-able.

    Args:
        version: Of the model.
        learned: Labels that it learned from.
        trial: Its audits.
        errors: ``(n,)`` of the same audits in units of the tolerance, infinite where it had no
            answer or the simulation failed.

    Returns:
        ``version``, ``learned_from``, ``audits``, and how many are ``needed`` at least; ``inside``,
        how many of these lie within the threshold ``start`` that is tested first, and with how many
        it is ``due`` to be tested again; ``wrong``, and of
        the ``surest`` quarter ``surest_wrong``; the errors' ``median`` and ``bound``, within which
        the promised share of them is (None where that is infinite).
    """
    scores, wrong = np.array(trial.scores), np.array(trial.wrong, np.bool_)
    surest = np.argsort(scores, kind="stable")[: int(np.ceil(SUREST * len(scores)))]
    return {
        "version": version,
        "learned_from": learned,
        "audits": len(scores),
        "start": GRID[trial.order.start],
        "inside": trial.inside,
        "due": trial.promise.due(trial.look, trial.step),
        "needed": trial.promise.needed(1),
        "wrong": int(wrong.sum()),
        "surest": len(surest),
        "surest_wrong": int(wrong[surest].sum()),
        "median": _quantile(errors, MIDDLE),
        "bound": _quantile(errors, trial.promise.coverage),
    }


def _quantile(errors: NDArray[np.float64], share: float) -> float | None:
    """Within which this share of the errors is; None where there are none or it is infinite."""
    if not len(errors):
        return None
    found = float(np.quantile(errors, share, method="higher"))
    return found if np.isfinite(found) else None


def why(status: Mapping[str, Any]) -> str:
    """Why no call is answered by a model, in sentences; "" where calls are.

    Args:
        status: Of the surrogate; ``trials`` in it, the oldest first.
    """
    if status["threshold"] is not None:
        return ""
    drift = "drift closed the gate; since then: " if status["alarms"] else ""
    return drift + _reason(status, status["trials"])


def _reason(status: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> str:
    if not trials and status["fitted"]:
        return "no model was judged by an audit yet"
    if not trials and status["unlearned"]:
        return f"no model yet: the last fit failed ({status['unlearned']})"
    if not trials:
        return (
            f"no model yet: the first one is fitted to {status['first']} labels of finite inputs, "
            f"with the fields and shapes that most have; there are {status['learned_from']} labels "
            "to learn from (others are kept apart to judge)"
        )
    full = [one for one in trials if one["audits"] >= one["needed"]]
    one = (full or list(trials))[-1]
    about = f"model {one['version']}, of {one['learned_from']} labels,"
    allowed = 1.0 - status["promise"]
    if not full:
        return (
            f"{about} has {one['audits']} audits; {one['needed']} at least are needed to trust it"
        )
    if one["wrong"] > allowed * one["audits"]:
        return f"{about} {_errors(one, allowed)}. {_advice(trials[0], one, allowed)}"
    return (
        f"{about} is wrong in {one['wrong']} of {one['audits']} audits, which keeps the promise "
        f"but does not prove it yet: {one['inside']} audits are within the score of "
        f"{one['start']:.3g} tolerances that is tested first; it is tested again with {one['due']}"
    )


def _errors(one: Mapping[str, Any], allowed: float) -> str:
    told = (
        f"is wrong by more than the tolerance in {one['wrong']} of {one['audits']} audits, where "
        f"{allowed:.0%} may be"
    )
    if one["median"] is None:
        return f"{told}; it has no answer, or the simulation none, for half of them"
    bound = "infinite" if one["bound"] is None else f"{one['bound']:.2g}"
    return (
        f"{told}: the median error is {one['median']:.2g} tolerances, the one that "
        f"{1 - allowed:.0%} are within {bound}"
    )


def _advice(first: Mapping[str, Any], one: Mapping[str, Any], allowed: float) -> str:
    trend = ""
    if None not in (first["median"], one["median"]) and first["learned_from"] < one["learned_from"]:
        trend = (
            f" (with {first['learned_from']} labels the median was {first['median']:.2g}, with "
            f"{one['learned_from']} it is {one['median']:.2g})"
        )
    ranks = one["surest_wrong"] <= allowed * one["surest"]
    surest = f"of the quarter that it is surest of {one['surest_wrong']} of {one['surest']} are"
    told = (
        f"It may become trusted for that quarter: {surest} wrong"
        if ranks
        else f"Its uncertainty does not tell which: {surest} wrong"
    )
    wider = (
        "" if one["bound"] is None else f", a tolerance {max(one['bound'], 1.0):.2g} times as wide"
    )
    return (
        f"{told}. What helps: more labels{trend}{wider}, a better model, or inputs that the answer "
        "hangs on and that the calls do not carry"
    )
