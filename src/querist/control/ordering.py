"""Candidates in the order of a query strategy: when an order is due, and what is asked by it.

A strategy needs models and arrays, so it runs as a task ("select") in a trainer's worker. Control
sends it what waits and follows the order that comes back. Until there is a newer one, the old one
is followed, even when a model has been published since. Where an order is at its end and the next
one does not come in time, workers get the most uncertain candidates instead of nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from querist.control.desk import Desk
from querist.control.plan import OrderRule
from querist.control.queue import Candidate, CandidateQueue
from querist.control.state import CampaignState
from querist.core.answers import question_id

# Explorers may be waiting for answers themselves: more than so long nobody waits for company.
GATHER_SECONDS = 2.0
ATTEMPTS = 3


class Ordering:
    """Follows the orders of a strategy, oracle by oracle.

    Args:
        state: The campaign's state, which holds the orders.
        desk: For the time, and to be woken.
        rule: How it orders.
        queues: What waits, by oracle.
    """

    def __init__(
        self,
        state: CampaignState,
        desk: Desk,
        rule: OrderRule,
        queues: Mapping[str, CandidateQueue],
    ) -> None:
        self.state, self.desk, self.rule, self.queues = state, desk, rule, queues
        self._lines = {name: deque(state.picks(name)) for name in queues}
        self._starving: dict[str, float] = {}
        self._gathering: dict[str, float] = {}
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._failures = 0
        self._failed_version = -1

    # -------------------------------------------------------------------------------- following

    def next(self, oracle: str) -> Candidate | None:
        """What is asked next of an oracle; None while an order is waited for."""
        queue, line = self.queues[oracle], self._lines[oracle]
        while line:
            sample = line.popleft()
            candidate = queue.remove(sample)
            if candidate is not None:
                self._starving.pop(oracle, None)
                return candidate._replace(why=self.state.picks(oracle)[sample].strategy)
        if not queue:
            self._starving.pop(oracle, None)
            return None
        return queue.pop() if self._is_starved(oracle) else None

    def _is_starved(self, oracle: str) -> bool:
        if self._has_given_up:
            return True
        since = self._starving.setdefault(oracle, self.desk.now)
        if self.rule.wait is None:
            return False
        until = since + self.rule.wait
        if self.desk.now < until:
            self.desk.wake_at(until)
            return False
        return True

    @property
    def _has_given_up(self) -> bool:
        """Whether the strategy failed again and again with this model."""
        is_this = self._failed_version == self.state.model.version
        return is_this and self._failures >= ATTEMPTS

    # --------------------------------------------------------------------------------- when due

    def due(self, oracle: str, low: int, *, exhausted: bool) -> bool:
        """Whether a strategy should look at what waits for an oracle.

        Args:
            oracle: Its name.
            low: An order with fewer picks left is to be renewed; at least 1.
            exhausted: Whether nothing more will come to be looked at.
        """
        queue = self.queues[oracle]
        if not queue or not self.state.model.version or self._has_given_up:
            return False
        if self._seen.get(oracle) == self._sight(oracle) or not self._is_over(oracle, low):
            return False
        if len(queue) >= self.rule.least or exhausted:
            return True
        until = self._gathering.setdefault(oracle, self.desk.now) + GATHER_SECONDS
        if self.desk.now < until:
            self.desk.wake_at(until)
        return self.desk.now >= until

    def _is_over(self, oracle: str, low: int) -> bool:
        """Whether the order there is, is at its end or of an older model."""
        order = self.state.orders.get(oracle)
        if order is None:
            return True
        left = sum(sample in self.queues[oracle] for sample in self._lines[oracle])
        if self.rule.rounds:
            asked = (question_id(sample, oracle) in self.state.open for sample in order.asked)
            return not left and not any(asked)
        return left < low or order.version != self.state.model.version

    def _sight(self, oracle: str) -> tuple[int, int, int]:
        """Changes when there may be something else to be picked."""
        return self.state.model.version, self.queues[oracle].pushed, self.state.asked

    # ---------------------------------------------------------------------------------- results

    def made(self, oracle: str) -> None:
        """An order was made and folded."""
        self._lines[oracle] = deque(self.state.picks(oracle))
        self._seen[oracle] = self._sight(oracle)
        self._starving.pop(oracle, None)
        self._gathering.pop(oracle, None)
        self._failures = 0

    def failed(self, message: str) -> str | None:
        """A strategy failed.

        Returns:
            Why the campaign cannot go on: it failed every time and never gave an order.
        """
        version = self.state.model.version
        self._failures = self._failures + 1 if self._failed_version == version else 1
        self._failed_version = version
        if self._failures < ATTEMPTS:
            return None
        if not self.state.selections:
            return f"the strategy failed {ATTEMPTS} times: {message}"
        self.desk.say(
            "warning",
            f"the strategy failed {ATTEMPTS} times with model {version}; until there is another "
            f"one the most uncertain candidates are asked: {message}",
        )
        return None
