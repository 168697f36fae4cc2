"""How many workers each role gets: fixed, as a share of what there is, or ``auto``.

Counts are resolved once, before plan and pools are made, and anew whenever a run is resumed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from querist.campaign.placing import room, runs_programs
from querist.campaign.settings import CampaignSettings, Count, Share
from querist.campaign.wiring import members_of

# Shares that `auto` stands for. An oracle's answers are what is scarce, and one explorer finds
# questions for several of its workers.
AUTO = {"explorers": 1.0, "generators": 1.0, "predictors": 0.25, "oracles": 3.0}
_APART = ("generators", "predictors")
TRAINERS = 1 / 16  # of those that are not fixed, and at most one for each member of the committee


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many workers a pool is to have.

    Attributes:
        count: Exactly so many; None to share what the fixed ones leave.
        share: Its weight among those that share.
        most: Its limit.
        gpus: That each of its workers needs.
        size: How many of what there is each of its workers takes.
    """

    count: int | None = None
    share: float = 1.0
    most: float = math.inf
    gpus: float = 0.0
    size: int = 1


def shared_out(
    wanted: Mapping[str, Wanted], workers: int, gpus: float = math.inf
) -> dict[str, int]:
    """Whole numbers of workers for pools.

    Those that share get one each, even where there are too few. Then each further worker goes to
    the pool that is farthest behind its share by the method of Webster (Balinski & Young, *Fair
    Representation*, 1982), until there is no room for it: with more room no pool ever gets fewer.

    Args:
        wanted: By name.
        workers: That there is room for.
        gpus: That there are; pools that need one do not grow beyond them.

    Returns:
        Counts by name.
    """
    counts = {name: 1 if w.count is None else w.count for name, w in wanted.items()}
    gpus -= sum(counts[name] * w.gpus for name, w in wanted.items())
    workers -= sum(counts[name] * w.size for name, w in wanted.items())
    growing = {name: w for name, w in wanted.items() if w.count is None}
    while fit := [
        name
        for name, w in growing.items()
        if counts[name] < w.most and (not w.gpus or w.gpus <= gpus + 1e-9)
    ]:
        name = min(fit, key=lambda n: (counts[n] + 0.5) / growing[n].share)
        workers -= growing[name].size
        if workers < 0:
            break
        counts[name] += 1
        gpus -= growing[name].gpus
    return counts


def resolved(settings: CampaignSettings, workers: int, gpus: float = math.inf) -> CampaignSettings:
    """Settings in which every count is a number.

    Args:
        settings: As written.
        workers: That there are: ranks beside rank 0, or cores.
        gpus: That there are.
    """
    if not open_counts(settings):
        return settings
    counts = shared_out(_with_resources(settings, _wanted(settings)), workers, gpus)
    oracles = {
        name: oracle.model_copy(update={"workers": counts.get(f"oracles.{name}", 0)})
        for name, oracle in settings.oracles.items()
    }
    update: dict[str, Any] = {"oracles": oracles, "trainers": counts["trainers"]}
    if settings.placement.kind == "split":
        apart = {role: counts[f"placement.{role}"] for role in _APART}
        update["placement"] = settings.placement.model_copy(update=apart)
    else:
        update["explorers"] = counts["explorers"]
    return settings.model_copy(update=update)


def _with_resources(settings: CampaignSettings, wanted: Mapping[str, Wanted]) -> dict[str, Wanted]:
    """What is wanted, with what the oracles' resources say of it.

    On ``processes`` a worker takes the cores that it, or the program that it starts, computes on.
    Where programs run side by side in an allocation, there are no more than fit into it.
    """
    found, fitting = dict(wanted), room(settings)
    for name, oracle in settings.oracles.items():
        key = f"oracles.{name}"
        if oracle.resources is None or key not in found:
            continue
        needed, here = oracle.resources.needed(), settings.engine.kind == "processes"
        found[key] = replace(
            found[key],
            size=needed.nodes * needed.ranks * needed.cores if here else 1,
            gpus=0.0 if runs_programs(oracle) else needed.gpus,
            most=fitting.get(name, found[key].most),
        )
    return found


def open_counts(settings: CampaignSettings) -> dict[str, str]:
    """Counts that are not numbers, by name, as they are written."""
    return {
        name: f"share {count.share:g}" if isinstance(count, Share) else count
        for name, count in _counts(settings).items()
        if not isinstance(count, int)
    }


def told(settings: CampaignSettings, made: CampaignSettings) -> str:
    """What became of the counts that are not numbers; "" where all are."""
    written, counts = open_counts(settings), _counts(made)
    return ", ".join(f"{name}: {counts[name]} ({how})" for name, how in written.items())


def _counts(settings: CampaignSettings) -> dict[str, Count]:
    counts: dict[str, Count] = {"explorers": settings.explorers}
    if settings.placement.kind == "split":
        counts = {f"placement.{role}": getattr(settings.placement, role) for role in _APART}
    for name, oracle in settings.oracles.items():
        if not oracle.outside:
            counts[f"oracles.{name}"] = oracle.workers
    return {**counts, "trainers": settings.trainers}


def _wanted(settings: CampaignSettings) -> dict[str, Wanted]:
    """All counts; trainers come last, for what they get follows from the others."""
    found: dict[str, Wanted] = {}
    for name, count in _counts(settings).items():
        first, _, last = name.partition(".")
        role = last if first == "placement" else first
        gpus = settings.gpus.explorers if role == "predictors" else getattr(settings.gpus, role, 0)
        if isinstance(count, int):
            found[name] = Wanted(count, gpus=gpus)
        elif isinstance(count, Share):
            found[name] = Wanted(share=count.share, gpus=gpus)
        elif role != "trainers":
            found[name] = Wanted(share=AUTO[role], gpus=gpus)
        else:
            others = sum(w.share for w in found.values() if w.count is None)
            share = others * TRAINERS / (1 - TRAINERS) or 1.0
            found[name] = Wanted(share=share, most=members_of(settings), gpus=gpus)
    return found
