"""Part of a finite set, drawn before anything is chosen, that hold-out labels are taken from.

A strategy picks what is unusual, so what it leaves of a finite set is unlike the set, and a
hold-out drawn from that would be too. Here chance decides by each sample's id, before any model is
asked: whatever the strategy does, what is set aside is a simple random sample of the set.
"""

from __future__ import annotations

import zlib

from querist.control.queue import Candidate, CandidateQueue

_RANGE = 2**32


class Reserve:
    """Candidates of one oracle that no strategy is shown.

    Args:
        share: Of the set, from 0 to 1; that of all questions whose samples are drawn at random.
        seed: Of the draw, which it repeats after a resume.
        limit: Most candidates held.
    """

    def __init__(self, share: float, seed: int, limit: int) -> None:
        self.share, self._seed = share, seed
        self._queue = CandidateQueue(limit)
        self._is_open = share > 0.0

    def __len__(self) -> int:
        return len(self._queue)

    def __contains__(self, sample: str) -> bool:
        return sample in self._queue

    def takes(self, candidate: Candidate) -> bool:
        """Whether a candidate is set aside. Those before the first model are random anyway."""
        if not (self._is_open and candidate.version):
            return False
        drawn = zlib.crc32(f"aside/{self._seed}/{candidate.sample.id}".encode())
        return drawn < self.share * _RANGE

    def push(self, candidate: Candidate) -> Candidate | None:
        """Set aside; returns the candidate that had to go, if any."""
        return self._queue.push(candidate, 0.0)

    def remove(self, sample: str) -> Candidate | None:
        """Take one out by its sample's id."""
        return self._queue.remove(sample)

    def draw(self) -> Candidate | None:
        """Take one at random."""
        return self._queue.draw(self._seed)

    def waiting(self) -> list[Candidate]:
        """All that is set aside."""
        return [candidate for _, candidate in self._queue]

    def release(self) -> list[Candidate]:
        """Give up everything, now and later: nothing else is left to choose from."""
        self._is_open = False
        found = self.waiting()
        for candidate in found:
            self._queue.remove(candidate.sample.id)
        return found
