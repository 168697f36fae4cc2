"""Workers that change their role while a campaign runs: what is asked for, and what may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import count
from typing import Any

from querist.control.desk import Desk
from querist.control.exploring import Exploring
from querist.control.workers import Workers

EXPLORERS = "explorers"


class Staffing:
    """Moves workers between pools, never the last one of a role.

    A role is the name of a pool, or "explorers" for the pools of all of them.

    Args:
        desk: Where commands go.
        workers: Shared count of workers.
        exploring: Whose explorers come and go.
    """

    def __init__(self, desk: Desk, workers: Workers, exploring: Exploring) -> None:
        self.desk, self.workers, self.exploring = desk, workers, exploring
        self._least: dict[str, int] = {}
        self._leaving: Counter[str] = Counter()
        self._coming: Counter[str] = Counter()

    def expect(self, header: Mapping[str, Any]) -> None:
        """What a run's start says: pools without workers, and how many a role keeps at least."""
        self.workers.expect(dict.fromkeys(header.get("spare", ()), 0))
        self._least = dict(header.get("least", {}))

    def move(self, data: Mapping[str, Any], is_early: bool) -> int:
        """Let a worker of ``source`` serve ``target``, or say why not; number of the record.

        Args:
            data: With ``source``, ``target`` and ``why``.
            is_early: Whether there is still something to gain.
        """
        source, target = self._from(data["source"]), self._to(data["target"])
        problem = self._problem(data, source, target) if is_early else "the campaign is ending"
        told = {"source": source, "target": target, "why": data["why"]}
        if problem is not None:
            self.desk.say("info", f"no worker moves to {data['target']}: {problem}")
            return self.desk.record("worker.stays", {**told, "problem": problem})[0]
        self._leaving[source] += 1
        self._coming[target] += 1
        self.desk.move(source, target)
        if data["source"] == EXPLORERS:
            self.exploring.retire(self.exploring.living[-1])
        self.desk.say("info", f"a worker moves from {source} to {target}: {data['why']}")
        return self.desk.record("worker.moves", told)[0]

    def left(self, worker: str, target: str) -> None:
        """A worker has left its pool for another."""
        source = self.workers.move(worker, target)
        self._leaving[source] -= 1
        self._coming[target] -= 1
        self.exploring.moved(source)
        self.desk.record("worker.left", {"worker": worker, "pool": source, "target": target})

    def _problem(self, data: Mapping[str, Any], source: str, target: str) -> str | None:
        for role, pool in ((data["source"], source), (data["target"], target)):
            if pool not in self.workers.pools:
                return f"there is no pool for {role!r} that a worker could leave or join"
        if source == target or data["source"] == data["target"]:
            return f"it is there already ({source})"
        role = data["source"]
        is_exploring = role == EXPLORERS
        left = len(self.exploring.living) if is_exploring else self.workers.expected(source)
        least = max(1, self._least.get(role, 1))
        if left - (0 if is_exploring else self._leaving[source]) <= least:
            return f"{role} would have fewer than {least}"
        return None

    def _from(self, role: str) -> str:
        """The pool that loses a worker: of explorers, the one that came last."""
        living = self.exploring.living
        return living[-1].pool if role == EXPLORERS and living else role

    def _to(self, role: str) -> str:
        """The pool that gets one: of explorers, the first whose worker is away, or a new one."""
        if role != EXPLORERS:
            return role
        taken = {slot.pool for slot in self.exploring.slots if not slot.away}
        pools = (f"explorer.{number}" for number in count())
        return next(
            pool
            for pool in pools
            if not (pool in taken or self._coming[pool] or self.workers.expected(pool))
        )
