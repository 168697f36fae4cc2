"""Fitted states: in memory, or as files of the surrogate's folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from querist.core.roles import ModelState
from querist.core.tasks import ModelRef
from querist.store.arrays import load_arrays
from querist.store.run_folder import RunFolder

MODEL, FAILING, FIXED = "model", "failing", "fixed"


class Shelf(Protocol):
    """Keeps the states of a version by part, :data:`MODEL` and perhaps others."""

    def save(self, version: int, parts: Mapping[str, ModelState]) -> ModelRef:
        """Keep them."""

    def load(self, ref: ModelRef) -> dict[str, ModelState]:
        """Give them back."""


class MemoryShelf:
    """States of one process."""

    def __init__(self) -> None:
        self._held: dict[int, dict[str, ModelState]] = {}

    def save(self, version: int, parts: Mapping[str, ModelState]) -> ModelRef:
        """Keep them."""
        self._held[version] = dict(parts)
        return ModelRef(version, tuple(parts))

    def load(self, ref: ModelRef) -> dict[str, ModelState]:
        """Give them back."""
        return self._held[ref.version]


class FolderShelf:
    """States in safetensors files.

    Args:
        folder: Of the surrogate.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def save(self, version: int, parts: Mapping[str, ModelState]) -> ModelRef:
        """Keep them, durably."""
        weights = self._folder.weights
        files, digests = [], []
        for part, state in parts.items():
            digests.append(weights.save(version, part, state.arrays, state.data))
            files.append(weights.path(version, part).name)
        return ModelRef(version, tuple(files), "+".join(digests))

    def load(self, ref: ModelRef) -> dict[str, ModelState]:
        """Read and verify them.

        Raises:
            DamagedFile: If a file is not what was saved.
        """
        found = {}
        for name, digest in zip(ref.files, ref.digest.split("+"), strict=True):
            file = load_arrays(self._folder.path / "weights" / name, digest)
            part = next((one for one in (FAILING, FIXED) if f".{one}." in name), MODEL)
            found[part] = ModelState(file.arrays, file.metadata)
        return found
