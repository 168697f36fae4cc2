"""Whether the oracles of a run that is resumed are those that it was begun with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from querist.campaign.settings import CampaignSettings
from querist.models.code import sources_of

_WHAT = ("use", "options", "level")  # of an oracle's settings; the rest is how it is run


def code_of_oracles(settings: CampaignSettings) -> dict[str, str]:
    """By oracle, a digest of the user's own modules behind it; "" where there are none."""
    return {name: _code(_told(role.model_dump(mode="json"))) for name, role in _named(settings)}


def changes(kept: Mapping[str, Any], settings: CampaignSettings) -> Iterator[str]:
    """A sentence on each oracle that is another one than when the run was begun.

    Args:
        kept: What the run's ``config.json`` holds.
        settings: Those that it is resumed with.
    """
    before, code = kept["settings"].get("oracles", {}), kept.get("code", {})
    now = code_of_oracles(settings)
    for name, role in _named(settings):
        if name not in before:
            continue
        if _told(before[name]) != _told(role.model_dump(mode="json")):
            what = "is set up in another way"
        elif code.get(name, now[name]) != now[name]:
            what = "has other code (its module, or one that this imports)"
        else:
            continue
        yield (
            f"the oracle {name} {what} than when this run was begun; its former answers stay, and "
            "are trained on together with new ones."
        )


def _named(settings: CampaignSettings) -> Iterator[tuple[str, Any]]:
    yield from sorted(settings.oracles.items())


def _told(oracle: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _moved(oracle.get(name)) for name in _WHAT}


def _moved(value: Any) -> Any:
    """Settings without the folders of absolute paths: all may have been moved together."""
    if isinstance(value, Mapping):
        return {key: _moved(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_moved(one) for one in value]
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


def _code(value: Any) -> str:
    parts = sorted({part for text in _targets(value) for part in sources_of(text, own=True)})
    return hashlib.blake2b(b"\n".join(parts), digest_size=16).hexdigest() if parts else ""


def _targets(value: Any) -> Iterator[str]:
    """Names of the modules in texts such as ``package.module:function``."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _targets(one)
    elif isinstance(value, str):
        module, colon, name = value.partition(":")
        parts = [*module.split("."), *name.split(".")]
        if colon and all(part.isidentifier() for part in parts):
            yield module
