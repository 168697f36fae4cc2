"""What a run was made with: versions, seeds, machine, state of the code."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from querist.store.errors import DamagedFile, IncompatibleFormat

RUN_FORMAT = 1
RELEVANT_PACKAGES = (
    "querist",
    "ase",
    "cloudpickle",
    "dftd3",
    "fsspec",
    "h5py",
    "mpi4py",
    "numpy",
    "onnxruntime",
    "openmm",
    "pandas",
    "parsl",
    "pyarrow",
    "pydantic",
    "pyscf",
    "PyYAML",
    "rdkit",
    "safetensors",
    "scikit-learn",
    "scipy",
    "skops",
    "tblite",
    "torch",
    "xgboost",
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The identity of a run, written once.

    Attributes:
        format: Version of the folder's layout.
        run_id: Unique name of the run.
        created: ISO 8601, UTC.
        querist: Version of Querist.
        python: Version of Python.
        platform: Machine and operating system.
        packages: Version by name, of relevant packages that were installed.
        seeds: Named seeds.
        git: `commit` and `dirty` of the working tree, or `error`.
    """

    format: int
    run_id: str
    created: str
    querist: str
    python: str
    platform: str
    packages: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, Any] = field(default_factory=dict)
    git: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """As it stands in `manifest.json`."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: Path) -> Manifest:
        """Parse `manifest.json`; names unknown to this version are ignored.

        Raises:
            IncompatibleFormat: The run has another layout.
            DamagedFile: It is not a manifest.
        """
        try:
            said = json.loads(text)
            version = said["format"]
            if version == RUN_FORMAT:
                return cls(**{f.name: said[f.name] for f in fields(cls)})
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedFile(
                f"{where} is not the manifest of a run ({error!r}). Restore it from a backup."
            ) from error
        raise IncompatibleFormat(
            f"The run of {where} has folder format {version}; this Querist reads format "
            f"{RUN_FORMAT}. Use Querist {said.get('querist', '(unknown version)')}."
        )


def describe(
    run_id: str,
    seeds: Mapping[str, Any],
    packages: Iterable[str] = (),
    git: Mapping[str, Any] | None = None,
) -> Manifest:
    """Collect what can be known here and now.

    Args:
        run_id: Of the new run.
        seeds: Named seeds.
        packages: Further packages whose versions matter.
        git: What :func:`git_state` said, where it is known; by default it is asked about the
            working folder, which starts two processes.
    """
    versions = installed([*RELEVANT_PACKAGES, *packages])
    return Manifest(
        format=RUN_FORMAT,
        run_id=run_id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        querist=versions.pop("querist", "not installed"),
        python=sys.version.split()[0],
        platform=platform.platform(),
        packages=versions,
        seeds=dict(seeds),
        git=dict(git_state() if git is None else git),
    )


def installed(names: Iterable[str]) -> dict[str, str]:
    """The versions of those packages that are installed; nothing is imported."""
    found = {name: _version(name) for name in names}
    return {name: version for name, version in found.items() if version}


@cache  # reading them takes milliseconds, and what a process has imported does not change
def _version(name: str) -> str:
    from importlib import metadata  # slow to import, and only needed here

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def git_state(folder: Path | None = None) -> dict[str, Any]:
    """The commit of a working tree and whether it was changed since; never fails."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        return {"error": f"no state of git: {type(error).__name__}"}
    return {"commit": commit, "dirty": bool(changed)}


def _git(folder: Path | None, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=10,
    ).stdout.strip()
