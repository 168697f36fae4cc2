"""Rows of a table: a JSON object of columns becomes numbers of a fixed order."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.sources.nearest import nearest, refuse_unknown
from querist.sources.transforms.contract import BadItem, Decoded, Stacked, digest_of, stack

MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "?", "-"))
"""Texts, in any case, that stand for no value, beside null and an absent column."""


@dataclass(frozen=True, slots=True)
class Number:
    """A column of numbers: one feature, ``(value - offset) / scale``.

    Attributes:
        offset: Subtracted.
        scale: Divided by.
        fill: The feature's value where there is none; after scaling, so that 0 is the offset.
        flag: Add a feature that is 1 where there is no value.
        other: What is no number: "refuse" makes a bad item, "missing" takes it for no value.
    """

    offset: float = 0.0
    scale: float = 1.0
    fill: float = 0.0
    flag: bool = False
    other: Literal["refuse", "missing"] = "refuse"

    @property
    def width(self) -> int:
        """How many features."""
        return 2 if self.flag else 1

    def write(self, name: str, value: Any, out: NDArray[np.float32]) -> None:
        """Set the features of one row.

        Raises:
            BadItem: If the value is no finite number.
        """
        number = None if _is_missing(value) else _number(value)
        if number is not None:
            out[0] = (number - self.offset) / self.scale
            return
        if self.other == "refuse" and not _is_missing(value):
            raise BadItem(f"Column {name!r} is to be a finite number, and is {_short(value)}.")
        out[0] = self.fill
        if self.flag:
            out[1] = 1.0


@dataclass(frozen=True, slots=True)
class Category:
    """A column of categories: a feature for each, 1 for the one that is there; none for no value.

    Attributes:
        values: The categories, as texts.
        unknown: "zero" leaves all features of another category at 0, "refuse" makes a bad item.
    """

    values: tuple[str, ...]
    unknown: Literal["zero", "refuse"] = "zero"

    @property
    def width(self) -> int:
        """How many features."""
        return len(self.values)

    def write(self, name: str, value: Any, out: NDArray[np.float32]) -> None:
        """Set the features of one row.

        Raises:
            BadItem: If the category is unknown, and that is not allowed.
        """
        if _is_missing(value):
            return
        text = _category(value)
        if text in self.values:
            out[self.values.index(text)] = 1.0
        elif self.unknown == "refuse":
            hint = nearest(text, self.values)
            raise BadItem(f"Column {name!r} has the unknown category {_short(value)}.{hint}")


Column = Number | Category


@dataclass(frozen=True)
class Table:
    """Decode a row: a JSON object, or an array in the columns' order.

    Columns that are not named here are not looked at.

    Attributes:
        columns: Name -> "number", a list of categories, or a mapping with the attributes of
            :class:`Number` or :class:`Category`. :meth:`learnt` finds them from rows.
    """

    columns: Mapping[str, Any]
    modality: str = field(default="table", init=False)
    digest: str = field(default="", init=False, compare=False)

    def __post_init__(self) -> None:
        columns: Any = self.columns
        if not isinstance(columns, Mapping) or not columns:
            raise ConfigError(
                'columns of a table is a mapping, such as {"age": "number", "job": ["a", "b"]}.'
            )
        made = {str(name): _column(str(name), given) for name, given in columns.items()}
        object.__setattr__(self, "columns", made)
        settings = [[name, type(column).__name__, repr(column)] for name, column in made.items()]
        object.__setattr__(self, "digest", digest_of("table", 1, {"columns": settings}))

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def width(self) -> int:
        """How many features a row has."""
        return sum(column.width for column in self.columns.values())

    @property
    def features(self) -> tuple[str, ...]:
        """A name for each feature."""
        return tuple(name for column in self.columns.items() for name in _feature_names(*column))

    @property
    def item_bytes(self) -> int:
        """Bytes of one decoded row."""
        return self.width * 4

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """One row, float32 of shape (features,).

        Raises:
            BadItem: If it is no JSON, or a value does not fit its column.
        """
        try:
            row = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise BadItem(f"The row is no JSON: {error}.") from None
        return self.encode(row)

    def encode(self, row: Any) -> NDArray[np.float32]:
        """The features of a row given as a mapping, or as a sequence in the columns' order.

        Raises:
            BadItem: If a value does not fit its column.
        """
        if isinstance(row, Sequence) and not isinstance(row, str):
            if len(row) != len(self.columns):
                raise BadItem(f"The row has {len(row)} values for {len(self.columns)} columns.")
            row = dict(zip(self.columns, row, strict=True))
        if not isinstance(row, Mapping):
            raise BadItem(f"A row is a JSON object or array, and this is {_short(row)}.")
        out = np.zeros(self.width, np.float32)
        begin = 0
        for name, column in self.columns.items():
            column.write(name, row.get(name), out[begin : begin + column.width])
            begin += column.width
        return out

    def stack(self, items: Sequence[Decoded]) -> Stacked:
        """Rows as one array, float32 of shape (n, features)."""
        return stack(items)

    @classmethod
    def learnt(cls, rows: Iterable[Mapping[str, Any]], most: int = 50) -> Table:
        """The columns that some rows show.

        A column whose every value is a number is one of numbers, scaled to mean 0 and deviation 1,
        with a flag where values are missing. Any other is one of categories if it has at most
        ``most``, sorted; else one of numbers if most of its values are, the others counted as
        missing. What remains is left out, as is a column of a single value.

        Raises:
            ConfigError: If no column is left.
        """
        seen: dict[str, list[Any]] = {}
        count = 0
        for row in rows:
            count += 1
            for name, value in row.items():
                seen.setdefault(name, []).append(value)
        found = {name: _learnt(values, count, most) for name, values in seen.items()}
        columns = {name: column for name, column in found.items() if column is not None}
        if not columns:
            raise ConfigError(f"None of {count} rows has a column of numbers or of few categories.")
        return cls(columns)


def _learnt(values: list[Any], count: int, most: int) -> Column | None:
    present = [value for value in values if not _is_missing(value)]
    numbers = [number for value in present if (number := _number(value)) is not None]
    if present and len(numbers) == len(present):
        return _of_numbers(numbers, len(numbers) < count, "refuse")
    categories = sorted({_category(value) for value in present})
    if 1 < len(categories) <= most:
        return Category(tuple(categories))
    if len(categories) > most and 2 * len(numbers) > len(present):
        return _of_numbers(numbers, True, "missing")
    return None


def _of_numbers(
    numbers: list[float], flag: bool, other: Literal["refuse", "missing"]
) -> Number | None:
    array = np.asarray(numbers, np.float64)
    spread = float(array.std())
    if spread == 0.0:
        return Number(flag=True, other=other) if flag else None
    return Number(float(array.mean()), spread, 0.0, flag, other)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_number(value: Any) -> Any:
    """A value of a column of numbers; a text that is one, or stands for none, as such."""
    if isinstance(value, str):
        return math.nan if _is_missing(value) else value if (n := _number(value)) is None else n
    return math.nan if value is None else value


def _column(name: str, given: Any) -> Column:
    if isinstance(given, Number | Category):
        return given
    if given == "number":
        return Number()
    if isinstance(given, Mapping):
        kind: type[Column] = Category if "values" in given else Number
        refuse_unknown(given, kind.__dataclass_fields__, f"Column {name!r}")
        if kind is Category:
            given = {**given, "values": tuple(map(_category, given["values"]))}
        return _sensible(name, kind(**given))
    if isinstance(given, Sequence) and not isinstance(given, str):
        return _sensible(name, Category(tuple(map(_category, given))))
    raise ConfigError(
        f'Column {name!r} is "number", a list of categories or a mapping, and not {given!r}.'
    )


def _sensible(name: str, column: Column) -> Column:
    if isinstance(column, Number) and not (column.scale and math.isfinite(column.scale)):
        raise ConfigError(f"The scale of column {name!r} is not 0, and finite.")
    if isinstance(column, Category):
        if not column.values or len(set(column.values)) != len(column.values):
            raise ConfigError(f"Column {name!r} has categories, each once, got {column.values}.")
        if column.unknown not in ("zero", "refuse"):
            raise ConfigError(f"unknown of column {name!r} is zero or refuse.")
    return column


def _feature_names(name: str, column: Column) -> Iterator[str]:
    if isinstance(column, Category):
        yield from (f"{name}={value}" for value in column.values)
        return
    yield name
    if column.flag:
        yield f"{name} is missing"


def _category(value: Any) -> str:
    """As a text; JSON's true and 1.0 are what Python and CSV files call them."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return isinstance(value, str) and value.strip().lower() in MISSING


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
