"""Appends until the disk is full: fill_disk.py FOLDER FILE_SIZE_LIMIT (0: none).

Prints the last durable record, the type of the error, whether `append` then raises it, and the
error's sentence, on a line each.
"""

from __future__ import annotations

import resource
import sys

import numpy as np

from querist.store import JournalWriter, StoreError

if __name__ == "__main__":
    folder, limit = sys.argv[1], int(sys.argv[2])
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    writer = JournalWriter(folder, "r")
    told: list[StoreError] = []
    writer._on_failed = told.append
    try:
        while True:
            seq = writer.last_seq + 1
            writer.append("fact", {"number": seq}, {"x": np.full(100, seq)})
            if seq % 7 == 0:
                writer.flush()
    except StoreError as error:
        print(writer.durable_seq, type(error).__name__, error is writer.failed is told[0])
        print(error)
