"""The settings of a pool: ``pool.json`` in its folder, which refuses keys it does not know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from querist.campaign.loading import checked
from querist.core.errors import ConfigError
from querist.pool.errors import NotAPool
from querist.sources.access import Access
from querist.store.files import atomic_write

FILE = "pool.json"

Task = Literal["classification", "multi-label", "detection", "tokens", "regression", "free"]


class AccessSettings(BaseModel):
    """What a pool may read; see :class:`~querist.sources.access.Access`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    roots: tuple[Path, ...] | None = None
    hosts: tuple[str, ...] | None = None
    private: bool = True
    schemes: tuple[str, ...] | None = None
    credentials: bool = True
    proxy: str = ""
    max_bytes: int = Field(default=1 << 30, gt=0)
    timeout: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    stall: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    redirects: int = Field(default=5, ge=0)

    def policy(self) -> Access:
        """As the sources are told."""
        return Access(**{name: getattr(self, name) for name in type(self).model_fields})


class ModelAccess(BaseModel):
    """Which servers of models (Open Inference Protocol) may be asked.

    Attributes:
        servers: Base URLs that may be asked wherever they are.
        hosts: Other hosts, as in :class:`~querist.sources.access.Access`.
        private: Whether these hosts may be in loopback, private and other special networks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    servers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    private: bool = False


class PoolSettings(BaseModel):
    """What a pool is for, and where its items may come from.

    Attributes:
        name: Shown to people; "" for the folder's name.
        task: What a label is: the name of a class, of several, boxes, spans of a text, numbers, or
            anything that JSON can hold.
        classes: All class names, in the order of the model's outputs. None lets them be learned
            from the labels, in the order in which they come.
        transform: How items are decoded, for ``open_transform``.
        sources: Options by URI scheme (endpoint, region ...).
        access: What may be read.
        models: Which servers of models may be asked; None for any.
        agreement: Which label holds where annotators differ: the latest, or that of most of them;
            a tie then leaves the item disputed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", max_length=200)
    task: Task = "classification"
    classes: tuple[str, ...] | None = None
    transform: dict[str, Any] = Field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = Field(default_factory=dict)
    access: AccessSettings = AccessSettings()
    models: ModelAccess | None = None
    agreement: Literal["latest", "majority"] = "latest"

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if classes is not None and (not all(classes) or len(set(classes)) < len(classes)):
            raise ValueError("should be distinct names that are not empty")
        return classes


def parse_settings(found: Any, where: str) -> PoolSettings:
    """Settings from a mapping.

    Raises:
        ConfigError: With every problem; unknown keys with the nearest known one.
    """
    return checked(PoolSettings, found, where)


def write_settings(folder: Path, settings: PoolSettings) -> None:
    """Write ``pool.json``, whole or not at all."""
    text = json.dumps(settings.model_dump(mode="json"), indent=2, ensure_ascii=False)
    atomic_write(folder / FILE, text.encode() + b"\n")


def read_settings(folder: Path) -> PoolSettings:
    """Read ``pool.json``.

    Raises:
        NotAPool: If there is none.
        ConfigError: If it cannot be used.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise NotAPool(
            f"{folder} is not the folder of a pool: it has no {FILE}. "
            "Give the folder of one, or make one with Pool.create or `querist pool create`."
        ) from None
    except ValueError as error:  # of UTF-8 or JSON
        raise ConfigError(f"{path} is not valid JSON: {error}.") from error
    return parse_settings(found, str(path))
