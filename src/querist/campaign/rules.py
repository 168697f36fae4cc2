"""Rules of retraining and stopping, read from a configuration.

A mapping of rules holds when any of them does; ``all:`` and ``any:`` take lists of mappings::

    stop: {labels: 300}
    stop: {any: [{wall_time: 3600}, {all: [{labels: 100}, {uncertainty_below: 0.05}]}]}
    retrain: {every_labels: 20, when_idle: 5}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from querist.campaign.nearest import suggest
from querist.control import retrain, stop
from querist.control.rules import AllOf, AnyOf, Never, Rule

RETRAIN: dict[str, type[Rule]] = {
    "every_labels": retrain.EveryLabels,
    "growing_by": retrain.GrowingBy,
    "on_error_growth": retrain.OnErrorGrowth,
    "when_idle": retrain.WhenIdle,
}
STOP: dict[str, type[Rule]] = {
    "change_below": stop.ChangeBelow,
    "cost": stop.Cost,
    "error_below": stop.ErrorBelow,
    "error_converged": stop.ErrorConverged,
    "error_stable": stop.ErrorStable,
    "gain_below": stop.GainBelow,
    "labels": stop.Labels,
    "mean_uncertainty_below": stop.MeanUncertaintyBelow,
    "predictions_stable": stop.PredictionsStable,
    "selected_error_below": stop.SelectedErrorBelow,
    "uncertainty_below": stop.UncertaintyBelow,
    "uncertainty_rises": stop.UncertaintyRises,
    "wall_time": stop.WallTime,
}
# Stopping rules that wait forever where there is no hold-out.
WANT_HOLDOUT = {
    "change_below",
    "error_below",
    "error_converged",
    "error_stable",
    "gain_below",
    "mean_uncertainty_below",
    "predictions_stable",
    "uncertainty_rises",
}


def named(config: Any) -> Iterator[str]:
    """The names of all rules in a configuration, at whatever depth."""
    for name, value in config.items() if isinstance(config, Mapping) else ():
        if name not in ("all", "any"):
            yield name
        for part in value if name in ("all", "any") and isinstance(value, list | tuple) else ():
            yield from named(part)


def read_rule(config: Any, known: Mapping[str, type[Rule]], where: str) -> Rule:
    """A rule from its configuration.

    Args:
        config: A mapping of rule names to their value, or to a mapping of their parameters.
        known: Rules by name.
        where: Key in the configuration, for errors.

    Raises:
        ValueError: For unknown rules or parameters, naming the nearest known one.
    """
    if not isinstance(config, Mapping):
        raise ValueError(f"{where} should be a mapping of rules, got {config!r}")
    rules = [_one(name, value, known, f"{where}.{name}") for name, value in config.items()]
    if not rules:
        return Never()
    return rules[0] if len(rules) == 1 else AnyOf(tuple(rules))


def _one(name: str, value: Any, known: Mapping[str, type[Rule]], where: str) -> Rule:
    if name in ("all", "any"):
        if not isinstance(value, (list, tuple)) or not value:
            raise ValueError(f"{where} should be a list of rules, got {value!r}")
        parts = tuple(read_rule(item, known, f"{where}.{i}") for i, item in enumerate(value))
        return AllOf(parts) if name == "all" else AnyOf(parts)
    if name not in known:
        names = (*known, "all", "any")
        raise ValueError(
            f"{where}: unknown rule; known are {', '.join(names)}.{suggest(name, names)}"
        )
    return _build(known[name], value, where)


def _build(rule: type[Rule], value: Any, where: str) -> Rule:
    fields = dataclasses.fields(rule)  # type: ignore[arg-type]
    if not isinstance(value, Mapping):
        first = fields[0].name
        return rule(**{first: _typed(value, str(_type(fields, first)), where)})
    names = [field.name for field in fields]
    for key in value:
        if key not in names:
            raise ValueError(
                f"{where}.{key}: unknown parameter; known are {', '.join(names)}."
                f"{suggest(key, names)}"
            )
    checked = {k: _typed(v, str(_type(fields, k)), f"{where}.{k}") for k, v in value.items()}
    try:
        return rule(**checked)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


def _type(fields: Any, name: str) -> Any:
    return next(field.type for field in fields if field.name == name)


def _typed(value: Any, kind: str, where: str) -> Any:
    if kind == "str" and isinstance(value, str):
        return value
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "int" and number and float(value).is_integer():
        return int(value)
    if kind == "float" and number:
        return float(value)
    word = {"int": "a whole number", "float": "a number", "str": "a text"}[kind]
    raise ValueError(f"{where} should be {word}, got {value!r}")
