"""What a YAML file describes: a campaign, a study, a pool or a service, told by its keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from querist.core.errors import ConfigError


def kind_of(path: Path) -> str:
    """``campaign``, ``study``, ``pool`` or ``service``: whose keys most of the file's are.

    A file that cannot be read counts as a campaign, whose loader says what is wrong.
    """
    from querist.campaign.settings import CampaignSettings
    from querist.pool.file import PoolFile
    from querist.pool.yaml_lines import read_yaml
    from querist.service.settings import ServiceSettings

    try:
        value = read_yaml(path).value
    except ConfigError:
        return "campaign"
    if not isinstance(value, Mapping):
        return "campaign"
    if "space" in value or "candidates" in value:
        return "study"
    if "data" in value:  # a mapping of what is to be labelled, or the folder of a service
        return "pool" if not isinstance(value["data"], str) else "service"
    if isinstance(value.get("budget"), int | float):  # a campaign's has parts, a service has none
        return "pool"
    known = {
        "campaign": set(CampaignSettings.model_fields),
        "pool": set(PoolFile.model_fields),
        "service": set(ServiceSettings.model_fields),
    }
    return max(known, key=lambda kind: len(known[kind] & set(value)))
