"""What tells the code behind a model."""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from querist.models.code import code_of, sources_of
from querist.models.inference import open_inference

NAMES = ("own_net", "own_parts", "own_parts.layers", "own_parts.deep", "own_scale")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Modules of one's own: one, a package that it imports, and what that imports in a function."""
    monkeypatch.syspath_prepend(tmp_path)
    parts = tmp_path / "own_parts"
    parts.mkdir()
    (parts / "__init__.py").write_text("")
    (parts / "layers.py").write_text("from . import deep\n\n\ndef act():\n    import own_scale\n")
    (parts / "deep.py").write_text("DEPTH = 1\n")
    (tmp_path / "own_scale.py").write_text("SCALE = 1\n")
    text = (
        "import functools\n\nimport numpy as np\n\nfrom own_parts.layers import act\n\n\n"
        "def build(k=1):\n    return np.full(k, 1)\n\n\nof_two = functools.partial(build, 2)\n\n\n"
        "class Made:\n    provides = ('probabilities',)\n\n    def infer(self, batch, wanted):\n"
        "        return act()\n\n\nmade = Made()\n"
    )
    (tmp_path / "own_net.py").write_text(text)
    yield tmp_path
    for name in NAMES:
        sys.modules.pop(name, None)


def forget() -> None:
    """As in a new process."""
    for name in NAMES:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


@pytest.mark.parametrize("name", ["build", "of_two", "Made", "made"])
@pytest.mark.parametrize(
    "file", ["own_net.py", "own_parts/__init__.py", "own_parts/deep.py", "own_scale.py"]
)
def test_all_that_is_imported_counts(own: Path, name: str, file: str) -> None:
    first = code_of(f"own_net:{name}")
    forget()
    assert code_of(f"own_net:{name}") == first
    with (own / file).open("a") as out:
        out.write("# another one\n")
    forget()
    assert code_of(f"own_net:{name}") != first


def test_nothing_is_imported_to_know_it(own: Path) -> None:
    assert len(sources_of("own_net")) == len(NAMES)
    assert not {name for name in NAMES if name in sys.modules}


def test_a_file_that_was_changed_since_it_was_imported_is_neither_the_one_nor_the_other(
    own: Path,
) -> None:
    text = (own / "own_net.py").read_text()
    first = code_of("own_net:build")
    (own / "own_net.py").write_text("def build():\n    return 3\n")
    between = code_of("own_net:build")  # what is imported runs on
    importlib.reload(sys.modules["own_net"])
    other = code_of("own_net:build")
    assert len({tuple(first), tuple(between), tuple(other)}) == 3
    (own / "own_net.py").write_text(text)
    assert code_of("own_net:build") not in (first, between, other)
    importlib.reload(sys.modules["own_net"])
    assert code_of("own_net:build") == first


def test_of_what_is_installed_there_is_one_file_and_a_version() -> None:
    (only,) = sources_of("numpy.linalg")
    assert b"numpy.linalg " in only
    assert only.rpartition(b" ")[2][:1].isdigit()
    assert sources_of("nobody_has_this") == sources_of("sys") == []


TYPED_IN = """
from querist.models.code import code_of
def helped(x): return x + {helper}
class Net:
    scale = 2
    def __call__(self, x): return [helped(each * {inner}) for each in x]
def told(x, k={default}): return (lambda y: Net()(y * {factor}))(x)
print(code_of(told), code_of(Net))
"""


@functools.cache
def said_of(**numbers: int) -> str:
    text = TYPED_IN.format(**{"helper": 1, "inner": 1, "default": 1, "factor": 1, **numbers})
    told = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=60
    )
    return told.stdout


@pytest.mark.parametrize("what", ["helper", "inner", "default", "factor"])
def test_what_was_typed_in_is_told_by_its_code_and_what_that_calls(what: str) -> None:
    assert said_of(**{what: 2}) != said_of()
    assert "b''" not in said_of()


def test_a_python_model_is_another_one_when_a_module_that_it_imports_changes(own: Path) -> None:
    told: dict[str, Any] = {"use": "python", "object": "own_net:Made"}
    first = open_inference(told).digest
    assert open_inference(told).digest == first
    (own / "own_scale.py").write_text("SCALE = 2\n")
    forget()
    assert open_inference(told).digest != first


def test_a_file_that_is_written_twice_within_a_tick_of_its_clock_is_read_twice(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "twice_in_a_tick.py"
    file.write_text("A = 1\n")
    at = file.stat()
    before = sources_of("twice_in_a_tick")
    plain = Path.stat
    monkeypatch.setattr(Path, "stat", lambda p, **k: at if p.name == file.name else plain(p, **k))
    file.write_text("A = 2\n")
    assert sources_of("twice_in_a_tick") != before
