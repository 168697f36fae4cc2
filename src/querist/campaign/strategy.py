"""A campaign's query strategy: what it is, what it needs, and whether the model gives that."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from querist.campaign.handlers.supply import INPUTS, innermost
from querist.campaign.settings import CampaignSettings, StrategySettings
from querist.core.errors import ConfigError, QueristError
from querist.core.tasks import resolve
from querist.strategies.contract import Strategy, batchwise, pointwise
from querist.strategies.modifying import configured
from querist.strategies.needs import NEEDS
from querist.strategies.registry import get, strategies

CHOICES = ("auto", "albl")
ALWAYS = {"items", "inputs", "labels", "labelled_classes", "labelled_costs", "predictions", "std"}
CLASSES = {"probabilities"}
MEMBER_CLASSES = {"member_probabilities", "target_member_probabilities"}
FEATURES = {"embeddings", "labelled_embeddings"}
LABELS = {"label_probabilities"}
OWN = {*LABELS, "gradients", "model"}  # taken to be there, of models that are not ours
SHOWN = 12


def strategy_of(use: str, options: Mapping[str, Any], live: Any = None) -> Strategy:
    """The strategy of a name, a text with modifiers, an import path, or a function.

    A plain function becomes a strategy by the names of its parameters: one that takes a ``budget``
    picks rows together, any other scores them.

    Raises:
        UnknownStrategy: If there is none of that name.
        ConfigError: If it has no such options.
        NeedError: If a function cannot be a strategy.
    """
    if live is None and ":" in use and "(" not in use:
        live = resolve(use)
    found = get(use) if live is None else _made(live)
    return configured(found, options) if options else found


def _made(function: Any) -> Strategy:
    if isinstance(function, Strategy):
        return function
    if not callable(function):
        raise ConfigError(f"a strategy is a name or a function, but got {function!r}.")
    make = batchwise if "budget" in inspect.signature(function).parameters else pointwise
    return make(paper="none", cost="not stated", use="one's own")(function)


def given(model: Any, embeddings: str, costs: str) -> set[str]:
    """The kinds of data that a strategy can have of a model.

    Of a model that is not ours all that predictions can hold is taken to be there.
    """
    inner = innermost(model)
    found = set(ALWAYS)
    if type(inner).__module__.startswith("querist.models."):
        classifies = bool(getattr(inner, "classifies", False))
        has_members = hasattr(inner, "members") or hasattr(inner, "passes")
        if classifies:
            found = found - {"predictions", "std"} | CLASSES | MEMBER_CLASSES
        elif getattr(inner, "several", False):
            found |= LABELS
        elif has_members:
            found |= {"member_predictions"}
        found |= {"gradients"} if hasattr(inner, "gradients") else set()
        found |= {"model"} if classifies and hasattr(inner, "rows") else set()
    else:
        found |= CLASSES | MEMBER_CLASSES | {"member_predictions", *OWN}
    if embeddings or hasattr(inner, "embed"):
        found |= FEATURES
    return found | ({"costs"} if costs else set())


def names_of(settings: StrategySettings) -> list[str]:
    """The strategies that a campaign may follow."""
    return list(settings.among) if settings.use in CHOICES else [settings.use]


def strategy_problems(settings: CampaignSettings, model: Any) -> Iterator[str]:
    """What would keep the strategy from working; ``model`` is made, or None where it cannot be."""
    chosen = settings.strategy
    if chosen is None:
        return
    if not settings.trainers:
        yield "strategy: is computed by a trainer; give trainers: 1 or more."
    if chosen.use in CHOICES:
        yield from _choice_problems(settings, chosen)
    elif chosen.among or chosen.rules:
        yield f"strategy: among and rules are for {' and '.join(CHOICES)}."
    for path, key in ((chosen.embeddings, "embeddings"), (chosen.costs, "costs")):
        if path and path != INPUTS:
            yield from _unresolved(path, f"strategy.{key}")
    offered = None if model is None else given(model, chosen.embeddings, chosen.costs)
    if chosen.use == "albl" and offered is not None and "probabilities" not in offered:
        yield "strategy: albl learns from right and wrong classes; the model gives none. Use auto."
    for name in names_of(chosen):
        yield from _unfit(chosen, name, model, offered)


def _unfit(
    chosen: StrategySettings, name: str, model: Any, offered: set[str] | None
) -> Iterator[str]:
    single = chosen.use not in CHOICES
    try:
        found = strategy_of(name, chosen.options if single else {}, chosen.live)
    except (QueristError, ValueError) as error:
        yield f"strategy: {error}"
        return
    except Exception as error:  # noqa: BLE001 - importing a user's module may raise anything
        yield f"strategy: importing {name!r} raised {type(error).__name__}: {error}."
        return
    lacking = [] if offered is None else [need for need in found.needs if need not in offered]
    if offered is None:
        return
    if not lacking and "labelled_classes" in found.optional and "probabilities" not in offered:
        lacking = ["labelled_classes"]  # numbers are told, and would be taken for classes
    if not lacking:
        return
    fit = [one for one in strategies() if set(one.needs) <= offered]
    would = [one.name for one in sorted(fit, key=lambda one: one.family == "acquisition")]
    wanted = " and ".join(f"{need} ({NEEDS[need].meaning})" for need in lacking)
    yield (
        f"strategy: {found.name} needs {wanted}, which {type(innermost(model)).__name__} does not "
        f"give.{_remedy(lacking)} Strategies that would work: {', '.join(would[:SHOWN])}"
        f"{' and others' if len(would) > SHOWN else ''}."
    )


def _remedy(lacking: list[str]) -> str:
    if FEATURES & set(lacking):
        return " Set strategy.embeddings to 'inputs' or to a function of a batch."
    if "costs" in lacking:
        return " Set strategy.costs to a function of a batch, or use learned-cost(...)."
    return ""


def _choice_problems(settings: CampaignSettings, chosen: StrategySettings) -> Iterator[str]:
    use = chosen.use
    if len(chosen.among) < 2 or len(set(chosen.among)) < len(chosen.among):
        yield f"strategy.among: {use} chooses between two or more strategies, each named once."
    if settings.budget.labels is None:
        yield f"strategy: {use} spends a budget of labels; give budget: {{labels: ...}}."
    if len(settings.oracles) > 1:
        yield f"strategy: {use} works with one oracle, not with {len(settings.oracles)}."
    if use == "auto" and not (settings.holdout or settings.start.test_set):
        yield "strategy: auto compares by the hold-out; give holdout: 0.1 or start.test_set."
    if use == "albl" and "random" not in chosen.among:
        yield "strategy.among: albl needs 'random' too, by which any sample may be drawn."
    if use == "albl" and chosen.rules:
        yield "strategy.rules: are for auto."
    known = ("explore", "doubt", "points")
    for key in chosen.rules:
        if key not in known:
            yield f"strategy.rules.{key}: unknown; known are {', '.join(known)}."


def _unresolved(path: str, where: str) -> Iterator[str]:
    try:
        resolve(path)
    except QueristError as error:
        yield f"{where}: {error}"
    except Exception as error:  # noqa: BLE001 - importing a user's module may raise anything
        yield f"{where}: importing {path!r} raised {type(error).__name__}: {error}."
