"""Snapshots of the controller's state, so that resuming need not read the whole journal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from querist.store.arrays import load_arrays, save_arrays
from querist.store.codec import NO_ARRAYS, Array, Arrays, decode_json, encode_json
from querist.store.errors import DamagedFile

_NAME = re.compile(r"(\d{12,})\.safetensors")
# A large state does not fit into the head of a safetensors file (100 MB), so it is an array.
_STATE = "state.json"
_PREFIX = "array."


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A state, and the record up to which it has everything.

    Attributes:
        seq: The journal's records up to this one are contained in it.
        state: A JSON object.
        arrays: Named arrays, read-only.
    """

    seq: int
    state: dict[str, Any]
    arrays: dict[str, Array]


class Snapshots:
    """The snapshots of a run; one process writes, any may read.

    Attributes:
        damaged: Reason by file name, of the files that `latest` had to pass over.

    Args:
        folder: Where they lie; created where missing.
        keep: How many are kept.
        sync: False skips syncing: for tests and benchmarks only.
    """

    def __init__(self, folder: Path | str, *, keep: int = 2, sync: bool = True) -> None:
        self._folder, self._keep, self._sync = Path(folder), max(1, keep), sync
        self.damaged: dict[str, str] = {}

    def write(self, seq: int, state: Mapping[str, Any], arrays: Arrays = NO_ARRAYS) -> Path:
        """Write a snapshot atomically, then remove old ones.

        Args:
            seq: The record up to which the state has everything. It must be durable: otherwise
                the snapshot may hold what the journal does not.
            state: A JSON object.
            arrays: Any shape; any dtype without Python objects.

        Raises:
            NotStorable: The state or an array cannot be stored.
            StoreFull, StoreFailed: It could not be written; older ones are still there.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{seq:012d}.safetensors"
        content = {_PREFIX + name: array for name, array in arrays.items()}
        content[_STATE] = np.frombuffer(encode_json(dict(state)), np.uint8)
        save_arrays(path, content, {"seq": seq}, sync=self._sync)
        self.damaged.pop(path.name, None)
        self._prune(seq)
        return path

    def latest(self, up_to: int | None = None) -> Snapshot | None:
        """The newest snapshot that can be read, or None.

        Args:
            up_to: Snapshots beyond this record are passed over; give the last record of the
                journal, which may have been cut by a repair.
        """
        for seq, path in self._found():
            if up_to is not None and seq > up_to:
                continue
            try:
                return self._load(seq, path)
            except DamagedFile as error:
                self.damaged[path.name] = str(error)
            except FileNotFoundError:  # pruned since the folder was listed
                continue
        return None

    def sequences(self) -> list[int]:
        """The records at which there are snapshots, newest first."""
        return [seq for seq, _ in self._found()]

    def discard_after(self, seq: int) -> None:
        """Remove snapshots beyond the end of a journal that was cut.

        They would look right again once the journal has grown past them, and are not.
        """
        for other, path in self._found():
            if other > seq:
                self._remove(path)

    def _load(self, seq: int, path: Path) -> Snapshot:
        loaded = load_arrays(path)
        if _STATE not in loaded.arrays or loaded.metadata.get("seq") != seq:
            raise DamagedFile(f"{path} is not the snapshot of record {seq}.")
        state = decode_json(loaded.arrays.pop(_STATE).tobytes())
        arrays = {name.removeprefix(_PREFIX): array for name, array in loaded.arrays.items()}
        return Snapshot(seq, state, arrays)

    def _found(self) -> list[tuple[int, Path]]:
        if not self._folder.is_dir():
            return []
        matches = ((_NAME.fullmatch(path.name), path) for path in self._folder.iterdir())
        return sorted(((int(m[1]), path) for m, path in matches if m), reverse=True)

    def _prune(self, newest: int) -> None:
        self.discard_after(newest)
        found = self._found()
        kept = [path for _, path in found if path.name not in self.damaged][: self._keep]
        for _, path in found:
            if path not in kept:
                self._remove(path)

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.damaged.pop(path.name, None)
