"""What may be set: real, integer and chosen settings, on linear or log scales, some conditional.

A point of a space is a mapping of names to plain values. Searches see it in one of two forms:
``(d,)`` coordinates in the unit cube, one a setting, from which every point can be made; and
``(f,)`` features for models, in which categories are columns of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError

Value = float | int | str | bool
Values = Mapping[str, Value]
Floats = NDArray[np.float64]
KINDS = ("real", "integer", "choice")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a simulation.

    Attributes:
        kind: "real", "integer" or "choice".
        low, high: Range of numbers, both ends included.
        choices: Of a choice.
        log: Whether the scale of numbers is logarithmic, those of a choice included.
        levels: How many values a grid takes from the range; integers take all by default.
        when: Names of earlier choices or integers, and the values for which this setting exists.
        otherwise: What the simulation is given where it does not; None leaves it out.
    """

    kind: str
    low: float = 0.0
    high: float = 1.0
    choices: tuple[Value, ...] = ()
    log: bool = False
    levels: int | None = None
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    otherwise: Value | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"a setting is one of {', '.join(KINDS)}, not {self.kind!r}.")
        if self.kind == "choice":
            _check_choices(self.choices, self.log)
        else:
            self._check_range()

    def _check_range(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ConfigError(f"a range wants two numbers in order, got [{self.low}, {self.high}].")
        if self.log and self.low <= 0:
            raise ConfigError(f"a log scale wants numbers above zero, got {self.low}.")
        if self.kind == "integer" and (self.low != int(self.low) or self.high != int(self.high)):
            raise ConfigError(f"integers want whole ends, got [{self.low}, {self.high}].")
        if self.levels is not None and self.levels < 2:
            raise ConfigError(f"levels is at least 2, got {self.levels}.")

    @classmethod
    def of(cls, told: Any) -> Setting:
        """From a setting, or a mapping such as ``{"real": [1e-6, 1e-2], "log": True}``.

        Raises:
            ConfigError: If it is none.
        """
        if isinstance(told, Setting):
            return told
        kinds = [kind for kind in KINDS if isinstance(told, Mapping) and kind in told]
        if len(kinds) != 1:
            raise ConfigError(
                "a setting is {real: [low, high]}, {integer: [low, high]} or {choice: [a, b]}, "
                f"with log, levels, when and otherwise where they apply; got {told!r}."
            )
        more = {key: value for key, value in told.items() if key != kinds[0]}
        unknown = sorted(set(more) - {"log", "levels", "when", "otherwise"})
        if unknown:
            raise ConfigError(f"a setting has no key {unknown[0]!r}; known: log, levels, when.")
        when = {name: _several(value) for name, value in (more.pop("when", None) or {}).items()}
        given = told[kinds[0]]
        if kinds[0] == "choice":
            return cls("choice", choices=tuple(given), when=when, **more)
        if not isinstance(given, (list, tuple)) or len(given) != 2:
            raise ConfigError(f"a range is [low, high], got {given!r}.")
        return cls(kinds[0], float(given[0]), float(given[1]), when=when, **more)

    @property
    def ordered(self) -> bool:
        """Whether models see it as a number: a range, or a choice between numbers."""
        return self.kind != "choice" or all(map(_is_number, self.choices))

    def feature(self, value: Value) -> float:
        """A number in [0, 1] for a value of an ordered setting."""
        if self.kind != "choice":
            return self.place(value)
        numbers = np.array([float(choice) for choice in (*self.choices, value)])
        numbers = np.log(numbers) if self.log else numbers
        low, high = float(numbers.min()), float(numbers.max())
        return (float(numbers[-1]) - low) / ((high - low) or 1.0)

    @property
    def size(self) -> float:
        """How many values it has; infinite for a real one."""
        if self.kind == "choice":
            return len(self.choices)
        return math.inf if self.kind == "real" else self.high - self.low + 1

    def value(self, place: float) -> Value:
        """The value at a coordinate in [0, 1]."""
        place = min(max(place, 0.0), 1.0)
        if self.kind == "choice":
            return self.choices[min(int(place * len(self.choices)), len(self.choices) - 1)]
        if self.kind == "real":
            return float(min(max(self._at(place, self.low, self.high), self.low), self.high))
        low, high = self.low - 0.5, self.high + 0.5
        found = round(self._at(place, max(low, 0.5) if self.log else low, high))
        return int(min(max(found, self.low), self.high))

    def place(self, value: Value) -> float:
        """The coordinate of a value, in the middle of its interval."""
        if self.kind == "choice":
            return (self.choices.index(value) + 0.5) / len(self.choices)
        low, high = self.low, self.high
        if self.kind == "integer":
            low, high = (max(low - 0.5, 0.5) if self.log else low - 0.5), high + 0.5
        if self.log:
            return math.log(float(value) / low) / math.log(high / low)
        return (float(value) - low) / (high - low)

    def _at(self, place: float, low: float, high: float) -> float:
        if self.log:
            return math.exp(math.log(low) + place * math.log(high / low))
        return low + place * (high - low)

    def own(self, value: Any) -> Value:
        """A value in this setting's type.

        Raises:
            ValueError: If it is not one of its values; the sentence says which are.
        """
        if self.kind == "choice":
            for choice in self.choices:
                if value == choice and isinstance(value, bool) == isinstance(choice, bool):
                    return choice
            texts = {str(choice): choice for choice in self.choices}
            if isinstance(value, str) and value in texts:
                return texts[value]
            raise ValueError(f"should be one of {list(self.choices)}, got {value!r}")
        number = float(value)
        slack = 1e-9 * (self.high - self.low)
        if not self.low - slack <= number <= self.high + slack:
            raise ValueError(f"should lie in [{self.low:g}, {self.high:g}], got {number:g}")
        number = min(max(number, self.low), self.high)
        if self.kind == "real":
            return number
        if number != int(number):
            raise ValueError(f"should be a whole number, got {number:g}")
        return int(number)

    def grid(self) -> list[Value]:
        """The values of a grid.

        Raises:
            ConfigError: If it is real and has no levels.
        """
        if self.kind == "choice" or (self.levels is None and self.kind == "integer"):
            return self.values()
        if self.levels is None:
            raise ConfigError("a grid over a real setting wants its levels, such as levels: 5.")
        places = np.linspace(0.0, 1.0, self.levels)
        return list(dict.fromkeys(self.value(float(place)) for place in places))

    def values(self) -> list[Value]:
        """All values of a choice or an integer."""
        if self.kind == "choice":
            return list(self.choices)
        return list(range(int(self.low), int(self.high) + 1))

    @property
    def empty(self) -> Value:
        """What stands in a sample where the setting does not exist."""
        if self.otherwise is not None:
            return self.otherwise
        kind: type = type(self.choices[0]) if self.kind == "choice" else float
        return 0 if self.kind == "integer" else kind()


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_choices(choices: tuple[Value, ...], log: bool) -> None:
    if len(choices) < 1 or len({str(choice) for choice in choices}) < len(choices):
        raise ConfigError(f"a choice wants one value or more, all different, got {list(choices)}.")
    if not all(isinstance(choice, (str, int, float)) for choice in choices):
        raise ConfigError(f"choices are texts, numbers, true or false, got {list(choices)}.")
    numbers = all(map(_is_number, choices))
    if len({type(choice) for choice in choices}) > 1 and not numbers:
        raise ConfigError(f"choices are of one type (quote texts), got {list(choices)}.")
    if log and not (numbers and all(float(choice) > 0 for choice in choices)):
        raise ConfigError(f"a log scale wants numbers above zero, got {list(choices)}.")


def _several(value: Any) -> tuple[Value, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


@dataclass(frozen=True, slots=True)
class Space:
    """All settings, in order; a condition looks at settings before it."""

    settings: Mapping[str, Setting]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Space:
        """From a mapping of names to what :meth:`Setting.of` takes.

        Raises:
            ConfigError: With every setting that cannot be used.
        """
        if isinstance(told, Space):
            return told
        found: dict[str, Setting] = {}
        problems: list[str] = []
        for name, one in told.items():
            try:
                found[name] = _checked(name, Setting.of(one), found)
            except (ConfigError, TypeError, ValueError) as error:
                problems.append(f"space.{name}: {error}")
        if problems or not found:
            raise ConfigError(
                "the space cannot be used:", tuple(problems or ["space: it is empty."])
            )
        return cls(found)

    def __len__(self) -> int:
        return len(self.settings)

    def exists(self, name: str, values: Values) -> bool:
        """Whether a setting exists, given those before it."""
        asked = self.settings[name].when.items()
        return all(parent in values and values[parent] in wanted for parent, wanted in asked)

    def own(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """The point in this space's types, without settings that do not exist there.

        Raises:
            ConfigError: If a setting is missing or has none of its values.
        """
        found: dict[str, Value] = {}
        for name, setting in self.settings.items():
            if not self.exists(name, found):
                continue
            if name not in values:
                raise ConfigError(f"the setting {name!r} is missing; got {sorted(values)}.")
            try:
                found[name] = setting.own(values[name])
            except (TypeError, ValueError) as error:
                raise ConfigError(f"the setting {name!r} {error}.") from None
        return found

    def key(self, values: Values) -> str:
        """A text that is equal for equal points."""
        return "\n".join(f"{name}={values[name]!r}" for name in self.settings if name in values)

    def point(self, places: Sequence[float] | Floats) -> dict[str, Value]:
        """The point at ``(d,)`` coordinates in the unit cube."""
        found: dict[str, Value] = {}
        for (name, setting), place in zip(self.settings.items(), places, strict=True):
            if self.exists(name, found):
                found[name] = setting.value(float(place))
        return found

    def allowed(self, values: Values) -> dict[str, Value]:
        """The nearest point that may be tried: here the point itself."""
        return dict(values)

    def missed(self, values: Values) -> str:
        """What a point does not keep, a sentence without an end; here there is nothing to keep."""
        del values
        return ""

    def places(self, values: Values) -> Floats:
        """``(d,)`` coordinates of a point; one half where a setting does not exist."""
        pairs = self.settings.items()
        return np.array([s.place(values[n]) if n in values else 0.5 for n, s in pairs])

    def features(self, points: Sequence[Values]) -> Floats:
        """``(n, f)`` features of points: numbers in [0, 1], a column for each further category."""
        rows = [self._features(values) for values in points]
        return np.array(rows or np.zeros((0, len(self._features({})))), np.float64)

    def _features(self, values: Values) -> list[float]:
        found: list[float] = []
        for name, setting in self.settings.items():
            here = name in values
            if setting.ordered:
                found.append(setting.feature(values[name]) if here else 0.5)
            else:
                found += [float(here and values[name] == one) for one in _columns(setting)]
            if setting.when:
                found.append(float(here))
        return found

    def column(self, name: str) -> int:
        """The column of features of an ordered setting that always exists."""
        found = 0
        for other, setting in self.settings.items():
            if other == name:
                break
            found += (1 if setting.ordered else len(_columns(setting))) + bool(setting.when)
        return found

    @property
    def size(self) -> float:
        """At most how many points there are."""
        return math.prod(setting.size for setting in self.settings.values())

    def grid(self) -> Iterator[dict[str, Value]]:
        """Every point of the grid once.

        Raises:
            ConfigError: If a real setting has no levels.
        """
        yield from self._product([setting.grid() for setting in self.settings.values()])

    def all(self) -> Iterator[dict[str, Value]]:
        """Every point of a finite space once."""
        yield from self._product([setting.values() for setting in self.settings.values()])

    def _product(self, axes: Sequence[Sequence[Value]]) -> Iterator[dict[str, Value]]:
        seen: set[str] = set()
        for row in product(*axes):
            values = self._existing(dict(zip(self.settings, row, strict=True)))
            if (key := self.key(values)) not in seen:
                seen.add(key)
                yield values

    def _existing(self, values: Mapping[str, Value]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for name in self.settings:
            if self.exists(name, found):
                found[name] = values[name]
        return found

    def fields(self, values: Values) -> dict[str, NDArray[Any]]:
        """A point as the arrays of a sample; all points have the same fields."""
        found = {n: values.get(n, s.empty) for n, s in self.settings.items()}
        return {name: np.asarray(value) for name, value in found.items()}

    def read(self, fields: Mapping[str, Any]) -> dict[str, Value]:
        """The point that :meth:`fields` made a sample of.

        Raises:
            ConfigError: If it is none.
        """
        return self.own({name: np.asarray(fields[name]).item() for name in self.settings})

    def given(self, values: Values) -> dict[str, Value]:
        """What the simulation is given: the point, and ``otherwise`` where that is said."""
        rest = {n: s.otherwise for n, s in self.settings.items() if n not in values}
        return {**values, **{n: value for n, value in rest.items() if value is not None}}

    def plain(self) -> dict[str, Any]:
        """As JSON-able data that :meth:`of` reads."""
        return {name: _plain(setting) for name, setting in self.settings.items()}


def _columns(setting: Setting) -> tuple[Value, ...]:
    """Of two categories one has a column; of more, each."""
    return setting.choices[1:] if len(setting.choices) <= 2 else setting.choices


def _checked(name: str, setting: Setting, before: Mapping[str, Setting]) -> Setting:
    if not name.isidentifier():
        raise ConfigError("a setting's name is letters, digits and '_', not beginning with a digit")
    for parent, wanted in setting.when.items():
        if parent not in before or before[parent].kind == "real":
            known = ", ".join(n for n, s in before.items() if s.kind != "real") or "none"
            raise ConfigError(f"when: {parent!r} is no choice or integer above it; known: {known}.")
        for value in wanted:
            before[parent].own(value)
    return setting


def _plain(setting: Setting) -> dict[str, Any]:
    ends = [setting.low, setting.high]
    told: dict[str, Any] = {
        setting.kind: list(setting.choices) if setting.kind == "choice" else ends
    }
    if setting.log:
        told["log"] = True
    if setting.levels is not None:
        told["levels"] = setting.levels
    if setting.when:
        told["when"] = {name: list(wanted) for name, wanted in setting.when.items()}
    if setting.otherwise is not None:
        told["otherwise"] = setting.otherwise
    return told
