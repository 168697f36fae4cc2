"""Write the versions installed in this interpreter's environment as pip constraints.

Run by ``make lock`` in a new environment. Left out: Querist itself, pip, and the GPU libraries that
some builds of torch bring, which a CPU machine must not be made to install. A local version label
such as ``+cpu`` is dropped: the constraint then holds for every build of that version.

Usage: ``python tools/lock.py requirements/constraints.txt``
"""

from __future__ import annotations

import platform
import sys
from importlib.metadata import distributions
from pathlib import Path

HEADER = """\
# Exact versions of all that Querist, its extras and its developer's tools install, for CPython
# {python}. Used as `pip install --constraint`. Written by `make lock`: do not edit by hand.
"""
LEFT_OUT = ("querist", "pip")
GPU_PREFIXES = ("cuda-", "nvidia-", "triton")


def canonical(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it, in lower case with dashes."""
    return name.lower().replace("_", "-").replace(".", "-")


def pins() -> list[str]:
    """Return ``name==version`` for every distribution that belongs into the constraints, sorted."""
    installed = {canonical(found.metadata["Name"]): found.version for found in distributions()}
    return sorted(
        f"{name}=={version.partition('+')[0]}"
        for name, version in installed.items()
        if name not in LEFT_OUT and not name.startswith(GPU_PREFIXES)
    )


def main(target: Path) -> None:
    """Write the constraints.

    Args:
        target: The file.

    Raises:
        SystemExit: If this is not the oldest supported Python, for which the versions must hold.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    if python != "3.11":
        raise SystemExit(
            f"Lock with Python 3.11, the oldest supported; this is {python}. "
            "Name one: make lock PYTHON=/path/to/python3.11"
        )
    lines = pins()
    target.write_text(HEADER.format(python=python) + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{target}: {len(lines)} packages")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
