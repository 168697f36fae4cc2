"""Run the code blocks of one Markdown page, as docs/writing-documentation.md describes.

A program of its own, so that each page has a process and a namespace to itself:
``python page.py PAGE.md FOLDER``. Exits with 1 and the block's line number where a block fails.
"""

from __future__ import annotations

import linecache
import re
import shlex
import subprocess
import sys
import textwrap
import traceback
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FENCE = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,}|~{3,})\s*(?P<info>[^`]*)$")
COMMENT = re.compile(r"^<!--\s*(?P<key>[a-z-]+)(?:\s*:\s*(?P<value>.*?))?\s*-->$")
SHELLS = {"bash", "sh", "shell", "zsh"}
RUNNABLE = {"querist": [sys.executable, "-m", "querist"], "python": [sys.executable]}


class PageError(Exception):
    """A block that breaks the conventions or fails."""


@dataclass(frozen=True)
class Block:
    """One fenced block: the line its text starts on, its info string, its text, its comments."""

    line: int
    info: tuple[str, ...]
    text: str
    marks: dict[str, str]


def blocks(lines: list[str]) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order."""
    number, marks = 0, {}
    while number < len(lines):
        stripped = lines[number].strip()
        comment, fence = COMMENT.match(stripped), FENCE.match(lines[number])
        number += 1
        if comment and comment["key"] in ("file", "no-run"):
            marks[comment["key"]] = comment["value"] or ""
        elif fence:
            end = closing(lines, number, fence["ticks"])
            text = textwrap.dedent("\n".join(lines[number:end])) + "\n"
            yield Block(number + 1, tuple(fence["info"].split()), text, marks)
            number, marks = end + 1, {}
        elif stripped:
            if marks:
                raise PageError(f"line {number}: the comment above belongs to no block")
            marks = {}


def closing(lines: list[str], start: int, ticks: str) -> int:
    """Return the index of the line that closes a fence opened with ``ticks``."""
    for index in range(start, len(lines)):
        line = lines[index].strip()
        if len(line) >= len(ticks) and set(line) == {ticks[0]}:
            return index
    raise PageError(f"line {start}: the block that starts here is never closed")


class Page:
    """What the blocks of one page share: a namespace and a folder."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        # As in an interactive session: what a page defines lives in __main__, which has no file
        # that a spawned process could import again, and the working folder is on the path.
        main_module = types.ModuleType("__main__")
        sys.modules["__main__"] = main_module
        sys.path[0] = str(folder)
        self.namespace: dict[str, Any] = vars(main_module)

    def run(self, block: Block) -> None:
        """Run, save, check or skip one block."""
        kind = block.info[0] if block.info else ""
        if "no-run" in block.marks:
            if not block.marks["no-run"]:
                raise PageError("no-run must say why: <!-- no-run: reason -->")
        elif kind in SHELLS:
            raise PageError(f"a {kind!r} block is not run; write a console block with $ prompts")
        elif kind == "yaml":
            self.check_yaml(block)
        elif "file" in block.marks:
            self.save(block)
        elif kind == "python":
            self.execute(block)
        elif kind == "console":
            for command in commands(block.text):
                self.command(command)

    def save(self, block: Block, default: str = "") -> str:
        """Write a block under the name its comment gives it; return the name."""
        name = block.marks.get("file") or default
        if not name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise PageError(f"file needs a name inside the page's folder, got {name!r}")
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.text, encoding="utf-8")
        return name

    def execute(self, block: Block) -> None:
        """Execute Python, so that a traceback shows the page's own lines."""
        padded = "\n" * (block.line - 1) + block.text
        name = str(self.path)
        linecache.cache[name] = (len(padded), None, padded.splitlines(keepends=True), name)
        exec(compile(padded, name, "exec", dont_inherit=True), self.namespace)

    def check_yaml(self, block: Block) -> None:
        """Parse YAML; validate a campaign."""
        yaml.safe_load(block.text)
        if "campaign" in block.info[1:]:
            name = self.save(block, default=f"campaign-line-{block.line}.yaml")
            self.command(f"querist check {shlex.quote(name)}")
        elif "file" in block.marks:
            self.save(block)

    def command(self, line: str) -> None:
        """Run one console line in the page's folder."""
        words = shlex.split(line, comments=True)
        if not words or words[0] not in RUNNABLE:
            raise PageError(f"$ querist and $ python are run, got {line!r}; say no-run and why")
        done = subprocess.run(
            RUNNABLE[words[0]] + words[1:], cwd=self.folder, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode != 0:
            raise PageError(f"{line!r} ended with exit code {done.returncode}")


def commands(text: str) -> list[str]:
    """Return the lines of a console block that follow a ``$`` prompt, continued lines joined."""
    joined = text.replace("\\\n", " ")
    found = [line[2:].strip() for line in joined.splitlines() if line.startswith("$ ")]
    if not found:
        raise PageError("a console block needs a line that starts with '$ '")
    return found


def main(path: Path, folder: Path) -> int:
    """Run a page; return 0, or 1 after printing what failed and where."""
    page = Page(path, folder)
    line = 1
    try:
        for block in blocks(path.read_text(encoding="utf-8").splitlines()):
            line = block.line
            page.run(block)
    # The blocks are anyone's code: whatever one raises is this page's failure.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        if not isinstance(error, PageError):
            traceback.print_exc()
        print(f"{path.name}, block at line {line}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    warnings.simplefilter("error")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
