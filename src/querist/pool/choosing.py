"""Which model and strategy a query uses where the user names none, and whether those named fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from querist.core.errors import ConfigError
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


def choose_strategy(model: Mapping[str, Any] | None) -> str:
    """The strategy where none is named.

    ``typiclust`` for built-in features: typical items of clusters, apart from each other.
    ``margin`` for a classifier: it needs probabilities only, keeps no more than the best items in
    memory, and was nowhere worse than random (docs/label-efficiency.md). ``qbc-variance`` for a
    committee that predicts numbers.
    """
    if model is None or model.get("use") == "features":
        return WITHOUT_LABELS
    return "qbc-variance" if model.get("task") == "regression" else "margin"


def check_choice(model: Mapping[str, Any] | None, strategy: Named | None) -> None:
    """Look at model and strategy before anything is read.

    Raises:
        ConfigError: If the model's settings, the strategy's name or options are none, or the
            strategy needs what built-in features cannot give.
    """
    if model is not None:
        parse(model)
    if strategy is None:
        return
    found = strategy_named(strategy.use, strategy.options)
    missing = set(found.needs) - FEATURES_GIVE - OF_THE_POOL
    if missing and (model is None or model.get("use") == "features"):
        raise ConfigError(
            f"{strategy.use} needs {', '.join(sorted(missing))}, which built-in features do not "
            f"give. Name a model under 'model', or use {WITHOUT_LABELS}, k-center or random."
        )


def strategy_named(name: str, options: Mapping[str, Any]) -> Strategy:
    """A strategy that has these options.

    Raises:
        ConfigError: If there is none of this name, or it has no such option.
    """
    try:
        found = registry.get(name)
    except UnknownStrategy as error:
        raise ConfigError(str(error)) from error
    _check_options(found, options)
    return found


def _check_options(strategy: Strategy, options: Mapping[str, Any]) -> None:
    known = list(strategy.options)
    for name in options:
        if name not in known:
            hint = nearest(name, known) or f" Its options: {', '.join(known) or 'none'}."
            raise ConfigError(f"{strategy.name} has no option {name!r}.{hint}")
