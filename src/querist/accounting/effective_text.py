"""The effective speed-up in words: rows for a terminal and for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from querist.accounting.effective_terms import ratio
from querist.accounting.units import NONE, count, duration, percent, plural, quantity

Found = Mapping[str, Any]
Row = tuple[str, str]

SPENT = {
    "training_simulations": "simulations that were learned from",
    "other_simulations": "audits, hold-out and calibration",
    "failed": "simulations that failed",
    "trusted_lookups": "look-ups that were trusted",
    "rejected_lookups": "look-ups that were not",
    "generating": "exploring, without the look-ups",
    "learning": "training",
    "other_tasks": "evaluating and re-scoring",
    "idle": "idle workers",
}
SAME = 1.2  # factor up to which two runs are taken to have called the same simulation
CAVEAT = (
    "Every trusted look-up counts as one simulation that was not needed. Where without a model "
    "fewer inputs would have been looked at, the gain is smaller."
)


def times(value: float | None, interval: Sequence[float] | None = None) -> str:
    """A speed-up with its interval."""
    if value is None:
        return NONE
    told = f"{quantity(value)} ×"
    return told if interval is None else f"{told} ({' to '.join(map(quantity, interval))})"


def verdict(found: Found) -> str:
    """The result in a sentence or two."""
    audited = found["audited"]
    if audited is None:
        return "No simulation was timed yet, so there is nothing to compare with."
    if not found["n_lookup"]:
        return "Nothing was looked up, so learning has gained nothing yet."
    elapsed, paid = audited["elapsed"], audited["worker_seconds"]
    return (
        f"{plural(audited['delivered'], 'answer')} came {times(elapsed['speed_up'])} as fast as "
        f"one simulation after the other, everything included, for 1/{quantity(paid['speed_up'])} "
        f"of their worker time."
    )


def rows(found: Found) -> list[Row]:
    """Names and values of what was found."""
    told = [("Answers", _answers(found)), ("One simulation", duration(found["t_seq"]))]
    for key, name in (("elapsed", "elapsed time"), ("worker_seconds", "worker time")):
        formula = found[key]
        if formula is not None:
            told.append((f"Formula, {name}", _formula(formula)))
            told.append((f"Limits, {name}", _limits(formula)))
    for key, name in (("elapsed", "elapsed time"), ("worker_seconds", "worker time")):
        if found["audited"] is not None:
            gain = found["audited"][key]
            told.append((f"Audited, {name}", times(gain["speed_up"], gain["interval"])))
    told += [("Break-even", _break_even(found)), ("Error of look-ups", _error(found))]
    if found["surrogate"] is not None:
        told.append(("Audits", _audits(found["surrogate"])))
    return told


def _answers(found: Found) -> str:
    parts = [
        f"{plural(found['n_lookup'], 'look-up')} trusted",
        f"{count(found['n_rejected'])} not",
        f"{plural(found['n_train'], 'simulation')} to learn from",
        f"{count(found['n_other'])} for hold-out and audits",
        f"{count(found['n_failed'])} failed",
    ]
    return ", ".join(parts)


def _formula(formula: Found) -> str:
    parts = ", ".join(
        f"T{name} {duration(formula[f't_{name}'])}" for name in ("train", "learn", "lookup")
    )
    return f"{times(formula['speed_up'], formula['interval'])}; {parts}"


def _limits(formula: Found) -> str:
    lookups = times(formula["all_lookups"]) if formula["all_lookups"] else "not known"
    return f"no learning {times(formula['no_learning'])}, all look-ups {lookups}"


def _break_even(found: Found) -> str:
    told = found["break_even"]
    if told is None:
        return "not known"
    if told["lookups"] is None:
        return "never: look-ups take as long as simulations"
    state = "reached" if told["reached"] else "not reached"
    return f"{plural(told['lookups'], 'look-up')} ({state})"


def _error(found: Found) -> str:
    told, audited = found["lookup_error"], found["surrogate"]
    if audited is not None and audited["error"]:
        error = audited["error"]
        mean, largest = quantity(error["mean"]), quantity(error["largest"])
        return f"mean {mean}, largest {largest} of the tolerance (of audits)"
    if not told or not told["n"]:
        return "not measured: no hold-out below the threshold"
    return (
        f"mean {quantity(told['error_mean'])}, 95 % below {quantity(told['error_p95'])}, largest "
        f"{quantity(told['error_max'])} (on {plural(told['n'], 'hold-out sample')} that would be "
        "trusted)"
    )


def _audits(told: Found) -> str:
    if not told["audits"]:
        return f"none; {plural(told['refused'], 'input')} refused"
    low, high = told["interval"]
    return (
        f"{count(told['within'])} of {count(told['audits'])} within the tolerance: "
        f"{percent(told['coverage'])} ({percent(low)} to {percent(high)})"
    )


def spent_rows(found: Found) -> list[tuple[str, str, str]]:
    """What worker time went into: name, time, share."""
    spent = found["spent"]
    total = spent["total"]
    named = [(name, spent[key]) for key, name in SPENT.items()]
    told = [(name, value) for name, value in named if value > 0]
    return [
        (name, duration(value), percent(value / total if total else None))
        for name, value in [*told, ("all", total)]
    ]


def compared(found: Found, control: Found) -> list[Row]:
    """A run beside a control run of the same simulation without learning.

    Args:
        found: Section ``effective`` of the run.
        control: That of the control run, of which every simulated answer counts.
    """
    if found["audited"] is None or control["audited"] is None:
        return [("Control run", "one of the runs has no timed simulation: nothing to compare")]
    answers = control["n_train"] + control["n_other"]
    told = [("Control run", f"{plural(answers, 'simulation')}, {duration(control['t_seq'])} each")]
    for key, name in (("elapsed", "elapsed time"), ("worker_seconds", "worker time")):
        before = control["audited"][key]["seconds"] / answers
        after = found["audited"][key]["seconds"] / found["audited"]["delivered"]
        each = f"{duration(before)} an answer without learning, {duration(after)} with it"
        told.append((f"Against control, {name}", f"{times(ratio(before, after))}; {each}"))
    change = found["t_seq"] / control["t_seq"]
    if not 1 / SAME <= change <= SAME:
        why = f"a simulation took {times(change)} as long as in the control run: different inputs, "
        told.append(
            ("Beware", why + "settings or machine; the comparison is not of like with like")
        )
    return told
