"""The queue against a naive one: a list that is sorted whenever it is looked at."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from querist.control.queue import Candidate, CandidateQueue
from querist.core.batch import Sample

keys = st.integers(0, 12)
priorities = st.sampled_from([0.0, 1.0, 1.0, 2.5, float("inf"), -1.0])


def candidate(key: int, score: float = 0.0) -> Candidate:
    return Candidate(Sample({}, None, str(key)), score, "uncertain")


class QueueMachine(RuleBasedStateMachine):
    @initialize(limit=st.integers(1, 8))
    def begin(self, limit: int) -> None:
        self.queue, self.limit, self.clock = CandidateQueue(limit), limit, 0
        self.naive: dict[str, tuple[float, int, Candidate]] = {}

    def in_order(self) -> list[tuple[float, int, Candidate]]:
        return sorted(self.naive.values(), key=lambda entry: (-entry[0], entry[1]))

    @rule(key=keys, priority=priorities)
    def push(self, key: int, priority: float) -> None:
        new = candidate(key)
        self.clock += 1
        self.naive[str(key)] = (priority, self.clock, new)
        evicted = None
        if len(self.naive) > self.limit:
            evicted = self.in_order()[-1][2]  # the worst, and the newest among the worst
            del self.naive[evicted.sample.id]
        assert self.queue.push(new, priority) is evicted

    @rule()
    def pop(self) -> None:
        best = self.in_order()[0][2] if self.naive else None
        assert self.queue.pop() is best
        if best is not None:
            del self.naive[best.sample.id]

    @rule(key=keys)
    def remove(self, key: int) -> None:
        entry = self.naive.pop(str(key), None)
        assert self.queue.remove(str(key)) is (None if entry is None else entry[2])

    @invariant()
    def same(self) -> None:
        if hasattr(self, "queue"):
            assert [(p, c) for p, c in self.queue] == [(p, c) for p, _, c in self.in_order()]
            assert len(self.queue) == len(self.naive)
            assert all((str(k) in self.queue) == (str(k) in self.naive) for k in range(13))


TestQueue = QueueMachine.TestCase


def test_dead_entries_do_not_pile_up() -> None:
    queue = CandidateQueue(10)
    for number in range(5000):
        queue.push(candidate(number % 5), float(np.sin(number)))
    assert len(queue) == 5
    assert max(len(queue._best), len(queue._worst)) < 100
