"""Posts to an inbox and puts to an outbox until killed: post_rounds.py INBOX OUTBOX.

Prints the number of each pair once both are durable.
"""

from __future__ import annotations

import itertools
import sys

import numpy as np

from querist.store import Inbox, Outbox

if __name__ == "__main__":
    inbox, outbox = Inbox(sys.argv[1]), Outbox(sys.argv[2])
    for number in itertools.count():
        inbox.post("note", {"n": number}, {"x": np.full(5000, number)})
        outbox.put(f"task/{number}", {"n": number}, {"x": np.full(5000, number)})
        print(number, flush=True)
