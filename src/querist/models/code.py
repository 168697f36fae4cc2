"""What tells the code behind something: the file that it is written in, and what that imports.

Of what is installed only the file itself and its package's version are looked at; of everything
else (modules of one's own) all that is imported, by whatever else is imported, also in functions.
"""

from __future__ import annotations

import ast
import dis
import functools
import hashlib
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from querist.core.tasks import resolve

_INSTALLED = {"site-packages", "dist-packages"}
_LIBRARY = Path(os.__file__).resolve().parent
_QUERIST = __name__.partition(".")[0]
_MAIN = "__main__"


class _Source(NamedTuple):
    """A module's file: a digest of it, and what it imports."""

    digest: str
    imports: frozenset[str]


def code_of(target: Any) -> list[bytes]:
    """Digests of the code behind a function, class, object, or ``module:name`` of one."""
    found = resolve(target) if isinstance(target, str) else target
    named = target.partition(":")[0] if isinstance(target, str) else ""
    made = getattr(found, "__module__", None) or type(found).__module__
    names = [name for name in dict.fromkeys((named, str(made))) if name]
    told = [part for name in names for part in sources_of(name)]
    return told or list(_typed_in(found, set()))


def sources_of(module: str, own: bool = False) -> list[bytes]:
    """Digests of a module's file and of all files of one's own behind it; none without a file.

    Args:
        module: Its name; it is not imported.
        own: Whether what is installed has none either.
    """
    if own and not _is_own(module):
        return []
    found: dict[str, str] = {}
    left = [module]
    while left:
        name = left.pop()
        if name in found or (name != module and not _is_own(name)):
            continue
        source = _source(name)
        if source is not None:
            found[name] = source.digest
            left += source.imports if _is_own(name) else ()
    version = "" if not found or _is_own(module) else _version(module.partition(".")[0])
    return [f"{name} {digest} {version}".encode() for name, digest in sorted(found.items())]


def files_in(options: Any) -> list[Path]:
    """The files that options name, at any depth."""
    if isinstance(options, Mapping):
        options = list(options.values())
    if isinstance(options, list | tuple):
        return [file for option in options for file in files_in(option)]
    try:
        named_one = isinstance(options, str | Path) and Path(options).is_file()
    except (OSError, ValueError):  # a text that cannot be a path
        return []
    return [Path(options)] if named_one else []


def is_own(thing: Any) -> bool:
    """Whether something was written by the user: neither installed nor a part of Querist."""
    return _is_own(str(getattr(thing, "__module__", None) or type(thing).__module__))


# ------------------------------------------------------------------------------------- the files

_first: dict[str, tuple[ModuleType, ModuleSpec | None, str]] = {}
"""Of each module that is imported, the digest when it was first looked at."""


def _source(name: str) -> _Source | None:
    """The file of a module.

    Where it was changed since the module was imported it says what a new process would do, and not
    what this one does: that is told apart from both.
    """
    file = _file_of(name)
    if file is None:
        return None
    try:
        digest, imports = _as_it_is(name, file)
    except OSError:
        return None
    module = sys.modules.get(name)
    if module is None:
        return _Source(digest, imports)
    spec = _spec_in(module)
    held = _first.get(name)
    if held is None or held[0] is not module or held[1] is not spec:
        held = _first[name] = module, spec, digest
    return _Source(digest if held[2] == digest else f"{held[2]}, now {digest}", imports)


def _as_it_is(name: str, file: Path) -> _Source:
    """What a file holds, read anew unless its stamp tells that it is as it was."""
    found = file.stat()
    stamp = found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
    # Clocks of file systems tick seldom: what was written just now may be written again in a tick.
    settled = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > _SETTLED_NS
    return (_read if settled else _read.__wrapped__)(name, file, stamp)


_SETTLED_NS = 5_000_000_000


@functools.lru_cache(maxsize=4096)
def _read(name: str, file: Path, _stamp: tuple[int, ...]) -> _Source:
    """What a file holds while its stamp, part of which nobody can set, is the same."""
    data = file.read_bytes()
    imports = frozenset(_imports(data, name, file)) if _is_own(name) else frozenset()
    return _Source(hashlib.sha256(data).hexdigest(), imports)


def _spec_in(module: ModuleType | None) -> ModuleSpec | None:
    """A module's spec, which is another one after each reload."""
    return getattr(module, "__spec__", None)


def _is_own(name: str) -> bool:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top in (_QUERIST, "builtins"):
        return False
    file = _file_of(top) or _file_of(name)  # a package may be a folder and nothing else
    if file is None:
        return top == _MAIN
    return not (_INSTALLED & set(file.parts) or file.is_relative_to(_LIBRARY))


def _file_of(name: str) -> Path | None:
    module = sys.modules.get(name)
    told = getattr(module, "__file__", None)
    if told is None and module is None:
        spec = _spec(name)
        told = spec.origin if spec is not None and spec.has_location else None
    return Path(told).resolve() if told else None


def _spec(name: str) -> ModuleSpec | None:
    """Where a module would be imported from; nothing is imported, packages above it neither."""
    if name in sys.modules:
        return _spec_in(sys.modules[name])
    parent = name.rpartition(".")[0]
    path: Any = None
    if parent:
        above = _spec(parent)
        path = None if above is None else above.submodule_search_locations
        if path is None:
            return None
    for finder in sys.meta_path:
        with suppress(ImportError, ValueError, AttributeError):  # old finders have no find_spec
            spec = finder.find_spec(name, path)
            if spec is not None:
                return spec
    return None


def _imports(data: bytes, name: str, file: Path) -> Iterator[str]:
    """All names that may be modules which a file imports, and the packages above them."""
    if file.suffix != ".py":
        return
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):
        return
    parts = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for one in found:
            words = one.split(".")
            yield from (".".join(words[:count]) for count in range(1, len(words) + 1))


@functools.cache  # what a process has imported does not change
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except (metadata.PackageNotFoundError, ValueError):
        return ""


# ------------------------------------------------------------------------------ what has no file


def _typed_in(thing: Any, seen: set[int]) -> Iterator[bytes]:
    """The code of what was typed in: of a class its methods, of a function also what it calls."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    thing = getattr(thing, "__func__", thing)
    code = getattr(thing, "__code__", None)
    if isinstance(code, CodeType):
        yield from compiled(code)
        yield repr((thing.__defaults__, thing.__kwdefaults__)).encode()
        yield from _values(globals_of(thing), seen)
        cells = ((str(n), cell) for n, cell in enumerate(thing.__closure__ or ()))
        yield from _values(((n, cell.cell_contents) for n, cell in cells), seen)
    elif isinstance(thing, type):
        yield from _values(sorted(vars(thing).items()), seen)
        yield from (part for base in thing.__bases__ for part in _typed_in_base(base, seen))
    elif isinstance(thing, functools.partial):
        yield from _values([("", thing.func), ("", thing.args), ("", thing.keywords)], seen)
    elif isinstance(thing, property | staticmethod | classmethod):
        yield from _typed_in(getattr(thing, "fget", None) or getattr(thing, "__func__", None), seen)
    elif type(thing).__module__ == _MAIN:
        yield from _typed_in(type(thing), seen)


def _typed_in_base(base: type, seen: set[int]) -> Iterator[bytes]:
    return _typed_in(base, seen) if base.__module__ == _MAIN else iter(())


def globals_of(thing: Any) -> list[tuple[str, Any]]:
    """What a function, or a class's own methods, look up by name in their module, sorted."""
    found: dict[str, Any] = {}
    for function in _functions(thing):
        around = function.__globals__
        named = {name for code in _within(function.__code__) for name in _looked_up(code)}
        found |= {name: around[name] for name in named if name in around}
    return sorted(found.items())


def _functions(thing: Any) -> Iterator[FunctionType]:
    """A function, or those of a class, those behind properties and the like among them."""
    if isinstance(thing, FunctionType):
        yield thing
    elif isinstance(thing, type):
        for value in vars(thing).values():
            for one in (value, *(getattr(value, name, None) for name in _WITHIN)):
                if isinstance(one, FunctionType):
                    yield one


_WITHIN = ("__func__", "fget", "func", "__wrapped__")  # of methods, properties, what is cached


@functools.lru_cache(maxsize=4096)
def _looked_up(code: CodeType) -> frozenset[str]:
    """Names that are looked up; ``co_names`` has those of attributes, too."""
    found = dis.get_instructions(code)
    return frozenset(str(one.argval) for one in found if one.opname in _LOOKS)


_LOOKS = ("LOAD_GLOBAL", "LOAD_NAME")


def _values(pairs: Iterable[tuple[str, Any]], seen: set[int]) -> Iterator[bytes]:
    """What names mean: plain values, and code that has no file either."""
    for name, value in pairs:
        if isinstance(value, str | int | float | bool | None | tuple):
            yield f"{name}={value!r}".encode()
        elif not isinstance(value, ModuleType):
            yield from _typed_in(value, seen)


def _within(code: CodeType) -> Iterator[CodeType]:
    """A code and those within it: lambdas, comprehensions, functions of functions."""
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _within(each)


def compiled(code: CodeType) -> Iterator[bytes]:
    """What Python made of a code, and of those within it."""
    for one in _within(code):
        plain = [each for each in one.co_consts if not isinstance(each, CodeType)]
        yield one.co_code
        yield repr((plain, one.co_names)).encode()
