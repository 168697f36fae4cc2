"""A plan as the part of a campaign file that it changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from querist.campaign.settings import CampaignSettings
from querist.planning.forecast import Allocation
from querist.planning.placement import Placement


def fragment(settings: CampaignSettings, chosen: Allocation) -> dict[str, Any]:
    """The keys of a campaign file that a plan changes.

    Args:
        settings: Of the campaign.
        chosen: The allocation.
    """
    at = chosen.placement
    made: dict[str, Any] = {"trainers": chosen.trainers, "oracles": {}}
    if at.generators:
        ranks = at.generators * chosen.explorers
        split = {"kind": "split", "generators": ranks, "predictors": chosen.explorers}
        made["placement"] = {**split, "by": "replica"}
    else:
        made |= {"explorers": chosen.explorers, "placement": "colocated"}
    made["gpus"] = {"explorers": at.explorer_gpus, "trainers": at.trainer_gpus}
    for name, workers in chosen.oracles:
        made["oracles"][name] = {"workers": workers, **_resources(settings, name, at)}
        if chosen.batch is not None:
            made["oracles"][name]["batch"] = chosen.batch
    if chosen.every is not None:
        made["retrain"] = {"every_labels": chosen.every}
    return made


def _resources(settings: CampaignSettings, name: str, at: Placement) -> dict[str, Any]:
    """Those of an oracle, where it has any; more cores are more ranks where it has several."""
    configured = settings.oracles[name].resources
    if configured is None and at.size(name) == 1:
        return {}
    told = {} if configured is None else configured.model_dump(exclude_defaults=True)
    if told.get("ranks", 1) > 1:
        told |= {"ranks": max(1, at.size(name) // told.get("cores", 1))}
    else:
        told |= {"cores": at.size(name)}
    return {"resources": told}


def merged(file: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A campaign file with a plan in it.

    Args:
        file: As it was read.
        changes: What :func:`fragment` gives.
    """
    made = {**file, **{key: value for key, value in changes.items() if key != "oracles"}}
    if made["placement"] != "colocated":
        made.pop("explorers", None)
    told, changed = file["oracles"], changes["oracles"]
    if isinstance(told, Mapping) and not set(told) & {"use", "live"}:
        made["oracles"] = {name: {**_role(o), **changed.get(name, {})} for name, o in told.items()}
    else:  # a single one that has no name
        made["oracles"] = {**_role(told), **changed["oracle"]}
    return made


def _role(told: Any) -> dict[str, Any]:
    return dict(told) if isinstance(told, Mapping) else {"use": told}
