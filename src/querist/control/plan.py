"""The fixed part of a campaign that its controller needs: counts, limits, rules."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from querist.control.gate import LimitRule
from querist.control.policy import Policy
from querist.core.answers import Failure, Reason

# An oracle may fail often where its task is hard; one that fails so long has broken.
IN_A_ROW = 5


@dataclass(frozen=True, slots=True)
class OraclePlan:
    """One oracle as the controller sees it.

    Attributes:
        name: Its name, part of every question's identity.
        batch: Questions handed over in one task.
        timeout: Seconds for one question; a task gets ``batch`` times as much. None for no limit.
        cost: Declared cost of an answer; None to learn it (seconds).
        outside: For an oracle without workers (people, other programs): how many questions may be
            open at once. 0 for an oracle with workers.
    """

    name: str
    batch: int = 1
    timeout: float | None = None
    cost: float | None = None
    outside: int = 0
    pool: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pool", f"oracle.{self.name}")


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How failed questions are tried again.

    Attributes:
        attempts: Tries in all before a question is quarantined.
        backoff: Seconds before the second try; doubles with each further one.
        give_up: End the campaign when this many questions were quarantined and none answered, or
            ``IN_A_ROW`` times as many since the last answer.
        timeouts: Whether a question that exceeded its time limit is tried again.
    """

    attempts: int = 2
    backoff: float = 0.5
    give_up: int = 10
    timeouts: bool = True

    def delay(self, attempt: int) -> float:
        """Seconds to wait after try number ``attempt`` failed."""
        return float(self.backoff * 2 ** (attempt - 1))

    def hopeless(self, failed: int, in_a_row: int) -> str | None:
        """Why asking on is of no use, if it is not.

        Args:
            failed: Questions quarantined where none was answered ever.
            in_a_row: Those since the last answer.
        """
        if failed >= self.give_up:
            return f"all of the first {failed} questions failed"
        if in_a_row >= IN_A_ROW * self.give_up:
            return f"the last {in_a_row} questions all failed"
        return None

    def late(self, limit: float, log: str) -> Failure:
        """What exceeded its limit in seconds, with the log that it left."""
        message = f"the oracle exceeded its time limit of {limit:g} s"
        return Failure(Reason.TIMEOUT, message, log, self.timeouts)


@dataclass(frozen=True, slots=True)
class OrderRule:
    """How a strategy orders what waits.

    Attributes:
        batch: How many it picks at a time.
        least: Candidates to wait for before it picks, as long as explorers find more.
        wait: Seconds that a free worker waits for an order; None for ever.
        rounds: Whether all picks of an order must be answered before the next is made.
        reserve: Share of what is proposed that the strategy is not shown, for labels that are drawn
            at random; for finite sets.
    """

    batch: int = 20
    least: int = 200
    wait: float | None = 10.0
    rounds: bool = False
    reserve: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a campaign's controller is told once.

    Attributes:
        oracles: In order; the first is the default of routing and the one for hold-out labels.
        policy: What to ask of whom, when to retrain, when to stop.
        limits: How the gate's limits follow from what explorers report.
        explorers: Number of explorers, each with its own pool ``explorer.0`` ...
        trainers: Workers in the pool ``trainer``; 0 when nothing is trained.
        members: Committee members that may be fitted apart.
        initial: Questions asked before there is any model; imported train labels stand for some.
        holdout, calibration: Share of all questions drawn at random for this purpose.
        max_queue: Most candidates that wait for each oracle.
        max_fresh: Most training questions asked beyond the last fit; None for no limit.
        slice_steps, slice_seconds: Longest piece of exploring between two messages.
        retry: How failed questions are tried again.
        final_fit: Train once more when the campaign ends with new labels.
        labels, cost: Budgets, reserved before asking.
        seconds: Longest campaign time; downtime between resumes does not count.
        error_metric: Hold-out metric that stands for "the error", such as "forces.mae".
        seed: Of fits and choices.
        ordering: How a query strategy orders what waits; None: by the policy's priority.
        rest: Seconds until an explorer that waits is asked again without news; infinite for never.
    """

    oracles: tuple[OraclePlan, ...]
    policy: Policy
    limits: LimitRule = field(default_factory=LimitRule)
    explorers: int = 1
    trainers: int = 1
    members: int = 1
    initial: int = 20
    holdout: float = 0.1
    calibration: float = 0.0
    max_queue: int = 1000
    max_fresh: int | None = None
    slice_steps: int = 1_000_000
    slice_seconds: float | None = 0.25
    retry: RetryRule = field(default_factory=RetryRule)
    final_fit: bool = True
    labels: float = math.inf
    cost: float = math.inf
    seconds: float | None = None
    error_metric: str = ""
    seed: int = 0
    ordering: OrderRule | None = None
    rest: float = 1.0
