"""Plans in words."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from querist.accounting.units import duration
from querist.planning.interval import Interval, Reached


def interval_text(told: Interval | str) -> str:
    """What is known of the retrain interval, for a person."""
    if isinstance(told, str):
        return f"Retrain interval: left as configured; {told}."
    law, first = told.law, told.tried[0]
    ended = f"the run ended with {law.error:.3g} after {law.labels} training labels"
    lines = [f"Retrain interval, by the time to {law.metric} {told.error:.3g} ({ended}):"]
    lines += [f"   {_interval(one)}" for one in told.tried]
    lines.append(f"Law: {law.said()}.")
    if not math.isfinite(first.typical):
        lines.append("No interval gets there; left as configured.")
    elif told.known:
        most = f"at most {told.regret:.2f} times as long as the best"
        lines.append(f"In nine of ten draws of the law the first takes {most}.")
    else:
        lines.append(
            "Left as configured: these runs do not tell which is best (the first may take "
            f"{told.regret:.1f} times as long as another one). A run with another interval, given "
            "as a further --from, tells more."
        )
    return "\n".join(lines)


def _interval(one: Reached) -> str:
    at = one.allocation
    name = "as configured" if at.every is None else f"every {at.every} labels"
    low, high = one.between()
    if not math.isfinite(one.typical):
        return f"{name}: not reached in most draws of the law"
    until = duration(high) if math.isfinite(high) else "never"
    return (
        f"{name}: {duration(one.typical)} ({duration(low)} to {until}), "
        f"{np.median(one.labels):.0f} training labels, {one.fits} fits; "
        f"{replace(at, every=None).sentence()}"
    )
