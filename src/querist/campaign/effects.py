"""What runs tell of placement: how quick roles are on GPUs, and answers with more cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from querist.campaign.loading import parse_settings
from querist.campaign.planned import Wanted, behaviour_of, placement_of
from querist.campaign.settings import CampaignSettings
from querist.core.errors import QueristError
from querist.planning.behaviour import Behaviour
from querist.planning.placement import EXPLORERS, TRAINERS, Effects, Placement, serial_of
from querist.store.run_folder import RunFolder

Seen = tuple[Placement, Behaviour]


def run_settings(run: Path | str) -> CampaignSettings | None:
    """With which a run was made; None where they were Python objects."""
    try:
        return parse_settings(RunFolder(run).config()["settings"], str(run))
    except (QueristError, KeyError, ValueError):
        return None


def effects_of(runs: Sequence[Path | str], settings: CampaignSettings, wanted: Wanted) -> Effects:
    """What placement does to speed, relative to the first run: as stated, or measured in several.

    Args:
        runs: Of the campaign.
        settings: Of the campaign that is planned, also for a run that does not say its own.
        wanted: With what is stated.
    """
    own = [run_settings(run) or settings for run in runs]
    seen = [
        (placement_of(o), behaviour_of(run, settings)) for o, run in zip(own, runs, strict=True)
    ]
    gpu, serial, sources = dict(wanted.gpu_speedup), dict(wanted.serial), dict[str, str]()
    for role, seconds in ((TRAINERS, _fitting), (EXPLORERS, _predicting)):
        found = _ratio(role, seen, seconds)
        if role not in gpu and found is not None:
            gpu[role], sources[role] = found, f"measured in {len(runs)} runs"
    for name in settings.oracles:
        part = _serial(name, seen)
        if name not in serial and part is not None:
            serial[name], sources[name] = part, f"measured in {len(runs)} runs"
    stated = {name: "as stated" for name in (*gpu, *serial) if name not in sources}
    return Effects(seen[0][0], gpu, serial, {**sources, **stated})


def unknown(settings: CampaignSettings, wanted: Wanted, known: Effects) -> list[str]:
    """What of the placement is left as configured, since nothing is known of it."""
    roles = [TRAINERS] * bool(settings.trainers) + [EXPLORERS]
    told = [
        f"whether {role} want GPUs: no two runs differ in that; say --gpu-speedup {role}=8"
        for role in (roles if wanted.gpus else ())
        if role not in known.gpu
    ]
    for name, oracle in settings.oracles.items():
        if oracle.resources is not None and name not in known.serial:
            told.append(
                f"how many cores an answer of {name} wants: no two runs differ in that; say "
                f"--serial {name}=0.05, the share of its time that more cores do not shorten"
            )
    return told


def _ratio(role: str, seen: Sequence[Seen], seconds: object) -> float | None:
    """How many times as fast the role was with a GPU, where runs differ in that."""
    assert callable(seconds)
    took: dict[bool, list[float]] = {True: [], False: []}
    for at, behaviour in seen:
        took[bool(at.gpus(role))].append(seconds(behaviour))
    if not (took[True] and took[False]) or min(map(np.mean, took.values())) <= 0:
        return None
    return float(np.mean(took[False]) / np.mean(took[True]))


def _fitting(behaviour: Behaviour, labels: int = 100) -> float:
    return behaviour.fits.seconds(labels, None)


def _predicting(behaviour: Behaviour) -> float:
    """Seconds of a prediction."""
    mean = behaviour.slices.draw(np.random.default_rng(0), 256).mean()
    return float(behaviour.predicting * mean / max(behaviour.proposed, 1e-9))


def _serial(name: str, seen: Sequence[Seen]) -> float | None:
    times: dict[int, list[float]] = {}
    for at, behaviour in seen:
        if name in behaviour.labels:
            drawn = behaviour.labels[name].draw(np.random.default_rng(0), 1024)
            times.setdefault(at.size(name), []).append(float(drawn.mean()))
    means: Mapping[int, float] = {size: float(np.mean(found)) for size, found in times.items()}
    return serial_of(means)
