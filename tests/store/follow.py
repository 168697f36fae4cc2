"""Follows a journal until its record "end": follow.py FOLDER. Prints seq numbers and their sum."""

from __future__ import annotations

import sys
import time

from querist.store import JournalReader

if __name__ == "__main__":
    reader, passes, total, ended = JournalReader(sys.argv[1]), 0, 0.0, False
    while not ended:
        passes += 1
        for record in reader.read_new():
            total += float(record.arrays["x"].sum()) if record.arrays else 0.0
            ended = record.kind == "end"
        time.sleep(0.001)
    print(reader.last_seq, total, passes)
