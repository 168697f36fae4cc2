"""``import querist`` is quick because of what it does not load; no stopwatch needed."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {
    "ase",
    "asyncio",
    "click",
    "matplotlib",
    "multiprocessing",
    "numpy",
    "pandas",
    "psutil",
    "pyarrow",
    "pydantic",
    "pyscf",
    "rich",
    "safetensors",
    "scipy",
    "sklearn",
    "skops",
    "sqlite3",
    "tblite",
    "torch",
    "yaml",
}


def loaded_after(statement: str) -> set[str]:
    program = f"import sys\n{statement}\nimport json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_importing_querist_loads_nothing_heavy() -> None:
    before, after = loaded_after("pass"), loaded_after("import querist")
    assert "querist" in after
    assert (after - before) & HEAVY == set()


def test_looking_at_the_public_names_loads_nothing_heavy() -> None:
    before, after = loaded_after("pass"), loaded_after("import querist; dir(querist)")
    assert (after - before) & HEAVY == set()


def test_importing_core_loads_numpy_only() -> None:
    before, after = loaded_after("pass"), loaded_after("import querist.core")
    assert (after - before) & HEAVY <= {"numpy"}


def test_the_command_line_parses_without_the_heavy_packages() -> None:
    statement = "from querist.cli.entry import *; [main.get_command(None, n) for n in COMMANDS]"
    before, after = loaded_after("pass"), loaded_after(statement)
    assert (after - before) & {"ase", "matplotlib", "pyarrow", "scipy", "sklearn", "torch"} == set()


def test_the_probe_sees_what_is_loaded() -> None:
    assert {"yaml", "json"} <= loaded_after("import yaml")
