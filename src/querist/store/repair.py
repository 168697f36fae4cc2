"""Opening a journal after a crash, and cutting it where it is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from querist.store.errors import JournalCorrupt, WrongRun, storage_error
from querist.store.files import atomic_write, sync_file, sync_folder
from querist.store.reader import first_damage
from querist.store.segments import (
    HEADER_SIZE,
    RECORD,
    Header,
    Scanner,
    SegmentFile,
    corrupt,
    durable_after,
    missing,
    read_header,
    segment_numbers,
    segment_path,
)

_PIECE = 2**20


@dataclass(frozen=True, slots=True)
class Repair:
    """What `repair_journal` did.

    Attributes:
        last_seq: The last record that is kept.
        damage: What was wrong, or None where nothing was.
        moved: Files that hold what was cut off.
    """

    last_seq: int
    damage: str | None
    moved: tuple[Path, ...]


def open_for_writing(folder: Path, run_id: str, sync: bool) -> tuple[int, SegmentFile]:
    """Open the last segment of a journal behind its last whole record, or the first one.

    A torn end is moved to a `.torn` file. What is kept is synced, because the process that
    wrote it may have died before its own sync.

    Returns:
        The number of the segment, and the segment.

    Raises:
        JournalCorrupt: The segment is damaged where it had been durable.
        WrongRun: It belongs to another run.
        StoreFull, StoreFailed: Something could not be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        numbers = segment_numbers(folder)
        if not numbers:
            return 1, SegmentFile.create(segment_path(folder, 1), run_id, 1, sync)
        for number, found in enumerate(numbers, start=1):
            if number != found:
                raise missing(folder, number)
        path = segment_path(folder, numbers[-1])
        with path.open("rb", buffering=_PIECE) as file:
            header = read_header(file, path)
            if header is not None:
                return numbers[-1], _reopen(file, path, header, run_id, sync)
        return numbers[-1], _replace_last(folder, numbers, run_id, sync)
    except OSError as error:
        raise storage_error(error, folder, "opening the journal") from error


def _reopen(file: BinaryIO, path: Path, header: Header, run_id: str, sync: bool) -> SegmentFile:
    if header.run_id != run_id:
        raise WrongRun(
            f"{path} belongs to run {header.run_id!r}, not to {run_id!r}. "
            "Open it with the id in the run's manifest.json."
        )
    end, last_seq, marked_seq = _scan(file, path, header)
    if path.stat().st_size > end:
        _set_aside(path, end)
        _truncate(path, end)
    segment = SegmentFile(path, header, end, last_seq, sync)
    if sync:
        segment.finish()
        sync_folder(path.parent)
    if marked_seq < last_seq:
        segment.mark()
    return segment


def _scan(file: BinaryIO, path: Path, header: Header) -> tuple[int, int, int]:
    scanner, last_seq = Scanner(file, header.salt, HEADER_SIZE), header.first_seq - 1
    marked_seq = 0
    for frame in scanner:
        if frame.marker != RECORD:
            marked_seq = frame.seq
            continue
        if frame.seq != last_seq + 1:
            raise corrupt(path, frame.offset, last_seq, f"record {last_seq + 1} is missing")
        last_seq = frame.seq
    if scanner.leftover and durable_after(file, scanner.offset, header.salt) > last_seq:
        raise corrupt(path, scanner.offset, last_seq, "a record is unreadable")
    return scanner.offset, last_seq, marked_seq


def _replace_last(folder: Path, numbers: list[int], run_id: str, sync: bool) -> SegmentFile:
    """Make a new last segment where the existing one is shorter than a header."""
    last_seq, damage = first_damage(folder)
    if damage is not None:
        raise damage
    path = segment_path(folder, numbers[-1])
    _set_aside(path, 0)
    path.unlink()
    return SegmentFile.create(path, run_id, last_seq + 1, sync)


def _set_aside(path: Path, offset: int) -> Path:
    """Copy the bytes behind an offset to a `.torn` file beside the segment, durably."""
    copy = _unused(path.with_name(f"{path.stem}.{offset}.torn"))
    with path.open("rb") as file:
        file.seek(offset)
        atomic_write(copy, _pieces(file))
    return copy


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _unused(path: Path) -> Path:
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def _truncate(path: Path, size: int) -> None:
    with path.open("rb+") as file:
        file.truncate(size)
        sync_file(file.fileno())


def repair_journal(folder: Path | str) -> Repair:
    """Cut a damaged journal before its first unreadable record.

    Everything from there on is moved to files beside the segments (`.torn`, `.cut`), so
    that nothing is destroyed. Hold the run's `WriterLock` meanwhile. A sound journal is left
    as it is; the torn end of a crash is no damage, and goes when it is next written to.

    Raises:
        StoreFailed: A file could not be moved or cut.
    """
    folder = Path(folder)
    last_seq, damage = first_damage(folder)
    if damage is None:
        return Repair(last_seq, None, ())
    try:
        moved = _cut(folder, damage)
    except OSError as error:
        raise storage_error(error, folder, "repairing the journal") from error
    return Repair(last_seq, str(damage), tuple(moved))


def _cut(folder: Path, damage: JournalCorrupt) -> list[Path]:
    first = int(Path(damage.segment).stem)
    paths = {int(path.stem): path for path in folder.glob("*.qj")}
    moved: list[Path] = []
    # The last one first: what is left after an interruption is still a damaged journal.
    for number in sorted((n for n in paths if n >= first), reverse=True):
        path = paths[number]
        if number == first and damage.offset > 0:
            moved.append(_set_aside(path, damage.offset))
            _truncate(path, damage.offset)
        else:
            moved.append(path.rename(_unused(path.with_suffix(".cut"))))
    sync_folder(folder)
    return moved
