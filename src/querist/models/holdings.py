"""What objects hold, told to a digest: numbers, texts, arrays, tensors, functions, and objects."""

from __future__ import annotations

import copyreg
import uuid
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import numpy as np

from .backends import torch as backend
from .code import code_of, compiled, globals_of, is_own

_MOST = 10_000  # things of one object; more are not looked at, and it counts as new each time
_ASIDE = ("_modules", "_parameters", "_compiled_call_impl")
_PROTOCOL = 4  # of pickle: the first that knows slots and classes within classes
_PLAIN = (str, bytes, int, float, complex, bool, type(None))

Tell = Callable[[bytes], None]


def held_by(thing: Any, tell: Tell) -> None:
    """Tell all that an object's attributes hold; of a torch layer without parameters and layers.

    What cannot be looked into is told as something new each time: nobody sees whether it changed.
    """
    told_all([{key: value for key, value in vars(thing).items() if key not in _ASIDE}], tell)


def told_all(things: Iterable[Any], tell: Tell) -> None:
    """Tell things and all that they hold, as :func:`held_by` does."""
    try:
        _Telling(tell).all(things)
    except RecursionError:  # such as a list that has a list that has a list ...
        tell(uuid.uuid4().bytes)


class _Telling:
    """Goes through things that may hold each other.

    Types are looked at exactly: a subclass of a list or an array may hold more than these.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell, self._seen = tell, dict[int, tuple[int, Any]]()
        self._codes = dict[int, Any]()

    def all(self, things: Iterable[Any]) -> None:
        for thing in things:
            self._one(thing)

    def _one(self, thing: Any) -> None:
        kind = type(thing)
        self._tell(f"{kind.__module__}.{kind.__qualname__}:".encode())
        if kind in _PLAIN:
            self._tell(f"{thing!r};".encode())
        elif id(thing) in self._seen:  # by its place among those that were met: ids mean nothing
            self._tell(f"{self._seen[id(thing)][0]};".encode())
        else:
            self._seen[id(thing)] = len(self._seen), thing  # kept: no other gets its id
            self._tell(b"(")
            self._inside(thing, kind)
            self._tell(b")")

    def _inside(self, thing: Any, kind: type[Any]) -> None:
        if len(self._seen) > _MOST:
            self._unknown()
        elif kind in (dict, OrderedDict, MappingProxyType):
            self.all(part for pair in thing.items() for part in pair)
        elif kind in (list, tuple):
            self.all(thing)
        elif kind in (set, frozenset):
            self.all(sorted(thing, key=repr))
        elif kind in (np.ndarray, np.memmap) and not thing.dtype.hasobject:
            self._array(thing)
        elif hasattr(kind, "detach") and hasattr(kind, "layout"):
            self._tensor(thing)
        elif isinstance(thing, weakref.ref):
            self._one(thing())
        else:
            self._code(thing)

    def _code(self, thing: Any) -> None:
        if isinstance(thing, type | FunctionType):
            self._tell(thing.__qualname__.encode())
            self._defined(thing)
        elif isinstance(thing, MethodType):
            self.all([thing.__func__, thing.__self__])
        elif isinstance(thing, BuiltinFunctionType | ModuleType):
            self._tell(f"{getattr(thing, '__module__', '')} {thing.__name__}".encode())
        else:
            self._defined(type(thing))
            self._kept(thing)

    def _defined(self, thing: Any) -> None:
        """A function's or class's code, and what that is given and looks up beside its file."""
        if id(thing) in self._codes:
            return
        self._codes[id(thing)] = thing
        self.all(code_of(thing))
        if isinstance(thing, FunctionType):
            self.all(compiled(thing.__code__))  # a file may have many lambdas
            cells = [_content(cell) for cell in thing.__closure__ or ()]
            self.all([thing.__defaults__, thing.__kwdefaults__, cells])
        if is_own(thing):
            self.all(part for pair in globals_of(thing) for part in pair)
            if isinstance(thing, type):
                self.all(base for base in thing.__mro__[1:] if is_own(base))

    def _kept(self, thing: Any) -> None:
        """What a pickle of an object would keep, which is all of it, or else it has none."""
        if hasattr(thing, "__wrapped__"):  # of functools: known by its name alone
            self._one(thing.__wrapped__)
        try:
            known = copyreg.dispatch_table.get(type(thing))
            parts: Any = known(thing) if known else thing.__reduce_ex__(_PROTOCOL)
        except Exception:  # noqa: BLE001 - it may be anybody's code
            self._unknown()
            return
        if isinstance(parts, str):
            self._tell(parts.encode())
            return
        made, arguments, *rest = parts
        state, items, pairs = [*rest[:3], None, None, None][:3]
        self.all([made, arguments, state, list(items or ()), list(pairs or ())])

    def _array(self, array: np.ndarray[Any, Any]) -> None:
        self._tell(f"{array.dtype.str} {array.shape};".encode())
        self._tell(np.ascontiguousarray(array).tobytes())

    def _tensor(self, tensor: Any) -> None:
        try:
            for part in _numbers(tensor):
                self._tell(f"{tensor.dtype};".encode())
                self._array(part)
        except (RuntimeError, TypeError, ValueError):
            self._unknown()

    def _unknown(self) -> None:
        self._tell(uuid.uuid4().bytes)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not set yet
        return None


def _numbers(tensor: Any) -> list[np.ndarray[Any, Any]]:
    """A torch tensor's numbers, bit by bit; of a sparse one with their places.

    Raises:
        RuntimeError, TypeError, ValueError: If it has none that can be looked at.
    """
    flat = tensor.detach().cpu()
    if flat.is_sparse:
        whole = flat.coalesce()
        return [np.array(whole.shape), *map(_bits, (whole.indices(), whole.values()))]
    if flat.is_quantized:
        scale = (
            flat.q_scale() if "per_tensor" in str(flat.qscheme()) else flat.q_per_channel_scales()
        )
        return [np.asarray(scale), _bits(flat.int_repr()), _bits(flat.dequantize())]
    return [_bits(flat.resolve_conj().resolve_neg())]


def _bits(tensor: Any) -> np.ndarray[Any, Any]:
    """As bytes, since NumPy lacks some of torch's types, such as bfloat16."""
    flat = tensor.contiguous()
    made: np.ndarray[Any, Any] = flat.reshape(-1).view(backend.torch().uint8).numpy()
    shape = np.frombuffer(repr(tuple(flat.shape)).encode(), np.uint8)
    return np.concatenate([shape, made])
