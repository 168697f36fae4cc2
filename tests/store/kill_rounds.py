"""Kills a writer of one journal again and again: kill_rounds.py FOLDER ROUNDS SEED [SEGMENT_BYTES].

Each round forks a process that appends as fast as it can and reports what is durable through a
pipe, kills it with signal 9 at a random moment after some reports, and prints "DURABLE READ":
the highest record reported durable and the last record that can be read. The content of all
records is checked.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import sys
import time

import numpy as np

from querist.store import JournalWriter, read_journal


def content(seq: int) -> tuple[dict, dict]:
    generator = np.random.default_rng(seq)
    size = int(generator.integers(0, 400))
    return {"number": seq}, {"x": generator.random(size), "n": np.array(seq)}


def write_for_ever(folder: str, pipe: int, segment_bytes: int) -> None:
    def report(seq: int) -> None:
        os.write(pipe, struct.pack("<Q", seq))

    writer = JournalWriter(folder, "r", on_durable=report, segment_bytes=segment_bytes)
    report(writer.last_seq)
    while True:
        writer.append("fact", *content(writer.last_seq + 1))
        if writer.last_seq % 50 == 0:
            writer.flush()


def kill_once(folder: str, reports: int, wait_s: float, segment_bytes: int) -> int:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            write_for_ever(folder, writing, segment_bytes)
        finally:  # a child that fails must not go on as a second parent
            os._exit(1)
    os.close(writing)
    reported = b"".join(os.read(reading, 8) for _ in range(reports))
    time.sleep(wait_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise SystemExit("the writer ended by itself")
    with os.fdopen(reading, "rb") as pipe:
        reported += pipe.read()
    whole = len(reported) // 8
    return max(struct.unpack(f"<{whole}Q", reported[: whole * 8]), default=0)


def check(folder: str, after: int) -> int:
    """The last record that can be read; those behind `after` are compared with what was written."""
    count = after
    for record in read_journal(folder, after=after):
        count += 1
        data, arrays = content(count)
        same = all(np.array_equal(record.arrays[name], arrays[name]) for name in arrays)
        if (record.seq, record.data) != (count, data) or not same:
            raise SystemExit(f"record {count} is not what was written")
    return count


def main(folder: str, rounds: int, seed: int, segment_bytes: int = 2**20) -> None:
    chance, last = random.Random(seed), 0
    for _ in range(rounds):
        # A third of the kills hits the opening, the others come after some durable groups.
        reports = chance.choice((0, 2, 5))
        durable = kill_once(folder, reports, chance.uniform(0.0, 0.01), segment_bytes)
        last = check(folder, after=last)
        print(durable, last, flush=True)
    if check(folder, after=0) != last:
        raise SystemExit("earlier records have changed")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
