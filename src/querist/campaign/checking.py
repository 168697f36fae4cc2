"""Checks a campaign without running it: every problem found, each with what to do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from querist.campaign.called import is_function, wants
from querist.campaign.extras import brought_by, missing_extra
from querist.campaign.nearest import suggest
from querist.campaign.placing import resource_problems
from querist.campaign.rules import RETRAIN, STOP, WANT_HOLDOUT, named, read_rule
from querist.campaign.settings import CampaignSettings, Role
from querist.campaign.simulating import virtual_problems
from querist.campaign.strategy import strategy_problems
from querist.core.errors import ConfigError, QueristError
from querist.core.tasks import Factory, resolve

NEEDED: dict[str, tuple[str, ...]] = {
    "generator": ("propose", "observe"),
    "model": ("predict", "fit", "load"),
    "oracle": ("answer",),
    "policy": ("priority", "route", "should_retrain", "should_stop"),
}
FUNCTION = "function"  # an option of this name is one wherever there is one
CALLED = ("filter", "validator")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
DATA_SUFFIXES = (".extxyz", ".xyz", ".npz", ".npy", ".db", ".parquet", ".json", ".csv", ".yaml")


def problems(settings: CampaignSettings) -> list[str]:
    """Everything that would stop this campaign from starting, one sentence each."""
    found: list[str] = []
    for where, kind, role in _roles(settings):
        found.extend(f"{where}: {problem}" for problem in _role_problems(kind, role))
    for config, known, where in (
        (settings.retrain, RETRAIN, "retrain"),
        (settings.stop, STOP, "stop"),
    ):
        try:
            read_rule(config, known, where)
        except ValueError as error:
            found.append(_sentence(error))
    found.extend(_asking_people(settings))
    found.extend(_strategy(settings))
    found.extend(_sense(settings))
    found.extend(_unseen_gpus(settings))
    found.extend(_misplaced(settings))
    found.extend(virtual_problems(settings))
    found.extend(resource_problems(settings))
    return found


def require_sound(settings: CampaignSettings) -> None:
    """Raise when there is any problem.

    Raises:
        ConfigError: With all of them.
    """
    found = problems(settings)
    if found:
        raise ConfigError("the campaign cannot be used:", tuple(found))


def _roles(settings: CampaignSettings) -> Iterator[tuple[str, str, Role]]:
    for index, role in enumerate(settings.generators):
        yield f"generators.{index}", "generator", role
    yield "model", "model", settings.model
    for name, oracle in settings.oracles.items():
        if not oracle.outside or oracle.use:
            yield f"oracles.{name}", "oracle", oracle
        if oracle.validator is not None:
            yield f"oracles.{name}.validator", "validator", oracle.validator
    for index, role in enumerate(settings.gate.filters):
        yield f"gate.filters.{index}", "filter", role
    if settings.policy is not None:
        yield "policy", "policy", settings.policy


def _role_problems(kind: str, role: Role) -> Iterator[str]:
    if role.is_live:
        yield from _missing_methods(kind, role.live)
        if isinstance(role.live, type) and kind not in CALLED:
            name = role.live.__name__
            yield f"{name} is a class; give an instance, {name}(...), or its import path."
        made = type(role.live)
        if lacking := kind == "model" and missing_extra(f"{made.__module__}:", made.__name__):
            yield lacking
        return
    try:
        factory = role.factory(kind)
        target = resolve(factory.target)
    except (ValueError, QueristError) as error:
        yield _sentence(error)
        return
    except Exception as error:  # noqa: BLE001 - importing a user's module may raise anything
        yield f"importing {role.use!r} raised {type(error).__name__}: {error}."
        return
    if lacking := missing_extra(factory.target, role.use):
        yield lacking
    yield from _unfit_options(kind, target, factory)
    yield from _unkept(kind, factory.options)
    if isinstance(target, type):
        yield from _missing_methods(kind, target)
    yield from _missing_files(factory.options)
    yield from _missing_targets(factory.options)


def _asking_people(settings: CampaignSettings) -> Iterator[str]:
    """What people are asked is known before anybody is."""
    for name, oracle in settings.oracles.items():
        if oracle.use != "human":
            continue
        try:
            oracle.factory("oracle").create()
        except QueristError as error:
            yield f"oracles.{name}: {_sentence(error)}"
        if not oracle.outside:
            yield f"oracles.{name}: people have no workers; give outside: 1 or more."


def _strategy(settings: CampaignSettings) -> Iterator[str]:
    """What strategies may need is known where the model can be made; else it told why not."""
    if settings.strategy is None:
        return
    try:
        model = settings.model.factory("model").create()
    except Exception:  # noqa: BLE001 - a user's model may raise anything; it is told elsewhere
        model = None
    yield from strategy_problems(settings, model)


def _missing_methods(kind: str, thing: Any) -> Iterator[str]:
    name = thing.__name__ if isinstance(thing, type) else type(thing).__name__
    if kind in CALLED:
        if not callable(thing):
            yield f"{name} cannot be called; a {kind} is a function or has __call__."
        return
    for method in NEEDED[kind]:
        if not callable(getattr(thing, method, None)):
            yield f"{name} lacks the method {method!r}; it should have {', '.join(NEEDED[kind])}."


def _unfit_options(kind: str, target: Callable[..., Any], factory: Factory) -> Iterator[str]:
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):  # some C callables have none
        return
    known = [p.name for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for key in factory.options:
        if key not in known and not takes_any:
            yield (
                f"options.{key}: {factory.target} has no such option; it has "
                f"{', '.join(known) or 'none'}.{suggest(key, known)}"
            )
    if kind in CALLED and is_function(target, factory.options):
        return
    hint = ""
    if kind == "oracle" and is_function(target, factory.options):
        hint = (
            " A function that answers is given as "
            f'{{use: function, options: {{function: "{factory.target}", outputs: ...}}}}.'
        )
    for name in wants(target, factory.options):
        yield f"options.{name}: {factory.target} requires it.{hint}"


def _unkept(kind: str, options: Mapping[str, Any]) -> Iterator[str]:
    """Options go into the run's folder, for those who make the role anew."""
    for key, value in options.items():
        try:
            TypeAdapter(Any).dump_python(value, mode="json")
        except ValueError:
            yield (
                f"options.{key}: {value!r:.80} is a Python object, which a file cannot hold; give "
                f"its import path, or the {kind} itself as 'live', without 'use' and 'options'."
            )


def _missing_files(options: Mapping[str, Any]) -> Iterator[str]:
    for key, value in options.items():
        is_file = isinstance(value, str) and value.lower().endswith(DATA_SUFFIXES)
        if is_file and not Path(value).exists():
            yield f"options.{key}: the file {value} does not exist."


def _missing_targets(options: Mapping[str, Any]) -> Iterator[str]:
    """Options such as ``function: "problem:simulate"`` name something to import."""
    for key, value in options.items():
        if isinstance(value, str) and (key == FUNCTION or _TARGET.fullmatch(value)):
            problem = _unresolved(value)
            if problem:
                yield f"options.{key}: {problem}"


def _unresolved(target: str) -> str:
    """Why a target cannot be imported, or nothing."""
    try:
        resolve(target)
    except QueristError as error:
        return _sentence(error)
    except Exception as error:  # noqa: BLE001 - importing a user's module may raise anything
        return f"importing {target!r} raised {type(error).__name__}: {error}."
    return ""


def _unasked(settings: CampaignSettings) -> Iterator[str]:
    """Routes without an oracle, and oracles without a route."""
    for name in settings.routes:
        if name not in settings.oracles:
            yield f"routes.{name}: there is no such oracle.{suggest(name, settings.oracles)}"
    first, *others = settings.oracles
    for name in others:
        if settings.policy is None and name not in settings.routes:
            yield (
                f"oracles.{name}: would never be asked; say from which uncertainty on, such as "
                f"routes: {{{first}: 0.0, {name}: 0.1}}."
            )


def _sense(settings: CampaignSettings) -> Iterator[str]:
    """Settings that are valid one by one but cannot work together."""
    start = settings.start
    files = [("start.labels", p) for p in start.labels]
    files += [("start.test_set", start.test_set)] if start.test_set else []
    files += [("start.weights", start.weights)] if start.weights else []
    for where, path in files:
        if not path.exists():
            yield f"{where}: the file {path} does not exist."
    if settings.initial == 0 and not start.labels and start.weights is None:
        yield "initial: 0 needs start.labels or start.weights, else there is nothing to begin with."
    yield from _unasked(settings)
    for name, oracle in settings.oracles.items():
        if not oracle.workers and not oracle.outside:
            yield f"oracles.{name}: has no workers; give workers: 1 or more (or outside: n)."
    if settings.gate.reject <= settings.gate.ask:
        yield f"gate.reject: {settings.gate.reject:g} should be above gate.ask."
    yield from _blind(settings)
    budget = settings.budget
    limited = settings.stop or settings.policy or budget != type(budget)()
    if not limited:
        yield "budget: the campaign would never end; give a budget (labels, cost, seconds) or stop."


def _blind(settings: CampaignSettings) -> Iterator[str]:
    """Stopping rules over a hold-out that there will not be."""
    start = settings.start
    if settings.stop and not (settings.holdout or start.labels or start.test_set):
        for name in sorted(WANT_HOLDOUT & set(named(settings.stop))):
            yield f"stop.{name}: is over the hold-out; give holdout: 0.1 or start.test_set."


def _misplaced(settings: CampaignSettings) -> Iterator[str]:
    """A placement that cannot work, where the numbers are known."""
    placement = settings.placement
    if placement.kind == "colocated":
        return
    if settings.engine.kind != "mpi":
        yield "placement: split needs ranks of its own, so engine: mpi; the default is colocated."
    if settings.explorers != 1:
        yield (
            "explorers: with placement: split there are none; give placement.generators and "
            "placement.predictors."
        )
    generators, predictors = placement.generators, placement.predictors
    few = isinstance(generators, int) and isinstance(predictors, int) and generators < predictors
    if placement.by == "replica" and few:
        yield f"placement.generators: {predictors} replicas need one each, but got {generators}."
    if placement.by == "member" and predictors != 1:
        yield from _unspreadable(settings)


def _unspreadable(settings: CampaignSettings) -> Iterator[str]:
    model: Any = settings.model.live
    if not settings.model.is_live:
        try:
            model = resolve(settings.model.factory("model").target)
        except (ValueError, QueristError):
            return  # told elsewhere
    if isinstance(model, type) and not hasattr(model, "predict_members"):
        yield (
            f"placement.by: {model.__name__} has no predict_members, so its members cannot be "
            "spread; use by: replica."
        )


def _unseen_gpus(settings: CampaignSettings) -> Iterator[str]:
    device, gpus = settings.model.options.get("device"), settings.gpus
    if settings.engine.kind == "inline" or not str(device).startswith("cuda"):
        return
    for role, each in (("explorers", gpus.explorers), ("trainers", gpus.trainers)):
        if not each:
            yield (
                f"model.options.device: {device} is asked for, but workers see no GPU unless they "
                f"are given one; leave it out and give gpus: {{{role}: 1}} (or less)."
            )


def _sentence(error: Exception) -> str:
    text = str(error)
    if isinstance(cause := error.__cause__, SyntaxError):
        text = f"{cause.filename}, line {cause.lineno}: {cause.msg}: {(cause.text or '').strip()!r}"
    return (text if text.endswith((".", "?")) else f"{text}.") + brought_by(cause)
