"""Plans in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from querist.accounting.units import duration, percent
from querist.planning.forecast import Allocation, Forecast
from querist.planning.interval import Interval, Reached
from querist.planning.placement import Effects, Machine


def forecasts_text(found: Sequence[Forecast], best: int) -> str:
    """The best allocations and what holds the first one back."""
    lines = []
    for place, one in enumerate(found[:best], 1):
        busy = ", ".join(f"{role} {percent(share)}" for role, share in one.busy.items())
        ends = duration(one.seconds) if one.status == "finished" else f"{one.status}: {one.reason}"
        lines.append(f"{place}. {one.allocation.sentence()}: {ends}")
        lines.append(f"   all workers busy {percent(one.utilisation)} ({busy})")
    lines += ["", f"Bottleneck of the first: {found[0].bottleneck}."]
    lines.append(f"{len(found)} allocations were tried in simulated time.")
    return "\n".join(lines)


def placement_text(
    chosen: Allocation, machine: Machine, effects: Effects, left: Sequence[str]
) -> str:
    """Where workers of an allocation go, what that rests on, and what is left as configured."""
    lines = [f"Placement: {chosen.placement.sentence() or 'a core for each worker'}."]
    known = {f"{n}: {x:.3g} times as fast on a GPU": n for n, x in effects.gpu.items()}
    known |= {f"{n}: serial share {x:.2g}": n for n, x in effects.serial.items()}
    lines += [f"   {told} ({effects.sources[name]})" for told, name in known.items()]
    lines += [f"   Left as configured: {told}." for told in left]
    packed = machine.packed(chosen.roles(), chosen.placement)
    if packed is not None and machine.nodes > 1:
        each = [", ".join(f"{n} {role}" for role, n in sorted(one.items())) for one in packed]
        for start, end in _alike(each):
            name = f"node {start}" if start == end else f"nodes {start} to {end}"
            lines.append(f"   {name}: {each[start - 1] or 'nothing'}")
    return "\n".join(lines)


def _alike(each: Sequence[str]) -> Iterator[tuple[int, int]]:
    """First and last number of nodes in a row that have the same workers."""
    numbered = enumerate(each, 1)
    for _, group in groupby(numbered, key=lambda item: item[1]):
        numbers = [number for number, _ in group]
        yield numbers[0], numbers[-1]


def interval_text(told: Interval | str) -> str:
    """What is known of the retrain interval, for a person."""
    if isinstance(told, str):
        return f"Retrain interval: left as configured; {told}."
    law, first = told.law, told.tried[0]
    ended = f"the run ended with {law.error:.3g} after {law.labels} training labels"
    lines = [f"Retrain interval, by the time to {law.metric} {told.error:.3g} ({ended}):"]
    lines += [f"   {_interval(one)}" for one in told.tried]
    lines.append(f"Law: {law.said()}.")
    if max(one.fits for one in told.tried) <= 1:
        lines.append("The first model is there already, so that the interval hardly matters.")
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
