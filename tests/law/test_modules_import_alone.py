"""Every module imports first and alone, with and without the optional packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

PROBE = Path(__file__).with_name("import_alone.py")
NOT_AT_RUN_TIME = {"test", "docs", "dev"}
IMPORT_NAMES = {"pillow": "PIL", "scikit-learn": "sklearn"}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the probe forks")


def failures(modules: Iterable[str], blocked: Iterable[str] = (), path: str = "") -> dict:
    """Module -> how its import failed, for those that did."""
    environment = {**os.environ, "PYTHONPATH": path} if path else None
    done = subprocess.run(
        [sys.executable, PROBE, *blocked],
        input="\n".join(modules),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {module: found for module, found in json.loads(done.stdout).items() if found}


@pytest.fixture(scope="module")
def optional(root: Path) -> list[str]:
    """The names under which the optional packages are imported."""
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    names = {
        requirement.partition(">")[0].partition("[")[0]
        for extra, requirements in extras.items()
        if extra not in NOT_AT_RUN_TIME
        for requirement in requirements
    } - {"querist"}
    return [IMPORT_NAMES.get(name, name) for name in sorted(names)]


@pytest.fixture(scope="module")
def modules(library) -> list[str]:
    # __main__ only runs the command line, which is in the list.
    return [name for name in library.files if name != "querist.__main__"]


def readable(found: dict) -> str:
    return "\n\n".join(f"{module}\n{why.get('traceback', why)}" for module, why in found.items())


@pytest.mark.slow
@pytest.mark.timeout(600)  # a process for each of some 600 modules, twice
def test_every_module_imports_first_and_alone(modules: list[str]) -> None:
    """The library needs no test tools; only what it ships for tests may."""
    shipped = [name for name in modules if name.startswith("querist.testing")]
    library = [name for name in modules if name not in shipped]
    found = failures(shipped) | failures(library, blocked=["pytest", "hypothesis", "_pytest"])
    assert not found, readable(found)


@pytest.mark.slow
@pytest.mark.timeout(600)  # a process for each of some 600 modules, twice
def test_without_the_optional_packages_only_their_own_files_refuse(
    library, modules: list[str], optional: list[str]
) -> None:
    own = {found.source for found in library.imports if found.target.partition(".")[0] in optional}
    unexpected = {
        module: why
        for module, why in failures(modules, blocked=optional).items()
        if module not in own or "MissingExtra" not in why["kinds"].split(",")
    }
    assert not unexpected, readable(unexpected)


def test_the_probe_sees_a_module_that_needs_another_first(tmp_path: Path) -> None:
    (tmp_path / "early.py").write_text("import sys\nsys.ready = True\n")
    (tmp_path / "late.py").write_text("import sys\nassert sys.ready\n")
    found = failures(["early", "late"], path=str(tmp_path))
    assert set(found) == {"late"}
    assert found["late"]["kinds"].startswith("AttributeError")


def test_the_probe_blocks_packages(tmp_path: Path) -> None:
    (tmp_path / "needs.py").write_text("import yaml\n")
    assert failures(["needs"], path=str(tmp_path)) == {}
    assert set(failures(["needs"], blocked=["yaml"], path=str(tmp_path))) == {"needs"}
