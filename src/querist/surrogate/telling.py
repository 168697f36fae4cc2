"""What a surrogate's state says to people and programs."""

from __future__ import annotations

from typing import Any

from querist.surrogate.gate import exact_interval
from querist.surrogate.settings import SurrogateSettings
from querist.surrogate.state import State


def status_of(state: State, settings: SurrogateSettings) -> dict[str, Any]:
    """Counts, coverage with Clopper and Pearson's 95 % interval, gate and alarms; JSON-able."""
    counts, gate = state.counts, state.gate
    labels = sum(a.outputs is not None for a in (*state.learned, *state.judging))
    return {
        "tolerance": settings.tolerance,
        "promise": settings.coverage,
        "confidence": settings.confidence,
        "answered_by_model": counts.trusted,
        "answered_by_simulation": labels,
        "failed": counts.failures,
        "refused": counts.refused,
        "learned_from": state.rows,
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
    }
