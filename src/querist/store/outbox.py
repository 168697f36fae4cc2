"""Answers that outlive a dying controller: workers write them here before sending."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from querist.store.codec import NO_ARRAYS, Arrays, pack_parcel, unpack_parcel
from querist.store.errors import DamagedFile
from querist.store.files import atomic_write, read_regular, safe_name

_SUFFIX = ".answer"


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """One answer in the outbox.

    Attributes:
        task_id: Of the task it answers. Several parcels may answer the same one.
        data: A JSON object.
        arrays: Named arrays, read-only.
        at: When it was put there, in seconds since 1970 by the worker's clock.
        path: Its file.
    """

    task_id: str
    data: Mapping[str, Any]
    arrays: Arrays
    at: float
    path: Path


class Outbox:
    """The outbox of a run: any number of workers put, one controller reads and removes.

    Attributes:
        damaged: Reason by file name, of the files that `pending` had to pass over.

    Args:
        folder: Where the answers lie; created where missing.
        sync: False skips syncing: for tests and benchmarks only.
    """

    def __init__(self, folder: Path | str, *, sync: bool = True) -> None:
        self._folder, self._sync = Path(folder), sync
        self.damaged: dict[str, str] = {}

    def put(self, task_id: str, data: Mapping[str, Any], arrays: Arrays = NO_ARRAYS) -> Path:
        """Write an answer durably; on return it survives the death of everyone.

        Every call makes a file of its own, so that a late second answer to the same task is
        never removed unread.

        Returns:
            The file, which the worker may remove once the controller has acknowledged.

        Raises:
            NotStorable: A value cannot be stored.
            StoreFull, StoreFailed: The file could not be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{safe_name(task_id)}-{uuid.uuid4().hex[:12]}{_SUFFIX}"
        atomic_write(path, pack_parcel(task_id, data, arrays), sync=self._sync)
        return path

    def pending(self) -> Iterator[Parcel]:
        """All answers, in the order of their names; damaged ones go to `damaged` instead."""
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                record = unpack_parcel(read_regular(path))
            except FileNotFoundError:  # removed by its worker since the folder was listed
                continue
            except (DamagedFile, OSError) as error:
                self.damaged[path.name] = f"{path} cannot be used: {error}"
                continue
            yield Parcel(record.kind, record.data, record.arrays, record.at, path)

    def remove(self, parcel: Parcel | Path) -> None:
        """Remove an answer, once the journal has it durably; harmless when it is gone."""
        path = parcel.path if isinstance(parcel, Parcel) else parcel
        path.unlink(missing_ok=True)
