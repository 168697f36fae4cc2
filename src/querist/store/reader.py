"""Reading a journal, also while another process on another host writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from querist.store.codec import Record
from querist.store.errors import JournalCorrupt, JournalRewound, WrongRun
from querist.store.segments import (
    HEADER_SIZE,
    RECORD,
    Frame,
    Header,
    Scanner,
    corrupt,
    decode_or_corrupt,
    durable_after,
    missing,
    read_header,
    segment_numbers,
    segment_path,
)

_BUFFER = 2**20
_CHECKED = 24  # first bytes of the last payload, compared to see that it is still there


class JournalReader:
    """Reads the records of a journal in order.

    Files are opened afresh for every pass and read with plain reads, which is what network
    file systems keep consistent; nothing is locked and nothing is written. Bytes at the very
    end that are not yet a good record are left for the next pass. Not for several threads.

    Args:
        folder: Of the segments; it may still be empty or missing.
        after: Only records with a higher seq are given.
    """

    def __init__(self, folder: Path | str, *, after: int = 0) -> None:
        self.folder = Path(folder)
        self._after = after
        self._number = 0
        self._offset = HEADER_SIZE
        self._seq = 0
        self._durable = 0
        self._last: tuple[int, bytes] | None = None
        self._header: Header | None = None
        self._leftover = 0

    @property
    def run_id(self) -> str | None:
        """The run's id, once a segment has been read."""
        return self._header.run_id if self._header else None

    @property
    def last_seq(self) -> int:
        """The last record that was read (given, or passed over because of `after`)."""
        return self._seq

    @property
    def durable_seq(self) -> int:
        """What the writer had declared durable in the bytes read so far."""
        return self._durable

    @property
    def leftover_bytes(self) -> int:
        """Bytes at the end that were not a whole record in the last pass."""
        return self._leftover

    def __iter__(self) -> Iterator[Record]:
        """All records from `after` on, in a pass of its own."""
        return JournalReader(self.folder, after=self._after).read_new()

    def read_new(self) -> Iterator[Record]:
        """Records that no earlier call has given.

        Stopping early is fine: the next call goes on behind the last record given.

        Raises:
            JournalCorrupt: What had been durable is damaged; raised after all records before
                the damage have been given.
            JournalRewound: The journal was cut back behind what was already given.
            IncompatibleFormat: A segment was written in another format version.
        """
        numbers = segment_numbers(self.folder)
        if not numbers:
            return
        if self._number == 0:
            self._number = self._find_start(numbers)
        while True:
            is_last = self._number >= numbers[-1]
            yield from self._read_segment(segment_path(self.folder, self._number), is_last)
            if is_last:
                return
            self._number, self._offset, self._last = self._number + 1, HEADER_SIZE, None

    def _find_start(self, numbers: list[int]) -> int:
        for number in reversed(numbers if self._after else numbers[:1]):
            path = segment_path(self.folder, number)
            with path.open("rb", buffering=0) as file:
                header = read_header(file, path)
            if header is not None and header.first_seq <= self._after + 1:
                self._seq = header.first_seq - 1
                return number
        return 1

    def _read_segment(self, path: Path, is_last: bool) -> Iterator[Record]:
        with self._open(path) as file:
            header = read_header(file, path)
            if header is None:
                if not is_last:
                    raise corrupt(path, 0, self._seq, "it is cut off within its header")
                self._require_nothing_given(path)
                return
            self._check_header(header, path)
            self._check_last(file, path)
            scanner = Scanner(file, header.salt, self._offset)
            for frame in scanner:
                record = self._advance(frame, path)
                if record is not None:
                    yield record
            self._leftover = scanner.leftover
            if self._leftover:
                self._judge_leftover(file, header, path, is_last)

    def _open(self, path: Path) -> BinaryIO:
        try:
            return path.open("rb", buffering=_BUFFER)
        except FileNotFoundError as error:
            if self._last is not None:
                raise self._rewound(path) from error
            raise missing(self.folder, self._number, self._seq) from error

    def _advance(self, frame: Frame, path: Path) -> Record | None:
        if frame.marker != RECORD:
            self._durable = max(self._durable, frame.seq)
            self._offset = frame.end
            return None
        if frame.seq != self._seq + 1:
            what = f"record {self._seq + 1} is missing; record {frame.seq} stands there"
            raise corrupt(path, frame.offset, self._seq, what)
        record = decode_or_corrupt(frame, path) if frame.seq > self._after else None
        self._seq, self._offset = frame.seq, frame.end
        self._last = (frame.offset, frame.payload[:_CHECKED])
        return record

    def _judge_leftover(self, file: BinaryIO, header: Header, path: Path, is_last: bool) -> None:
        if not is_last:
            raise corrupt(path, self._offset, self._seq, "a record is unreadable")
        if durable_after(file, self._offset, header.salt) <= self._seq:
            return
        # The writer may have gone on between the two looks: then the record is whole by now, and
        # the next pass gives it. A file opened afresh, for this one's buffer may be older.
        with self._open(path) as again:
            if next(iter(Scanner(again, header.salt, self._offset)), None) is None:
                raise corrupt(path, self._offset, self._seq, "a record is unreadable")

    # -- is this still the journal that was read before? --------------------------------------

    def _check_header(self, header: Header, path: Path) -> None:
        if self._header is None:
            if self._number == 1:
                self._seq = header.first_seq - 1
        elif header.run_id != self._header.run_id:
            raise WrongRun(
                f"{path} belongs to run {header.run_id!r}, the segments before it to "
                f"{self._header.run_id!r}. Restore the right file from a backup."
            )
        if self._offset == HEADER_SIZE and header.first_seq != self._seq + 1:
            what = f"it begins with record {header.first_seq} instead of {self._seq + 1}"
            raise corrupt(path, 0, self._seq, what)
        self._header = header

    def _check_last(self, file: BinaryIO, path: Path) -> None:
        if self._last is None:
            return
        offset, expected = self._last
        file.seek(offset + 8)
        if file.read(len(expected)) != expected:
            raise self._rewound(path)

    def _require_nothing_given(self, path: Path) -> None:
        if self._last is not None:
            raise self._rewound(path)

    def _rewound(self, path: Path) -> JournalRewound:
        return JournalRewound(
            f"{path} no longer holds record {self._seq}, which was read from it before: the "
            "journal was cut back or replaced. Read it again with a new JournalReader."
        )


def read_journal(folder: Path | str, *, after: int = 0) -> Iterator[Record]:
    """All records of a journal with a seq above `after`.

    Raises:
        JournalCorrupt: See `JournalReader.read_new`.
    """
    return JournalReader(folder, after=after).read_new()


def first_damage(folder: Path | str) -> tuple[int, JournalCorrupt | None]:
    """Read a whole journal; the last good record, and the damage behind it, if any."""
    reader = JournalReader(folder)
    try:
        for _ in reader.read_new():
            pass
    except JournalCorrupt as error:
        return reader.last_seq, error
    return reader.last_seq, None
