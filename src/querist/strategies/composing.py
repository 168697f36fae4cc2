"""Reads ``"temperature(cost-aware(margin), beta=2)"``: strategies, modifiers and options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from querist.core.errors import ConfigError
from querist.strategies.contract import Strategy
from querist.strategies.modifying import Modifier, configured

Get = Callable[[str], "Strategy | Modifier"]


def compose(text: str, get: Get) -> Strategy:
    """The strategy that a text describes.

    Args:
        text: ``name(...)``; inside, strategies that a modifier wraps, then ``option=value``.
        get: Finds what a plain name means.

    Raises:
        ConfigError: If the parentheses do not match, or options are unknown.
    """
    name, arguments = split(text)
    inside = [one for one in arguments if "=" not in one.partition("(")[0]]
    options = {}
    for one in arguments:
        if one not in inside:
            key, _, value = one.partition("=")
            options[key.strip().replace("-", "_")] = value_of(value.strip())
    found = get(name)
    if isinstance(found, Strategy):
        if inside:
            raise ConfigError(f"{name} wraps no other strategy, but got {', '.join(inside)}.")
        return configured(found, options)
    if not inside:
        raise ConfigError(f"{name} wraps another strategy; write for example {name}(margin).")
    strategies = [_one(one, get) for one in inside]
    return found(strategies[0], strategies[1:], **options)


def _one(text: str, get: Get) -> Strategy:
    if "(" in text:
        return compose(text, get)
    found = get(text)
    if isinstance(found, Modifier):
        raise ConfigError(f"{text} wraps another strategy; write for example {text}(margin).")
    return found


def split(text: str) -> tuple[str, list[str]]:
    """``name(a, b(c, d), e=1)`` as the name and what stands between its parentheses."""
    name, opened, rest = text.strip().partition("(")
    if not opened or not rest.endswith(")"):
        raise ConfigError(f"{text!r} should be name(...), with what is wrapped and options inside.")
    parts, depth = [""], 0
    for letter in rest[:-1]:
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            raise ConfigError(f"the parentheses of {text!r} do not match.")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    if depth:
        raise ConfigError(f"the parentheses of {text!r} do not match.")
    return name.strip(), [part.strip() for part in parts if part.strip()]


def value_of(text: str) -> Any:
    """A number, true, false, none, or the text."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
