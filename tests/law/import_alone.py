"""Import each module named on standard input in a process of its own, and report as JSON.

A program for test_modules_import_alone.py. It forks once per module from this process, which has
loaded a few packages of others and nothing of Querist: as fresh as a new interpreter, but quicker.
Packages named as arguments cannot be imported, as if they were not installed.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
import warnings
from importlib.abc import MetaPathFinder
from typing import Any

# What the core depends on anyway; loading it once spares every child a second. What is loaded here
# nobody misses below, so no part of a package that is not loaded by itself when it is asked for.
WARM = (
    *("numpy", "yaml", "click", "cloudpickle", "safetensors.numpy"),
    *("pydantic.main", "pydantic.networks", "pydantic.types", "pydantic.json_schema"),
    *("scipy.linalg", "scipy.optimize", "scipy.sparse", "scipy.spatial", "scipy.special"),
    *("csv", "difflib", "hashlib", "mmap", "sqlite3", "ssl", "subprocess", "zoneinfo"),
)


class Block(MetaPathFinder):
    """Refuses to find some packages."""

    def __init__(self, packages: list[str]) -> None:
        self.packages = packages

    def find_spec(self, fullname: str, *_: Any) -> None:
        """Raise what a missing package raises."""
        if fullname.partition(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def try_import(module: str) -> dict[str, str]:
    """Import one module here; return nothing, or the error's type, text and traceback."""
    try:
        importlib.import_module(module)
    # Whatever an import raises is the finding.
    except BaseException as error:  # noqa: BLE001
        kinds = ",".join(kind.__name__ for kind in type(error).__mro__)
        return {"kinds": kinds, "text": str(error), "traceback": traceback.format_exc()}
    return {}


def in_child(module: str) -> dict[str, str]:
    """Do the same in a fork of this process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writing, "w") as pipe:
            json.dump(try_import(module), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return json.loads(text) if text else {"kinds": "", "text": f"died, status {status}"}


if __name__ == "__main__":
    warnings.simplefilter("error")
    sys.meta_path.insert(0, Block(sys.argv[1:]))
    for package in WARM:
        if package.partition(".")[0] not in sys.argv[1:]:
            importlib.import_module(package)
    json.dump({module: in_child(module) for module in sys.stdin.read().split()}, sys.stdout)
