"""Which model and strategy a query uses where the user names none, and whether those named fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from querist.core.errors import ConfigError
from querist.models.inference import KINDS
from querist.models.inference_settings import parse
from querist.sources.nearest import nearest
from querist.strategies import registry
from querist.strategies.contract import Strategy
from querist.strategies.errors import UnknownStrategy

WITHOUT_LABELS = "typiclust"
"""For embeddings alone: typical items of clusters, apart from each other; good with few labels."""

OF_THE_POOL = frozenset({"items", "labelled_embeddings", "labels", "labelled_classes"})
"""What a query gives a strategy of itself, besides what the model gives."""

FEATURES_GIVE = frozenset({"embeddings"})


class Named(Protocol):
    """A strategy and its options."""

    use: str
    options: dict[str, Any]


def choose_model(model: Mapping[str, Any] | None, modality: str) -> dict[str, Any]:
    """The model's settings; where there are none, built-in features of the modality."""
    return {"use": "features", "modality": modality} if model is None else dict(model)


def choose_strategy(provides: Collection[str]) -> str:
    """The strategy for what a model gives.

    Both kinds of knowledge: ``badge``, which joins uncertainty and diversity. Probabilities alone:
    ``margin``. Embeddings alone: ``typiclust``. In docs/label-efficiency.md no strategy wins
    everywhere, and these are among the better and the cheap ones for what they need.
    """
    if {"probabilities", "embeddings"} <= set(provides):
        return "badge"
    if "probabilities" in provides:
        return "margin"
    return WITHOUT_LABELS if "embeddings" in provides else "random"


def check_choice(model: Mapping[str, Any] | None, strategy: Named | None) -> None:
    """Look at model and strategy before anything is read.

    Raises:
        ConfigError: If the model's settings, the strategy's name or options are none, or the
            strategy needs what built-in features cannot give.
    """
    if model is not None:
        parse(model, KINDS)
    if strategy is None:
        return
    try:
        found = registry.get(strategy.use)
    except UnknownStrategy as error:
        raise ConfigError(str(error)) from error
    _check_options(found, strategy.options)
    missing = set(found.needs) - FEATURES_GIVE - OF_THE_POOL
    if missing and (model is None or model.get("use") == "features"):
        raise ConfigError(
            f"{strategy.use} needs {', '.join(sorted(missing))}, which built-in features do not "
            f"give. Name a model under 'model', or use {WITHOUT_LABELS}, k-center or random."
        )


def _check_options(strategy: Strategy, options: Mapping[str, Any]) -> None:
    known = list(strategy.options)
    for name in options:
        if name not in known:
            hint = nearest(name, known) or f" Its options: {', '.join(known) or 'none'}."
            raise ConfigError(f"{strategy.name} has no option {name!r}.{hint}")
