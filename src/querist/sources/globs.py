"""Patterns over URIs: ``*`` and ``?`` within a name, ``**`` over folders, ``[a-z]``."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MAGIC = re.compile(r"[*?\[]")
_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_SPECIAL = {"**/": r"(?:[^/]+/)*", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}


def is_pattern(path: str) -> bool:
    """Whether anything in it is special."""
    return _MAGIC.search(path) is not None


def literal_folder(pattern: str) -> str:
    """What stands before the first special character, up to the last slash, slash included."""
    found = _MAGIC.search(pattern)
    literal = pattern if found is None else pattern[: found.start()]
    return literal[: literal.rfind("/") + 1]


def matcher(pattern: str, below: str = "") -> re.Pattern[str]:
    """A regular expression for whole paths, which all begin with ``below`` to the letter."""
    return re.compile(re.escape(below) + "".join(_translated(pattern)), re.DOTALL)


def _translated(pattern: str) -> Iterator[str]:
    for part in _PARTS.findall(pattern):
        if part in _SPECIAL:
            yield _SPECIAL[part]
        elif len(part) > 1:
            yield _character_class(part)
        else:
            yield re.escape(part)


def _character_class(part: str) -> str:
    inside = part[1:-1].replace("\\", "\\\\").replace("^", "\\^").replace("[", "\\[")
    inside = "^/" + inside[1:] if inside.startswith("!") else inside
    return f"[{inside}]"
