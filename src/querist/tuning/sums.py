"""Bounds on sums of settings, as texts: ``a + b + c <= 1``, ``inner <= outer``, ``x + y = 1``."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from querist.campaign.nearest import suggest
from querist.core.errors import ConfigError
from querist.tuning.space import Setting

HINT = (
    "a bound is a text such as 'a + b + c <= 1', 'inner <= outer', '0.2 <= 2 * a - b' or "
    "'a + b = 1': settings, perhaps times a number, added up"
)
_LONE = re.compile(r"(?<![<>=!])=(?!=)")


@dataclass(frozen=True, slots=True)
class Sum:
    """A bound on a sum of settings.

    Attributes:
        text: As it was written.
        factors: By setting; the sum is that of settings times factors.
        low, high: What the sum may be; the same where it must be equal.
    """

    text: str
    factors: Mapping[str, float]
    low: float = -math.inf
    high: float = math.inf

    def value(self, values: Mapping[str, Any]) -> float:
        """The sum at a point."""
        return sum(factor * float(values[name]) for name, factor in self.factors.items())

    def within(self, settings: Mapping[str, Setting]) -> tuple[float, float]:
        """Between which numbers the sum lies in the ranges of settings."""
        ends = [
            sorted((factor * settings[name].low, factor * settings[name].high))
            for name, factor in self.factors.items()
        ]
        return sum(low for low, _ in ends), sum(high for _, high in ends)


@dataclass(frozen=True, slots=True)
class _Linear:
    """Settings times factors, and a number."""

    factors: Mapping[str, float]
    number: float

    def plus(self, other: _Linear, times: float = 1.0) -> _Linear:
        names = dict.fromkeys((*self.factors, *other.factors))
        found = {
            name: self.factors.get(name, 0.0) + times * other.factors.get(name, 0.0)
            for name in names
        }
        return _Linear(found, self.number + times * other.number)

    def times(self, factor: float) -> _Linear:
        return _Linear({}, 0.0).plus(self, factor)


def read_sums(told: Any, settings: Mapping[str, Setting]) -> tuple[Sum, ...]:
    """From texts; a bound of both sides is two.

    Args:
        told: A text or several.
        settings: Of the space.

    Raises:
        ConfigError: If one cannot be read, or has a setting that cannot be in a sum.
    """
    texts = [told] if isinstance(told, str) else list(told or ())
    return tuple(one for text in texts for one in _read(text, settings))


def _read(text: Any, settings: Mapping[str, Setting]) -> list[Sum]:
    found = _compared(text)
    sides = [_linear(side, text) for side in (found.left, *found.comparators)]
    sums = []
    for (left, right), relation in zip(pairwise(sides), found.ops, strict=True):
        rest = left.plus(right, -1.0)
        factors = {name: factor for name, factor in rest.factors.items() if factor}
        low = -math.inf if isinstance(relation, ast.LtE) else -rest.number
        high = math.inf if isinstance(relation, ast.GtE) else -rest.number
        sums.append(_sound(Sum(str(text), factors, low, high), settings))
    return sums


def _compared(text: Any) -> ast.Compare:
    if not isinstance(text, str):
        raise ConfigError(f"where: {HINT}; got {text!r}.")
    try:
        found = ast.parse(_LONE.sub("==", text).strip(), mode="eval").body
    except SyntaxError:
        raise ConfigError(f"where: {text!r} cannot be read; {HINT}.") from None
    if not isinstance(found, ast.Compare):
        raise ConfigError(f"where: {text!r} compares nothing; {HINT}.")
    if not all(isinstance(relation, (ast.LtE, ast.GtE, ast.Eq)) for relation in found.ops):
        raise ConfigError(
            f"where: {text!r} has another relation than <=, >= and =; of whole numbers a < b is "
            "a <= b - 1, of others it is a <= b."
        )
    return found


def _linear(node: ast.expr, text: str) -> _Linear:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _Linear({}, float(value))
        case ast.Name(id=name):
            return _Linear({name: 1.0}, 0.0)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _linear(inner, text).times(-1.0)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _linear(inner, text)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            sign = 1.0 if isinstance(op, ast.Add) else -1.0
            return _linear(left, text).plus(_linear(right, text), sign)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            return _product(_linear(left, text), _linear(right, text), op, text)
    raise ConfigError(f"where: {text!r} is no bound on a sum; {HINT}.")


def _product(left: _Linear, right: _Linear, op: ast.operator, text: str) -> _Linear:
    """Where one of them is a number."""
    if isinstance(op, ast.Mult) and not left.factors:
        return right.times(left.number)
    if not right.factors and (isinstance(op, ast.Mult) or right.number):
        return left.times(right.number if isinstance(op, ast.Mult) else 1.0 / right.number)
    raise ConfigError(f"where: {text!r} multiplies or divides by a setting, or by 0; {HINT}.")


def _sound(one: Sum, settings: Mapping[str, Setting]) -> Sum:
    """The bound, if its settings are numbers that always exist and can keep it."""
    for name in one.factors:
        if name not in settings:
            raise ConfigError(
                f"where: {one.text!r}: {name!r} is no setting; known: {', '.join(settings)}."
                f"{suggest(name, settings)}"
            )
        setting = settings[name]
        if setting.kind == "choice" or setting.when:
            why = "is a choice" if setting.kind == "choice" else "exists under a condition only"
            raise ConfigError(
                f"where: {one.text!r}: {name!r} {why}; a sum has real and integer settings that "
                "always exist."
            )
    if not one.factors:
        raise ConfigError(f"where: {one.text!r} leaves no setting to bound; {HINT}.")
    _check_reach(one, settings)
    return one


def _check_reach(one: Sum, settings: Mapping[str, Setting]) -> None:
    least, most = one.within(settings)
    slack = 1e-9 * (most - least)
    if one.low > most + slack or one.high < least - slack:
        terms = _shown(one.factors)
        raise ConfigError(
            f"where: {one.text!r} can never hold: within the ranges of its settings {terms} lies "
            f"between {least:g} and {most:g}."
        )


def _shown(factors: Mapping[str, float]) -> str:
    """The sum as a text."""
    told = ""
    for name, factor in factors.items():
        sign = (" - " if factor < 0 else " + ") if told else ("-" if factor < 0 else "")
        told += sign + ("" if abs(factor) == 1.0 else f"{abs(factor):g} * ") + name
    return told


def missed(sums: Sequence[Sum], values: Mapping[str, Any], slack: Sequence[float]) -> str:
    """What a point does not keep, as a sentence without an end; "" where it keeps all.

    Args:
        sums: They.
        values: The point.
        slack: By how much each may be missed, for rounding.
    """
    for one, room in zip(sums, slack, strict=True):
        value = one.value(values)
        if not one.low - room <= value <= one.high + room:
            return f"{_shown(one.factors)} is {value:.9g}, against {one.text!r}"
    return ""
