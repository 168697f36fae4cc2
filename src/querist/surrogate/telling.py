"""What a surrogate's state says to people and programs."""

from __future__ import annotations

from typing import Any

from querist.accounting.effective_terms import exact_interval
from querist.surrogate.settings import SurrogateSettings
from querist.surrogate.state import State
from querist.surrogate.trials import why


def status_of(state: State, settings: SurrogateSettings) -> dict[str, Any]:
    """Counts, coverage with Clopper and Pearson's 95 % interval, gate and alarms; JSON-able.

    While no model is trusted, ``untrusted`` says why, and ``trials`` has what audits say of the
    models on trial (:func:`~querist.surrogate.trials.trial_of`).
    """
    counts, gate = state.counts, state.gate
    labels = sum(a.outputs is not None for a in (*state.learned, *state.judging)) - state.given
    told = {
        "tolerance": settings.tolerance,
        "promise": settings.coverage,
        "confidence": settings.confidence,
        "answered_by_model": counts.trusted,
        "answered_by_simulation": labels,
        "failed": counts.failures,
        "refused": counts.refused,
        "late": counts.late,
        "learned_from": state.rows,
        "first": settings.first,
        "fitted": max(state.published, default=0),
        "began_with": state.given,
        "unfit": state.unfit,
        "model": gate.version,
        "threshold": gate.threshold,
        "refusal": gate.refusal,
        "trusted_share": gate.share,
        "gate_audits": gate.audits,
        "audits": counts.audits,
        "within": counts.within,
        "coverage": counts.within / counts.audits if counts.audits else None,
        "interval": exact_interval(counts.within, counts.audits),
        "alarms": [dict(alarm) for alarm in state.alarms],
        "unlearned": state.unlearned,
        "seconds": state.t,
        "trials": [] if gate.threshold is not None else list(state.trials.get("trials", ())),
    }
    return {**told, "untrusted": why(told)}


def lines(status: dict[str, Any]) -> list[tuple[str, str]]:
    """A status for people: names and values."""
    model, simulated = status["answered_by_model"], status["answered_by_simulation"]
    told = [
        ("Answered by the model", f"{model:,}"),
        ("Answered by simulation", f"{simulated:,}, {status['learned_from']:,} learned from"),
        ("Failed, refused", f"{status['failed']:,} failed, {status['refused']:,} refused unasked"),
        ("Gate", _gate(status)),
        ("Coverage", _coverage(status)),
        ("Promised", f"{status['promise']:.1%}, with {status['confidence']:.0%} confidence"),
        ("Drift", _drift(status["alarms"])),
    ]
    if status["began_with"] or status["unfit"]:
        unfit = f", {status['unfit']:,} of another kind left out" if status["unfit"] else ""
        told.insert(2, ("Began with", f"{status['began_with']:,} labels{unfit}"))
    if status["late"]:
        told.append(("Late", f"{status['late']:,} calls had no answer within their deadline"))
    if status["unlearned"]:
        told.append(("Last fit failed", status["unlearned"]))
    return told


def _gate(status: dict[str, Any]) -> str:
    if status["threshold"] is None:
        return f"closed: {status['untrusted']}"
    trusted, audits = status["trusted_share"], status["gate_audits"]
    return (
        f"model {status['model']} trusted up to {status['threshold']:.3g} of the tolerance: "
        f"{trusted:.0%} of calls, by {audits} audits"
    )


def _coverage(status: dict[str, Any]) -> str:
    if status["interval"] is None:
        return "no audit of a trusted call yet"
    low, high = status["interval"]
    within, audits = status["within"], status["audits"]
    return f"{within} of {audits} audits within the tolerance: {low:.1%} to {high:.1%}"


def _drift(alarms: list[dict[str, Any]]) -> str:
    if not alarms:
        return "no alarm"
    last = alarms[-1]
    return (
        f"{len(alarms)} alarms; the last at {last['t']:.0f} s, {last['calls']} calls after it "
        f"seems to have begun, with about {last['false_accepts']} false accepts"
    )
