"""Versioned arrays by part: the weights of a model's members, the states of generators."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from querist.store.arrays import ArrayFile, load_arrays, save_arrays
from querist.store.codec import Arrays
from querist.store.errors import NotStored
from querist.store.files import safe_name

_NAME = re.compile(r"v(\d{6,})\.(.+)\.safetensors")


class Versions:
    """Files `v000012.PART.safetensors` in one folder.

    One process at a time writes a given part; any may read.

    Args:
        folder: Where they lie; created where missing.
        sync: False skips syncing: for tests and benchmarks only.
    """

    def __init__(self, folder: Path | str, *, sync: bool = True) -> None:
        self._folder, self._sync = Path(folder), sync

    def path(self, version: int, part: str) -> Path:
        """Where a part of a version lies, or would lie."""
        return self._folder / f"v{version:06d}.{safe_name(part)}.safetensors"

    def save(
        self, version: int, part: str, arrays: Arrays, metadata: Mapping[str, Any] | None = None
    ) -> str:
        """Save a part atomically and durably.

        Returns:
            Its digest (SHA-256), to be recorded and given to `load`.

        Raises:
            NotStorable: An array or the metadata cannot be stored.
            StoreFull, StoreFailed: It could not be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        return save_arrays(self.path(version, part), arrays, metadata, sync=self._sync)

    def load(self, version: int, part: str, digest: str | None = None) -> ArrayFile:
        """Load and verify a part.

        Raises:
            NotStored: It does not exist (or was pruned).
            DamagedFile: It is not what was saved, or not what has that digest.
        """
        try:
            return load_arrays(self.path(version, part), digest)
        except FileNotFoundError as error:
            there = ", ".join(f"{v}: {' '.join(parts)}" for v, parts in self.stored().items())
            raise NotStored(
                f"{self._folder} has no version {version} of part {part!r}; it has "
                f"{there or 'nothing'}. Load one of these."
            ) from error

    def stored(self) -> dict[int, list[str]]:
        """The parts (as they stand in file names) of every version, oldest version first."""
        found: dict[int, list[str]] = {}
        if self._folder.is_dir():
            for path in sorted(self._folder.iterdir()):
                if match := _NAME.fullmatch(path.name):
                    found.setdefault(int(match[1]), []).append(match[2])
        return dict(sorted(found.items()))

    def latest(self) -> int | None:
        """The newest version of which there is any part, or None."""
        return max(self.stored(), default=None)

    def prune(self, keep: int, protect: frozenset[int] = frozenset()) -> list[int]:
        """Remove all but the newest versions.

        Args:
            keep: How many to keep, at least 1.
            protect: Further versions that must stay.

        Returns:
            The versions removed.
        """
        if keep < 1:
            raise ValueError(f"keep must be at least 1 (the newest version); got {keep}.")
        stored = self.stored()
        old = [version for version in sorted(stored)[:-keep] if version not in protect]
        for version in old:
            for part in stored[version]:
                name = f"v{version:06d}.{part}.safetensors"
                (self._folder / name).unlink(missing_ok=True)
        return old
