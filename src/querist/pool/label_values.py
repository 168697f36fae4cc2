"""What a label of each task looks like, checked before it is recorded.

``[]`` is *reviewed and empty* in every task: somebody looked, and there is nothing to be found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from querist.pool.errors import BadLabel
from querist.pool.items import encoded
from querist.sources.nearest import nearest

EMPTY: list[Any] = []
_NONE = "Say [] for reviewed and empty, or use skip or unlabel."


def checked(task: str, value: Any) -> Any:
    """The value in its one form.

    Raises:
        BadLabel: If it is no label for this task; the sentence says what one is.
    """
    if isinstance(value, float) and math.isnan(value):
        raise BadLabel(f"NaN is no label; leave out what has none (dropna() of a Series). {_NONE}")
    try:
        plain = _plain(value)
    except UnicodeEncodeError as error:
        raise BadLabel(
            f"The label {value!a:.200} is not in UTF-8; save the file it is from as UTF-8."
        ) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise BadLabel(f"A label must be JSON, got {value!r:.200}: {error}.") from error
    if plain is None:
        raise BadLabel(f"None is no label. {_NONE}")
    return [] if plain == [] else _CHECKS[task](plain)


def _plain(value: Any) -> Any:
    import json

    return json.loads(encoded(value))


def class_names(task: str, value: Any) -> Iterator[str]:
    """The class names in a checked value."""
    if task in ("classification", "multi-label"):
        yield from [value] if isinstance(value, str) else value
    elif task in ("detection", "tokens"):
        for part in value:
            yield part["class"]


def understood(
    task: str, classes: tuple[str, ...] | None, labels: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Labels by id, as they are kept, and the names of their classes.

    Args:
        task: The pool's.
        classes: The only ones that there are; None: any.
        labels: By id, as people give them: a mapping, or a pandas Series whose index has the ids.

    Raises:
        BadLabel: If they are not by id, or one is no label of the task or class.
    """
    given: Any = labels
    if hasattr(given, "to_dict") and hasattr(given, "index") and not hasattr(given, "columns"):
        if not given.index.is_unique:
            twice = given.index[given.index.duplicated()][0]
            raise BadLabel(f"The id {twice!r} is there twice; give one label an id.")
        given = given.to_dict()
    if not isinstance(given, Mapping) or not all(isinstance(id, str) for id in given):
        raise BadLabel(
            "Labels are given by id, which is a text, such as {'bird-7': 'owl'}, not as "
            f"{given!r:.200}."
        )
    values = {id: checked(task, value) for id, value in given.items()}
    names = [name for value in values.values() for name in class_names(task, value)]
    if classes is not None:
        require_known(iter(names), classes)
    return values, names


def require_known(names: Iterator[str], classes: tuple[str, ...]) -> None:
    """Raise BadLabel for a class that a pool of fixed classes does not have."""
    for name in names:
        if name not in classes:
            shown = ", ".join(classes[:20]) + (" ..." if len(classes) > 20 else "")
            raise BadLabel(
                f"This pool has no class {name!r}.{nearest(name, classes)} Its classes: {shown}."
            )


def _classification(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        hint = f"; write a number as a text, {str(value)!r}" if isinstance(value, int) else ""
        raise BadLabel(f"A label here is the name of one class, or [], got {value!r:.200}{hint}.")
    return value


def _multi_label(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
        raise BadLabel(f"A label here is a list of class names, got {value!r:.200}.")
    return sorted(set(names))


def _detection(value: Any) -> Any:
    if not isinstance(value, list):
        raise BadLabel(f"A label here is a list of boxes, got {value!r:.200}.")
    return [_box(part) for part in value]


def _box(part: Any) -> Any:
    wanted = (
        "a box is {'class': name, 'box': [left, top, width, height]}, with 'unit': 'fraction' "
        "where these are parts of the image's width and height instead of pixels"
    )
    if not isinstance(part, dict) or not isinstance(part.get("class"), str) or not part["class"]:
        raise BadLabel(f"{part!r:.200} names no class; {wanted}.")
    if part.get("unit", "pixel") not in ("pixel", "fraction"):
        raise BadLabel(f"{part!r:.200}: unit is pixel or fraction; {wanted}.")
    box, polygon = part.get("box"), part.get("polygon")
    if box is not None and not (_numbers(box, 4) and box[2] >= 0 and box[3] >= 0):
        raise BadLabel(f"{part!r:.200} has no four numbers, or a negative extent; {wanted}.")
    if polygon is not None and not (_numbers(polygon) and len(polygon) % 2 == 0 and polygon):
        raise BadLabel(f"{part!r:.200}: a polygon is [x1, y1, x2, y2, ...]; {wanted}.")
    if box is None and polygon is None:
        raise BadLabel(f"{part!r:.200} has neither box nor polygon; {wanted}.")
    whole = {name: _whole(part[name]) for name in ("box", "polygon") if part.get(name) is not None}
    kept = {name: value for name, value in part.items() if (name, value) != ("unit", "pixel")}
    return {name: value for name, value in (kept | whole).items() if value is not None}


def _whole(numbers: Any) -> Any:
    """Whole numbers as such, so that 10.0 and 10 are the same label."""
    return [int(number) if number == int(number) else number for number in numbers]


def _numbers(value: Any, count: int | None = None) -> bool:
    good = isinstance(value, list) and all(_is_number(number) for number in value)
    return good and (count is None or len(value) == count)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _tokens(value: Any) -> Any:
    if not isinstance(value, list):
        raise BadLabel(f"A label here is a list of spans, got {value!r:.200}.")
    for part in value:
        good = isinstance(part, dict) and isinstance(part.get("class"), str) and part["class"]
        ends = (part.get("start"), part.get("end")) if good else (None, None)
        if not all(isinstance(n, int) and not isinstance(n, bool) for n in ends):
            raise BadLabel(
                f"{part!r:.200} is no span: {{'class': name, 'start': s, 'end': e}}, characters "
                "of the text from s up to e."
            )
        if not 0 <= part["start"] < part["end"]:
            raise BadLabel(f"{part!r:.200}: a span ends after it starts, from 0 on.")
    return sorted(value, key=lambda part: (part["start"], part["end"], part["class"]))


def _regression(value: Any) -> Any:
    if not (_is_number(value) or _numbers(value)):
        raise BadLabel(f"A label here is a finite number or a list of them, got {value!r:.200}.")
    return value


_CHECKS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "classification": _classification,
        "multi-label": _multi_label,
        "detection": _detection,
        "tokens": _tokens,
        "regression": _regression,
        "free": lambda value: value,
    }
)
