"""What objects hold, told to a digest: numbers, texts, arrays, tensors, functions, and objects."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from .code import code_of

_MOST = 10_000  # things of one object; more are not looked at, and it counts as new each time
_ASIDE = ("_modules", "_parameters")

Tell = Callable[[bytes], None]


def held_by(thing: Any, tell: Tell) -> None:
    """Tell all that an object's attributes hold; of a torch layer without parameters and layers.

    What cannot be looked into is told as something new each time: nobody sees whether it changed.
    """
    left = {key: value for key, value in vars(thing).items() if key not in _ASIDE}
    _Telling(tell).all([left])


class _Telling:
    """Goes through things that may hold each other."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._seen = tell, dict[int, tuple[int, Any]]()

    def all(self, things: Iterable[Any]) -> None:
        for thing in things:
            self._one(thing)

    def _one(self, thing: Any) -> None:
        self._tell(f"{type(thing).__module__}.{type(thing).__qualname__}:".encode())
        if isinstance(thing, str | bytes | int | float | complex | None):
            self._tell(f"{thing!r};".encode())
        elif id(thing) in self._seen:  # by its place among those that were met: ids mean nothing
            self._tell(f"{self._seen[id(thing)][0]};".encode())
        else:
            self._seen[id(thing)] = len(self._seen), thing  # kept: no other gets its id
            self._tell(b"(")
            self._inside(thing)
            self._tell(b")")

    def _inside(self, thing: Any) -> None:
        if len(self._seen) > _MOST:
            self._unknown()
        elif isinstance(thing, Mapping):
            self.all(part for pair in thing.items() for part in pair)
        elif isinstance(thing, list | tuple):
            self.all(thing)
        elif isinstance(thing, set | frozenset):
            self.all(sorted(thing, key=repr))
        elif isinstance(thing, np.ndarray) and not thing.dtype.hasobject:
            self._array(thing)
        elif hasattr(thing, "detach") and hasattr(thing, "numpy"):
            self._tensor(thing)
        else:
            self._code(thing)

    def _code(self, thing: Any) -> None:
        if isinstance(thing, type | FunctionType):
            self._tell(thing.__qualname__.encode())
            self.all(code_of(thing))
        elif isinstance(thing, MethodType):
            self.all([thing.__func__, thing.__self__])
        elif isinstance(thing, partial):
            self.all([thing.func, thing.args, thing.keywords])
        elif isinstance(thing, BuiltinFunctionType | ModuleType):
            self._tell(f"{getattr(thing, '__module__', '')} {thing.__name__}".encode())
        elif hasattr(thing, "__dict__"):
            self.all([*code_of(type(thing)), vars(thing)])
        elif " at 0x" not in (told := repr(thing)):
            self._tell(told.encode())  # such as a dtype or a device
        else:
            self._unknown()

    def _array(self, array: np.ndarray[Any, Any]) -> None:
        self._tell(f"{array.dtype.str} {array.shape};".encode())
        self._tell(np.ascontiguousarray(array).tobytes())

    def _tensor(self, tensor: Any) -> None:
        flat = tensor.detach().cpu()
        try:
            array = flat.numpy()
        except TypeError:  # NumPy has no such type: bfloat16
            array = flat.float().numpy()
        except RuntimeError:
            self._unknown()
            return
        self._tell(f"{flat.dtype};".encode())
        self._array(array)

    def _unknown(self) -> None:
        self._tell(uuid.uuid4().bytes)
