"""Active learning that keeps every worker busy and loses nothing.

The public names below are loaded when they are first used, so that ``import querist`` costs
next to nothing and pulls in no heavy package.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

__all__ = ["__version__"]

# Public name -> module that defines it. A name added here is also added to `__all__` above and,
# as `from querist.room.module import Name as Name`, under `if TYPE_CHECKING:` so that type
# checkers and editors see it; tests/law/test_public_api.py compares the three.
_HOMES: dict[str, str] = {}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'querist' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
