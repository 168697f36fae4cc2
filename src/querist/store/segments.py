"""The files a journal consists of, byte by byte.

A segment `000001.qj` starts with a header of 128 bytes and goes on with frames:

    header: magic 8s | version u32 | crc32 u32 | salt u64 | first seq u64 | created f64 | run id
    frame:  length u32 | crc32 u32 | payload of that length
    payload: marker 4s | head length u32 | seq u64 | instant f64 | body (see `codec`)

All numbers are little-endian, all frames start at a multiple of 8. The checksum covers the
length and the payload and starts from the segment's random salt, so that neither stale
blocks of a reused disk nor a journal stored inside an array can pass for a record.

Besides records there are *marks*: frames without a body, written after every successful
sync, that say "everything up to seq is on the disk". They tell damage to what had been
durable (an error) from the torn tail that a crash leaves (normal, and cut off).
"""

from __future__ import annotations

import os
import re
import secrets
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from querist.store.codec import Record, decode_body
from querist.store.errors import (
    DamagedFile,
    IncompatibleFormat,
    JournalCorrupt,
    NotStorable,
    TooLarge,
)
from querist.store.files import atomic_write, sync_file, write_at

FORMAT_VERSION = 1
HEADER_SIZE = 128
RECORD = b"\xd7QJR"
MARK = b"\xd7QJM"
_COMMON = MARK[:3]

_MAGIC = b"QJOURNAL"
_HEADER = struct.Struct("<8sIIQQdI64s20x")
_AFTER_CRC = struct.Struct("<QQdI64s20x")
_FRAME = struct.Struct("<II")
_PREFIX = struct.Struct("<4sIQd")
_LENGTH = struct.Struct("<I")
FRAME_OVERHEAD = _FRAME.size + _PREFIX.size
_SMALLEST = _PREFIX.size
_LARGEST = 2**32 - 1
_NAME = re.compile(r"(\d{6,})\.qj")


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment says of itself."""

    run_id: str
    first_seq: int
    salt: int
    created: float


class Frame(NamedTuple):
    """One good frame: where it lies, what it is, and its payload."""

    offset: int
    end: int
    marker: bytes
    seq: int
    payload: bytes

    def record(self) -> Record:
        """Decode the payload of a record.

        Raises:
            DamagedFile: The payload is not a record, although its checksum is right.
        """
        _, head_length, seq, at = _PREFIX.unpack_from(self.payload)
        body = memoryview(self.payload)[_PREFIX.size :]
        kind, data, arrays = decode_body(body, head_length)
        return Record(seq, kind, data, arrays, at)


# -- names ----------------------------------------------------------------------------------


def segment_path(folder: Path, number: int) -> Path:
    """Where the segment with a number lies."""
    return folder / f"{number:06d}.qj"


def segment_numbers(folder: Path) -> list[int]:
    """The numbers of all segments of a journal, in order; 1, 2, ... where none is missing."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))


def missing(folder: Path, number: int, last_seq: int = 0) -> JournalCorrupt:
    """The error for a segment that is not there although later ones are."""
    what = "the segment is missing although later ones exist"
    return corrupt(segment_path(folder, number), 0, last_seq, what)


def corrupt(path: Path, offset: int, last_seq: int, what: str) -> JournalCorrupt:
    """The error for damage to what had been durable."""
    upto = f" (after record {last_seq})" if last_seq else ""
    error = JournalCorrupt(
        f"The journal segment {path} is damaged at byte {offset}{upto}: {what}. "
        "Restore the file from a backup; or, with no writer running, call "
        f"querist.store.repair_journal({str(path.parent)!r}), which keeps all records before the "
        "damage and moves the rest aside."
    )
    error.segment, error.offset, error.last_seq = path.name, offset, last_seq
    return error


# -- headers --------------------------------------------------------------------------------


def _encode_header(header: Header) -> bytes:
    name = header.run_id.encode()
    if len(name) > 64:
        raise NotStorable(f"A run id has at most 64 bytes; {header.run_id!r} has {len(name)}.")
    rest = (header.salt, header.first_seq, header.created, len(name), name)
    crc = zlib.crc32(_AFTER_CRC.pack(*rest), FORMAT_VERSION)
    return _HEADER.pack(_MAGIC, FORMAT_VERSION, crc, *rest)


def read_header(file: BinaryIO, path: Path) -> Header | None:
    """Read the header of a segment; None where the file is shorter than one.

    Raises:
        JournalCorrupt: The header is damaged.
        IncompatibleFormat: The segment was written in another format version.
    """
    content = file.read(HEADER_SIZE)
    if len(content) < HEADER_SIZE:
        return None
    magic, version, crc, salt, first, created, length, name = _HEADER.unpack(content)
    if magic != _MAGIC:
        raise corrupt(path, 0, 0, "it does not begin like a journal segment")
    if zlib.crc32(content[16:], version) != crc:
        raise corrupt(path, 0, 0, "the checksum of its header is wrong")
    if version != FORMAT_VERSION:
        raise IncompatibleFormat(
            f"{path} is written in journal format {version}; this Querist reads format "
            f"{FORMAT_VERSION}. Use the version of Querist named in the run's manifest.json."
        )
    return Header(name[:length].decode(), first, salt, created)


# -- frames ---------------------------------------------------------------------------------


def encode_record(seq: int, at: float, head_length: int, body: bytes, salt: int) -> bytes:
    """One record as a frame.

    Raises:
        TooLarge: It has 4 GiB or more.
    """
    check_size(len(body))
    return _encode_frame(_PREFIX.pack(RECORD, head_length, seq, at), body, salt)


def check_size(body_length: int) -> None:
    """Refuse what a frame cannot hold.

    Raises:
        TooLarge: The body has almost 4 GiB or more.
    """
    if body_length + _PREFIX.size > _LARGEST:
        raise TooLarge(
            f"A journal record of {body_length} bytes is larger than 4 GiB. "
            "Save large arrays as weights or files, and record their name and digest."
        )


def _encode_frame(prefix: bytes, body: bytes, salt: int) -> bytes:
    length = len(prefix) + len(body)
    crc = _checksum(length, body, salt, prefix)
    return b"".join((_FRAME.pack(length, crc), prefix, body))


def _checksum(length: int, payload: bytes | memoryview, salt: int, prefix: bytes = b"") -> int:
    start = zlib.crc32(_LENGTH.pack(length), (salt ^ (salt >> 32)) & 0xFFFFFFFF)
    return zlib.crc32(payload, zlib.crc32(prefix, start))


class Scanner:
    """Reads frames one after another until the first bad one.

    Attributes:
        offset: End of the last good frame.
        size: Size of the file when the scan began; bytes that come later wait for the next.
    """

    def __init__(self, file: BinaryIO, salt: int, offset: int) -> None:
        self._file, self._salt, self.offset = file, salt, offset
        self.size = os.fstat(file.fileno()).st_size
        file.seek(offset)

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self._next()) is not None:
            self.offset = frame.end
            yield frame

    @property
    def leftover(self) -> int:
        """How many bytes after the last good frame are not a good frame."""
        return max(0, self.size - self.offset)

    def _next(self) -> Frame | None:
        start = self.offset
        if start + _FRAME.size + _SMALLEST > self.size:
            return None
        length, crc = _FRAME.unpack(self._file.read(_FRAME.size))
        end = start + _FRAME.size + length
        if length < _SMALLEST or length % 8 or end > self.size:
            return None
        payload = self._file.read(length)
        if len(payload) < length or _checksum(length, payload, self._salt) != crc:
            return None
        marker, _, seq, _ = _PREFIX.unpack_from(payload)
        return Frame(start, end, marker, seq, payload) if marker in (RECORD, MARK) else None


def durable_after(file: BinaryIO, offset: int, salt: int) -> int:
    """The highest seq that a good mark after bad bytes declares durable, or 0.

    If it is at least the seq of the bad record, durable data are damaged; otherwise the bad
    bytes are the torn end of what a crash interrupted.
    """
    file.seek(offset)
    content = memoryview(file.read())
    data = content.obj
    assert isinstance(data, bytes)
    highest, at = 0, data.find(_COMMON, _FRAME.size + 1)
    while at >= 0:
        frame = _frame_at(content, at - _FRAME.size, salt)
        if frame is not None and frame[0] == MARK:
            highest = max(highest, frame[1])
        at = data.find(_COMMON, at + 1)
    return highest


def _frame_at(content: memoryview, start: int, salt: int) -> tuple[bytes, int] | None:
    if start % 8 or start + _FRAME.size + _SMALLEST > len(content):
        return None
    length, crc = _FRAME.unpack_from(content, start)
    payload = content[start + _FRAME.size : start + _FRAME.size + length]
    if length < _SMALLEST or len(payload) < length or _checksum(length, payload, salt) != crc:
        return None
    marker, _, seq, _ = _PREFIX.unpack_from(payload)
    return marker, seq


# -- writing --------------------------------------------------------------------------------


class SegmentFile:
    """One segment open for writing, by one thread.

    Attributes:
        header: What it says of itself.
        end: End of the last whole frame.
        written_seq: Last record that is wholly in the file.
        durable_seq: Last record that is on the disk.
        trusted: Whether no sync has failed.
    """

    def __init__(self, path: Path, header: Header, end: int, last_seq: int, sync: bool) -> None:
        self.path, self.header, self.end = path, header, end
        self.written_seq = self.durable_seq = last_seq
        self._durable_end = end
        self._sync = sync
        self.trusted = True
        self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    @classmethod
    def create(cls, path: Path, run_id: str, first_seq: int, sync: bool) -> SegmentFile:
        """Create the file with its header, durably.

        Raises:
            StoreFull, StoreFailed: It could not be created.
        """
        header = Header(run_id, first_seq, secrets.randbits(64), time.time())
        atomic_write(path, _encode_header(header), sync=sync)
        return cls(path, header, HEADER_SIZE, first_seq - 1, sync)

    def write(self, frames: Sequence[bytes], last_seq: int) -> None:
        """Append whole records that end with `last_seq`.

        After an error the file ends with the last record that fitted, and `written_seq` says
        which.

        Raises:
            OSError: Not everything could be written.
        """
        first = last_seq - len(frames) + 1
        try:
            self._write_all(b"".join(frames))
        except OSError:
            reached = os.fstat(self._fd).st_size
            self._keep_whole(frames, first, reached)
            raise
        self.written_seq = last_seq

    def _keep_whole(self, frames: Sequence[bytes], first: int, reached: int) -> None:
        for number, frame in enumerate(frames):
            if self.end + len(frame) > reached:
                break
            self.end += len(frame)
            self.written_seq = first + number
        with suppress(OSError):  # what cannot be cut off is a torn tail, which readers tolerate
            os.ftruncate(self._fd, self.end)

    def _write_all(self, content: bytes) -> None:
        write_at(self._fd, content, self.end)
        self.end += len(content)

    def sync(self) -> None:
        """Force everything written to the disk, then say so with a mark.

        After an error the file is cut back to what was durable and never trusted again:
        the operating system may have dropped the data and would report success next time.

        Raises:
            OSError: It cannot be known what is on the disk.
        """
        if not self.trusted or self.written_seq == self.durable_seq:
            return
        self._force()
        self.durable_seq, self._durable_end = self.written_seq, self.end

    def mark(self) -> None:
        """Note in the file what is durable; the note itself need not be.

        Raises:
            OSError: The note could not be written; the file ends before it.
        """
        prefix = _PREFIX.pack(MARK, 0, self.durable_seq, time.time())
        start = self.end
        try:
            self._write_all(_encode_frame(prefix, b"", self.header.salt))
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, start)
            raise

    def finish(self) -> None:
        """Make the marks durable too, because another segment follows or the run ends.

        Raises:
            OSError: It cannot be known what is on the disk.
        """
        if self.trusted:
            self._force()

    def _force(self) -> None:
        if not self._sync:
            return
        try:
            sync_file(self._fd)
        except OSError:
            self.trusted = False
            with suppress(OSError):
                os.ftruncate(self._fd, self._durable_end)
            raise

    def close(self) -> None:
        """Close the file; network file systems may report late errors here.

        Raises:
            OSError: The file system could not store what was written.
        """
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


def decode_or_corrupt(frame: Frame, path: Path) -> Record:
    """Decode a record whose checksum is right.

    Raises:
        JournalCorrupt: It is not a record all the same (written by a faulty program).
    """
    try:
        return frame.record()
    except DamagedFile as error:
        raise corrupt(path, frame.offset, frame.seq - 1, str(error)) from error
