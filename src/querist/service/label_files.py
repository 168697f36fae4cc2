"""Labels from an uploaded manifest, without trust in what it unpacks to.

A small file of text is read here. Of another, a few kilobytes may become all the memory of the
machine: it is read by a process of its own, like the jobs, under their limit of memory.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from querist.pool.label_import import why_nothing
from querist.pool.pool import Pool
from querist.service.jobs.process import JobProcess
from querist.service.people import Principal
from querist.service.problems import Refused, internal
from querist.service.service import Service
from querist.service.settings import MIB
from querist.service.wire.labels import Imported
from querist.service.wire.problem import Fault
from querist.service.workspace import erase

_UNPACKED = ("parquet",)
_LOOK_S = 0.02


def labels_from(service: Service, who: Principal, pool: Pool, file: Path, format: str) -> Imported:
    """Record the labels of a manifest for items of a pool.

    Raises:
        Refused: If it cannot be read, or needs too much for that.
        QueristError: Likewise.
    """
    if format not in _UNPACKED and file.stat().st_size <= service.settings.limits.body:
        added = pool.import_labels(file, format)
        return Imported(labels=added.labelled, why_nothing=why_nothing(added))
    home = service.workspace.temporary_folder()
    told = {
        "kind": "labels",
        "pool": str(pool.folder),
        "manifest": str(file),
        "format": format,
        "memory_mb": service.settings.jobs.memory_mb,
    }
    try:
        with service.reading(who):
            process = JobProcess(home, told, credentials=False)
            result = _result_of(process, _seconds(service, file))
    finally:
        erase(home)
    if "labels" not in result:
        raise _refusal(result.get("refused"), service.workspace.hidden(process.error))
    return Imported(**result)


def _seconds(service: Service, file: Path) -> float:
    """As long as the file might have taken to arrive, and as any request takes."""
    limits = service.settings.limits
    return limits.request_seconds + limits.body_seconds * (1 + file.stat().st_size / MIB)


def _result_of(process: JobProcess, seconds: float) -> dict[str, Any]:
    """What came of it; nothing where it ended before it was done."""
    try:
        while process.poll() is None and process.seconds < seconds:
            time.sleep(_LOOK_S)
    finally:
        process.kill()
        process.close()
    return process.result


def _refusal(said: dict[str, Any] | None, error: str) -> Refused:
    if said is not None:
        faults = [Fault(**one) for one in said["errors"]]
        return Refused(said["kind"], error, faults, said["retry_after"])
    return Refused("invalid", error) if error else internal()
