"""The import law. Type-only imports and imports inside functions count as any other."""

from __future__ import annotations

import sys
from graphlib import CycleError, TopologicalSorter

CORE = {"core"}
LEAVES = {
    "strategies",
    "control",
    "models",
    "generators",
    "oracles",
    "sources",
    "store",
    "accounting",
}
BELOW_CAMPAIGN = CORE | LEAVES | {"engines", "planning"}
UP_TO_CAMPAIGN = BELOW_CAMPAIGN | {"campaign"}
BESIDE = {"pool", "surrogate", "tuning", "compat", "integrations"}
LIBRARY = UP_TO_CAMPAIGN | BESIDE | {"service"}

# Room -> the rooms it may import from, besides itself. The rooms "" (the root module, which serves
# the public names) and __main__ are single files.
LAW: dict[str, set[str]] = {
    "core": set(),
    **dict.fromkeys(LEAVES, CORE),
    "engines": CORE | {"control"},
    "planning": CORE | {"control", "engines", "accounting"},
    "campaign": BELOW_CAMPAIGN,
    **dict.fromkeys(BESIDE, UP_TO_CAMPAIGN),
    # Labelling tools exchange items and labels of pools.
    "integrations": UP_TO_CAMPAIGN | {"pool"},
    "service": UP_TO_CAMPAIGN | BESIDE,
    "": LIBRARY,
    "cli": LIBRARY,
    "__main__": {"cli"},
    # Shipped for authors of extensions; absent from every line above.
    "testing": LIBRARY,
}

CORE_LINES = 1500


def room_of(module: str) -> str:
    return [*module.split("."), ""][1]


def ours(library) -> list:
    """The imports of Querist's own modules; asking the root for its version is free to all."""
    return [
        found
        for found in library.imports
        if found.target.partition(".")[0] == "querist"
        and (found.target, found.name) != ("querist", "__version__")
    ]


def violations(library) -> list[str]:
    broken = []
    for found in ours(library):
        source, target = room_of(found.source), room_of(found.target)
        if source != target and target not in LAW.get(source, set()):
            broken.append(f"{found.source}, line {found.line}: imports {found.target}")
    return broken


def circle(library) -> list[str]:
    """Return the modules of one import circle, or nothing."""
    graph: dict[str, set[str]] = {module: set() for module in library.files}
    for found in ours(library):
        graph[found.source].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def foreign_in_core(library) -> list[str]:
    allowed = set(sys.stdlib_module_names) | {"numpy", "querist"}
    return [
        f"{found.source}, line {found.line}: imports {found.target}"
        for found in library.imports
        if room_of(found.source) == "core" and found.target.partition(".")[0] not in allowed
    ]


def test_every_room_is_in_the_law(library) -> None:
    unknown = {room_of(module) for module in library.files} - set(LAW)
    assert not unknown, f"add these rooms to LAW, and say why in docs/decisions: {unknown}"


def test_rooms_import_only_what_the_law_allows(library) -> None:
    assert violations(library) == []


def test_no_module_imports_itself_through_others(library) -> None:
    assert circle(library) == []


def test_core_imports_only_the_standard_library_and_numpy(library) -> None:
    assert foreign_in_core(library) == []


def test_core_is_small(library) -> None:
    lines = {
        module: len(file.read_text(encoding="utf-8").splitlines())
        for module, file in library.files.items()
        if room_of(module) == "core"
    }
    assert sum(lines.values()) <= CORE_LINES, lines


def test_the_library_is_found(library) -> None:
    assert {"querist", "querist.core", "querist.core.errors"} <= set(library.files)
    assert ours(library)


# The law must be able to fail: each of these is a breach that a laxer reading would miss.


def test_a_type_only_import_counts(write_code) -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import querist.store.log\n"
    code = write_code({"models/a.py": source, "store/log.py": ""})
    assert violations(code) == ["querist.models.a, line 3: imports querist.store.log"]


def test_an_import_in_a_function_counts(write_code) -> None:
    code = write_code({"control/a.py": "def f():\n    from querist import store\n", "store.py": ""})
    assert violations(code) == ["querist.control.a, line 2: imports querist.store"]


def test_a_relative_import_is_resolved(write_code) -> None:
    code = write_code({"models/deep/a.py": "from ...store import log", "store/log.py": ""})
    assert violations(code) == ["querist.models.deep.a, line 1: imports querist.store.log"]


def test_a_relative_import_in_a_package_is_resolved(write_code) -> None:
    code = write_code({"models/__init__.py": "from ..store import log", "store/log.py": ""})
    assert violations(code) == ["querist.models, line 1: imports querist.store.log"]


def test_a_module_imported_by_name_counts(write_code) -> None:
    code = write_code({"core/a.py": "import importlib\nimportlib.import_module('querist.store')"})
    assert violations(code) == ["querist.core.a, line 2: imports querist.store"]


def test_nobody_imports_testing_or_the_root(write_code) -> None:
    code = write_code(
        {"core/a.py": "from querist import Batch", "cli/a.py": "import querist.testing.fakes"}
    )
    assert violations(code) == [
        "querist.cli.a, line 1: imports querist.testing.fakes",
        "querist.core.a, line 1: imports querist",
    ]


def test_the_version_is_free_to_all(write_code) -> None:
    assert violations(write_code({"store/a.py": "from querist import __version__"})) == []


def test_a_circle_through_a_type_only_import_is_found(write_code) -> None:
    code = write_code(
        {
            "core/__init__.py": "from querist.core.a import f",
            "core/a.py": "def f():\n    from . import b",
            "core/b.py": "import typing\nif typing.TYPE_CHECKING:\n    from .a import f",
        }
    )
    assert set(circle(code)) == {"querist.core.a", "querist.core.b"}


def test_core_may_not_import_scipy(write_code) -> None:
    code = write_code({"core/a.py": "import json, numpy.linalg\ndef f():\n    import scipy.linalg"})
    assert foreign_in_core(code) == ["querist.core.a, line 3: imports scipy.linalg"]
