"""From the settings of a pool to a transform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from querist.core.errors import ConfigError
from querist.sources.nearest import nearest, refuse_unknown
from querist.sources.transforms.audio import Audio
from querist.sources.transforms.contract import Transform
from querist.sources.transforms.image import Image
from querist.sources.transforms.table import Table
from querist.sources.transforms.text import Text

MODALITIES: Mapping[str, Callable[..., Transform]] = {
    "image": Image,
    "text": Text,
    "table": Table,
    "audio": Audio,
}


def open_transform(settings: Mapping[str, Any]) -> Transform:
    """The transform that settings describe.

    Args:
        settings: ``modality`` (image, text, table, audio), and the attributes of its class by name.

    Raises:
        ConfigError: For an unknown modality or setting, naming the nearest, or an unusable value.
    """
    rest = dict(settings)
    modality = rest.pop("modality", None)
    if modality not in MODALITIES:
        hint = nearest(str(modality), MODALITIES)
        raise ConfigError(f"modality is one of {', '.join(MODALITIES)}, got {modality!r}.{hint}")
    kind = MODALITIES[modality]
    known = [setting.name for setting in fields(kind) if setting.init]  # type: ignore[arg-type]
    refuse_unknown(rest, known, f"A transform of modality {modality}")
    if isinstance(rest.get("size"), list):
        rest["size"] = tuple(rest["size"])
    try:
        return kind(**rest)
    except TypeError as error:
        raise ConfigError(f"A transform of modality {modality} cannot be made: {error}.") from error
