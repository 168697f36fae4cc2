"""What the rounds of a pool are asked to be: checked before anything is picked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from querist.campaign.loading import checked
from querist.pool.query_settings import kind_alone


def _used(value: Any) -> Any:
    return {"use": value} if isinstance(value, str) else value


class RoundsSettings(BaseModel):
    """What the rounds of a pool are.

    Attributes:
        rounds: How many.
        budget: Items picked in each.
        model: Settings of the model whose features are learned on, or that is fine-tuned; None for
            built-in features.
        strategy: Of all rounds in which there is a trained model; None for the one that fits it.
        options: Of that strategy.
        start: Of the rounds before, when nothing is trained yet.
        oracle: "person", "file" or "service".
        labels: The file, or the address of the service.
        trainer: "linear_head", "fine_tune", or the import path of a function of ``(embeddings,
            labels, classes, base, file)`` that writes a model and gives ``settings`` to open it and
            ``metrics``; with options as ``{"use": "linear_head", "l2": 1.0}``.
        holdout: Items that are drawn at random and labelled first, to judge each model by and never
            to learn from.
        seed: Of the queries.
        engine, scan: Of the queries, as in :class:`~querist.pool.query_settings.QuerySettings`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rounds: int = Field(ge=1)
    budget: int = Field(ge=1)
    model: dict[str, Any] | None = None
    strategy: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    start: str | None = None
    oracle: Literal["person", "file", "service"] = "person"
    labels: str = ""
    trainer: Annotated[dict[str, Any], BeforeValidator(_used)] = Field(
        default_factory=lambda: {"use": "linear_head"}
    )
    holdout: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0)
    engine: Annotated[dict[str, Any], BeforeValidator(kind_alone)] = Field(default_factory=dict)
    scan: dict[str, Any] = Field(default_factory=dict)


def parse_rounds(
    settings: RoundsSettings | Mapping[str, Any], where: str = "these rounds"
) -> RoundsSettings:
    """Settings from a mapping.

    Raises:
        ConfigError: With every problem; unknown keys with the nearest known one.
    """
    return checked(RoundsSettings, settings, where)


def query_of(
    settings: RoundsSettings, number: int, model: Mapping[str, Any] | None, first: bool
) -> dict[str, Any]:
    """The query of a round, in the words of a query's settings.

    Args:
        settings: Of the rounds.
        number: Of the round.
        model: That picks.
        first: Whether nothing is trained yet.
    """
    asked = {
        "model": None if model is None else dict(model),
        "strategy": settings.start if first else settings.strategy,
        "options": {} if first else settings.options,
        "budget": settings.budget,
        "seed": settings.seed + number,
        "engine": settings.engine,
        "scan": settings.scan,
    }
    return {name: value for name, value in asked.items() if value not in (None, {})}
