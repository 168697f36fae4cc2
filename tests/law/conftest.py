"""What the laws are about: the modules of a package, what each imports, the tracked files."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Calls whose first argument, where it is a literal, names a module.
IMPORTING_CALLS = {"import_module", "__import__", "require", "importorskip"}


@dataclass(frozen=True)
class Import:
    """One import: the importing module, the imported one, the line.

    Of ``from package import name`` the target is ``package.name`` where that is a module of the
    same code base, otherwise ``package``, and ``name`` is kept.
    """

    source: str
    target: str
    name: str
    line: int


class CodeBase:
    """The modules of one package, by dotted name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {dotted(file, folder): file for file in sorted(folder.rglob("*.py"))}
        self.trees = {name: ast.parse(file.read_bytes(), file) for name, file in self.files.items()}
        self.imports = [found for name in self.files for found in self._imports_of(name)]

    def _imports_of(self, module: str) -> Iterator[Import]:
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(module, alias.name, "", node.lineno)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(module, node)
                for alias in node.names:
                    deeper = f"{base}.{alias.name}"
                    target = deeper if deeper in self.files else base
                    yield Import(module, target, alias.name, node.lineno)
            elif isinstance(node, ast.Call) and (target := called_import(node)):
                yield Import(module, target, "", node.lineno)

    def _base(self, module: str, node: ast.ImportFrom) -> str:
        """Resolve the package of a ``from`` import, relative ones from where the module stands."""
        if not node.level:
            return node.module or ""
        parts = module.split(".")
        if self.files[module].name != "__init__.py":
            parts = parts[:-1]
        parts = parts[: len(parts) - (node.level - 1)]
        return ".".join([*parts, *([node.module] if node.module else [])])


def dotted(file: Path, folder: Path) -> str:
    """Return a file's module name, the folder being the package."""
    parts = [folder.name, *file.relative_to(folder).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def called_import(node: ast.Call) -> str:
    """Return the module that ``import_module("x")`` and its kin name literally, or ``""``."""
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in IMPORTING_CALLS or not node.args:
        return ""
    first = node.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def library() -> CodeBase:
    return CodeBase(ROOT / "src" / "querist")


@pytest.fixture
def write_code(tmp_path: Path):
    """Returns a function: a mapping of path -> source -> the code base ``querist`` they make."""

    def write(sources: dict[str, str]) -> CodeBase:
        for name, source in sources.items():
            file = tmp_path / "querist" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source, encoding="utf-8")
        return CodeBase(tmp_path / "querist")

    return write


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """The files under version control, and those that would be added; text, and our own, only."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = (name for name in listing.split("\0") if name and "/vendor/" not in name)
    files = [ROOT / name for name in names]
    return [file for file in files if file.is_file() and b"\0" not in file.read_bytes()[:4096]]
