"""The stages of a scan, in threads with queues between them: feed, read, decode, infer.

Between stages travel blocks of items, and what they hold is bounded in bytes. Files of this machine
are read by the threads that decode them; remote items by threads of their own, as many as their
source is made for, each taking one item at a time from whatever block is next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, cycle, repeat
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from querist.models.backends.cuda import is_gpu
from querist.pool.query_listing import part_rows
from querist.pool.query_state import Range
from querist.pool.scan.decoding import Decoder, Made, Wanted, refusal
from querist.pool.scan.inferring import infer
from querist.pool.scan.memory import Held
from querist.pool.scan.place import Place
from querist.pool.scan.work import Block, Chunk
from querist.sources.source import SourceError
from querist.sources.uris import scheme_of

TRIED = (16, 32, 64, 128, 256)
"""Sizes of batches that are tried where none is known."""

TRIED_ON_GPU = (64, 128, 256, 512, 1024)
"""There a call costs as much as hundreds of small items."""

_LARGE = 64  # items of a batch in which nothing but the items counts any more
_FIRST = 4  # items of the first batch of those, which may compile, and shows how slow the model is

_NEAR = ("file", "data", "")  # schemes that are read where they are decoded
_UNKNOWN = 1 << 16  # bytes of an item whose size nobody told


class Stages:
    """The threads of one worker; chunks go in, and are done some time later.

    Args:
        place: What they work with.
    """

    def __init__(self, place: Place) -> None:
        scan = place.settings.scan
        self._place = place
        self.held = Held(scan.memory_mb << 20)
        self._wanted = {part: place.wanted(part) for part in place.needs.scanned}
        self._rows = {part: part_rows(place.run.path, part) for part in self._wanted}
        self._feed: SimpleQueue[tuple[Chunk, int | None] | None] = SimpleQueue()
        self._reads: SimpleQueue[tuple[Block, int] | None] = SimpleQueue()
        self._decodes: SimpleQueue[Block | None] = SimpleQueue()
        self._infers: SimpleQueue[Block | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._readers = 0
        self._item_bytes = place.transform.item_bytes
        self._closed = False
        self._tried = TRIED_ON_GPU if is_gpu(place.device) else TRIED
        self._decoders = place.decoders()
        self._needed, self._ready = threading.Event(), threading.Event()  # decoders
        self._start(self._feeding)
        for decoder in self._decoders.lasting:
            self._start(partial(self._decoding, decoder), "decoding")
        for decoder in self._decoders.first:
            self._start(partial(self._decoding_first, decoder), "decoding_first")
        self._start(self._inferring)

    def submit(self, rows: Range, batch: int | None) -> Chunk:
        """Begin with a chunk.

        Args:
            rows: Which.
            batch: Items in a call of the model; None tries several sizes.
        """
        numbers = np.array(self._rows[rows.part][rows.start : rows.stop])
        chunk = Chunk(rows, numbers)
        self._feed.put((chunk, batch))
        return chunk

    def close(self) -> None:
        """End all threads; reads under way are cut."""
        self._closed = True
        self.held.close()
        self._feed.put(None)
        self._infers.put(None)
        if "sources" in self._place.__dict__:
            self._place.sources.close()
        self._needed.set()
        for decoder in self._decoders.all:
            decoder.close()
            self._decodes.put(None)
        for _ in range(self._readers):
            self._reads.put(None)
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[[], None], name: str = "") -> None:
        name = name or work.__name__.strip("_")
        thread = threading.Thread(target=work, name=f"querist_{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    # -------------------------------------------------------------------------------------- feed

    def _feeding(self) -> None:
        while (told := self._feed.get()) is not None:
            chunk, batch = told
            try:
                self._cut(chunk, batch)
                chunk.end()
            # Isolation boundary: whatever it is, the chunk's task tells it.
            except Exception as error:  # noqa: BLE001
                chunk.break_off(error)

    def _cut(self, chunk: Chunk, batch: int | None) -> None:
        """Find in the caches what is there, and cut the rest into blocks."""
        began = time.perf_counter()
        place, wanted = self._place, self._wanted[chunk.rows.part]
        chunk.contents = place.pool.contents_of(chunk.numbers)
        # Where the pool never saw the model, that opens while the first items are read.
        digest = None if place.is_new else place.about.digest
        found, outputs = place.caches.outputs(digest, wanted, chunk.numbers, chunk.contents)
        if found.any():
            at = np.flatnonzero(found)
            chunk.keep(at, {name: values[at] for name, values in outputs.items()}, fresh=False)
        chunk.add("look", time.perf_counter() - began, known=int(found.sum()))
        left = np.flatnonzero(~found)
        for positions in pieces(left, batch, self._most, self._tried):
            if chunk.dropped or not self._block(chunk, positions):
                return

    def _most(self) -> int:
        """Items of a block that leave room for one in each decoder and in the model."""
        if not self._item_bytes:
            return 1 << 30
        blocks = max(3, len(self._decoders.lasting) + 1)
        return max(1, self.held.limit // (blocks * self._item_bytes))

    def _block(self, chunk: Chunk, positions: NDArray[np.int64]) -> bool:
        """Begin with a block; False once all is closed."""
        block = Block(chunk, positions)
        place, rows = self._place, chunk.numbers[positions]
        contents = chunk.contents[positions]
        there, data = place.caches.decoded(rows, contents, place.memory.take)
        if data is not None:
            self._item_bytes = self._item_bytes or data[0].nbytes
        if not there.all():
            self._add_items(block, np.flatnonzero(~there))
        block.size = len(positions) * self._item_bytes + self._raw_bytes(block)
        if not self.held.take(block.size):
            return False
        chunk.begin()
        if there.all():
            block.batch = data
            self._infers.put(block)
            return True
        block.decoded = [None] * len(positions)
        if data is not None:
            for at in np.flatnonzero(there):
                block.decoded[at] = data[at]
        self._read(block)
        return True

    def _add_items(self, block: Block, missing: NDArray[np.int64]) -> None:
        rows = block.chunk.numbers[block.positions[missing]]
        items = {item.row: item for item in self._place.pool.located(rows)}
        for at, row in zip(missing.tolist(), rows.tolist(), strict=True):
            if row in items:
                block.items[at] = items[row]
            else:
                message = "The item was forgotten since the query began."
                block.chunk.fail(int(block.positions[at]), "missing", message)

    def _raw_bytes(self, block: Block) -> int:
        return sum(
            _UNKNOWN if item.size is None else item.size
            for item in block.items.values()
            if item.data is None
        )

    # -------------------------------------------------------------------------------------- read

    def _read(self, block: Block) -> None:
        far = [at for at, item in block.items.items() if scheme_of(item.uri) not in _NEAR]
        block.near = block.items.keys() - set(far)
        if far:
            far = self._from_cache(block, far)
        if not far:
            self._to_decoders(block)
            return
        self._need_readers(block.items[far[0]].uri)
        block.left = len(far)
        for at in far:
            self._reads.put((block, at))

    def _from_cache(self, block: Block, far: list[int]) -> list[int]:
        """Take bytes of remote items that are kept; those that are not."""
        places = [(block.items[at].uri, block.items[at].version) for at in far]
        found = self._place.caches.bytes_of(places)
        for at, place, data in zip(far, places, found, strict=True):
            if data is not None and place[1]:
                block.raw[at] = data
                block.kept.add(at)
        block.chunk.add("look", 0.0, kept=len(block.kept))
        return [at for at in far if at not in block.raw]

    def _need_readers(self, uri: str) -> None:
        wanted = self._place.settings.scan.readers
        if wanted is None:
            wanted = self._place.sources.concurrency(uri)
        while self._readers < wanted:
            self._readers += 1
            self._start(self._reading)

    def _reading(self) -> None:
        while (told := self._reads.get()) is not None:
            block, at = told
            try:
                if not (block.chunk.dropped or self._closed):
                    self._fetch(block, at)
            # Isolation boundary: the chunk's task tells it.
            except Exception as error:  # noqa: BLE001
                block.chunk.break_off(error)
            finally:
                if block.came():
                    self._to_decoders(block)

    def _fetch(self, block: Block, at: int) -> None:
        item, began = block.items[at], time.perf_counter()
        try:
            data, version = self._place.sources.fetch(item.uri)
        except SourceError as error:
            self._refuse(block, at, error)
            return
        block.raw[at] = data
        block.chunk.add("read", time.perf_counter() - began, read=1, bytes=len(data))
        known = item.size is None or item.size == len(data)
        if not known or (version and item.version and version != item.version):
            block.chunk.add("read", 0.0, changed=1)
            block.items[at] = item._replace(version=version)

    def _refuse(self, block: Block, at: int, error: SourceError) -> None:
        block.chunk.fail(int(block.positions[at]), *refusal(error, block.items[at].uri))

    # ------------------------------------------------------------------------------------ decode

    def _to_decoders(self, block: Block) -> None:
        self._decodes.put(block)
        self._needed.set()

    def _decoding(self, decoder: Decoder) -> None:
        self._needed.wait()  # where all is in the caches, nothing is made ready
        if not self._closed:
            decoder.get_ready()
        self._ready.set()
        while (block := self._decodes.get()) is not None:
            self._pass(block, decoder)

    def _decoding_first(self, decoder: Decoder) -> None:
        """Until one of the others is ready."""
        while not self._ready.is_set() and (block := self._decodes.get()) is not None:
            self._pass(block, decoder)

    def _pass(self, block: Block, decoder: Decoder) -> None:
        """Through a decoder, and on."""
        try:
            if not (block.chunk.dropped or self._closed):
                self._decode(block, decoder)
                self._infers.put(block)
                return
        # Isolation boundary: the chunk's task tells it.
        except Exception as error:  # noqa: BLE001
            block.chunk.break_off(error)
        self._leave(block)

    def _decode(self, block: Block, decoder: Decoder) -> None:
        chunk, began, cpu = block.chunk, time.perf_counter(), time.thread_time()
        came = {at for at in block.raw if at not in block.kept}
        made = decoder(self._to_decode(block))
        for at, reason, message in made.failures:
            chunk.fail(int(block.positions[at]), reason, message)
        for at, digest in made.digests.items():
            chunk.read[int(block.positions[at])] = digest
        self._keep_bytes(block, made.digests, came)
        block.raw.clear()
        self._stack(block, made)
        if block.batch is not None:
            self._note_size(block)
            self._keep_decoded(block)
        block.decoded, block.items = [], {}
        chunk.add("read", 0.0, read=made.read, bytes=made.bytes, changed=made.changed)
        chunk.add("decode", time.perf_counter() - began, decoded=len(made.digests))
        chunk.add("decode-cpu", time.thread_time() - cpu)

    @staticmethod
    def _to_decode(block: Block) -> list[Wanted]:
        """Items with their bytes, as far as these are there; without those that were refused."""
        wanted = []
        for at, item in block.items.items():
            data = block.raw.get(at) if item.data is None else item.data
            if data is not None or at in block.near:
                wanted.append(Wanted(at, item.uri, item.version, data))
        return wanted

    def _stack(self, block: Block, made: Made) -> None:
        """Put what was decoded beside what was there, without those that cannot be used."""
        if len(made.places) == len(block.decoded) and isinstance(made.values, np.ndarray):
            block.batch = made.values
            return
        for at, value in zip(made.places, made.values, strict=True):
            block.decoded[at] = value
        good = [at for at, value in enumerate(block.decoded) if value is not None]
        if len(good) < len(block.decoded):
            block.positions = block.positions[good]
        if good:
            block.batch = self._place.transform.stack([block.decoded[at] for at in good])

    def _keep_bytes(self, block: Block, digests: dict[int, bytes], came: set[int]) -> None:
        """Keep the bytes of remote items that were read just now."""
        items = ((at, block.items[at]) for at in sorted(came & digests.keys()))
        told = [
            ((item.uri, item.version), digests[at], block.raw[at])
            for at, item in items
            if item.version
        ]
        if told:
            self._place.caches.keep_bytes(told)

    def _note_size(self, block: Block) -> None:
        size = sum(len(text) for text in block.batch) if isinstance(block.batch, list) else 0
        size = size or block.batch.nbytes
        self._item_bytes = max(self._item_bytes, size // len(block.batch))
        self.held.give(block.size - size)
        block.size = size

    def _keep_decoded(self, block: Block) -> None:
        if isinstance(block.batch, list) or not self._place.caches.uses("decoded"):
            return
        chunk = block.chunk
        digests = [chunk.read.get(int(at)) for at in block.positions]
        new = [at for at, digest in enumerate(digests) if digest is not None]
        keys = np.frombuffer(b"".join(digests[at] or b"" for at in new), np.uint8)
        rows = chunk.numbers[block.positions[new]]
        data = block.batch if len(new) == len(block.batch) else block.batch[new]
        self._place.caches.keep_decoded(rows, keys.reshape(-1, 16), data)

    # ------------------------------------------------------------------------------------- infer

    def _inferring(self) -> None:
        while (block := self._infers.get()) is not None:
            try:
                if not (block.chunk.dropped or self._closed) and block.batch is not None:
                    self._infer(block)
            # Isolation boundary: the chunk's task tells it.
            except Exception as error:  # noqa: BLE001
                block.chunk.break_off(error)
            self._leave(block)

    def _infer(self, block: Block) -> None:
        model, chunk = self._place.model, block.chunk
        began, cpu = time.perf_counter(), time.process_time()
        found = infer(model, block.batch, self._wanted[chunk.rows.part])
        seconds = time.perf_counter() - began
        for at, message in found.failed:
            chunk.fail(int(block.positions[at]), "model", message)
        chunk.keep(block.positions[found.good], found.outputs, fresh=True)
        chunk.timings.append((len(block.positions), seconds))
        chunk.add("infer", seconds, inferred=len(found.good))
        chunk.add("infer-process-cpu", time.process_time() - cpu)

    def _leave(self, block: Block) -> None:
        self.held.give(block.size)
        block.batch = None
        block.chunk.end()


def pieces(
    positions: NDArray[np.int64],
    batch: int | None,
    most: Callable[[], int],
    tried: Sequence[int] = TRIED,
) -> Iterator[NDArray[np.int64]]:
    """Positions in pieces of a batch each; of the sizes that are tried, where none is known."""
    sizes = repeat(batch) if batch else chain((_FIRST,), cycle(tried))
    at = 0
    for wanted in sizes:
        if at >= len(positions):
            return
        size = min(wanted, most())
        yield positions[at : at + size]
        at += size


def best_batch(timings: list[tuple[int, float]]) -> int | None:
    """The smallest of the tried sizes whose rate comes near the best; None if nothing was tried.

    Small batches are short, so that on a busy machine one of them looks quick by chance: they are
    taken only where the large ones are far slower.
    """
    rates: dict[int, float] = {}
    for count, seconds in timings[1:]:  # the first call may have compiled
        if count in (*TRIED, *TRIED_ON_GPU) and seconds > 0:
            rates[count] = max(rates.get(count, 0.0), count / seconds)
    if not rates:
        return None
    large = {size: rate for size, rate in rates.items() if size >= _LARGE}
    if large and max(large.values()) > 0.8 * max(rates.values()):
        rates = large
    best = max(rates.values())
    return min(size for size, rate in rates.items() if rate > 0.97 * best)
