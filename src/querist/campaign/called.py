"""Roles that are called: validators and filters, as functions or made by functions and classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from querist.core.tasks import Factory, resolve


def made(factory: Factory) -> Any:
    """The callable that a factory stands for: the function that it names, or what that makes."""
    if factory.is_live:
        return factory.live
    target = resolve(factory.target)
    if is_function(target, factory.options):
        return partial(target, **factory.options) if factory.options else target
    return factory.create()


def is_function(target: Any, options: Mapping[str, Any]) -> bool:
    """Whether it is the function itself, since with these options alone it cannot be called."""
    return inspect.isfunction(target) and bool(wants(target, options))


def wants(target: Callable[..., Any], options: Mapping[str, Any]) -> list[str]:
    """Parameters without a default that the options do not give."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):  # some C callables have none
        return []
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        one.name
        for one in parameters
        if one.default is one.empty and one.kind in by_name and one.name not in options
    ]
