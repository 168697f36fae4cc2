"""When to try a request again. Pure: it is told what happened and when, and says when to go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from querist.service.client.call import Call, Reply

PASSING = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Retries:
    """How failed requests are tried again.

    Attributes:
        tries: Of one request, the first included.
        first, most: Seconds before the second try, and the longest pause; each is twice the one
            before, shortened at random by up to half so that many clients do not come back at once.
        lasting: Tries to take up a stream that was there before: whoever follows a long job waits
            for a service that starts again, about a minute by default.
    """

    tries: int = 5
    first: float = 0.25
    most: float = 10.0
    lasting: int = 15

    def pause(self, tried: int, chance: float) -> float:
        """Seconds to wait after ``tried`` tries; ``chance`` is uniform in [0, 1)."""
        return float(min(self.most, self.first * 2 ** (tried - 1)) * (1 - chance / 2))


def passes(reply: Reply) -> bool:
    """Whether the same may go well later: the service is away, busy, or at this very request."""
    if reply.status == 409:  # a lost try is still being done; its answer will be there
        return asked_to_wait(reply) > 0
    return reply.status in PASSING


def may_repeat(call: Call[object]) -> bool:
    """Whether a second arrival at the service does no harm."""
    return call.method in ("GET", "DELETE") or bool(call.once)


@dataclass
class Attempts:
    """The tries of one request.

    Attributes:
        call: The request.
        retries: How often and when.
        deadline: Instant of the caller's clock at which all is over; None: never.
        tried: Tries so far.
    """

    call: Call[object]
    retries: Retries
    deadline: float | None = None
    tried: int = 0

    def left(self, now: float, timeout: float) -> float:
        """Seconds that the next try may take."""
        return timeout if self.deadline is None else min(timeout, self.deadline - now)

    def wait(self, reply: Reply | None, now: float, chance: float) -> float | None:
        """After a try that gave ``reply``, or none: seconds until the next; None: there is none."""
        self.tried += 1
        if reply is not None and not passes(reply):
            return None
        if self.tried >= self.retries.tries or not may_repeat(self.call):
            return None
        pause = max(self.retries.pause(self.tried, chance), asked_to_wait(reply))
        too_late = self.deadline is not None and now + pause >= self.deadline
        return None if too_late or pause > LONGEST else pause

    def is_gone(self, reply: Reply) -> bool:
        """Whether a repeated DELETE finds nothing because the lost first one did its work."""
        return self.call.method == "DELETE" and reply.status == 404 and self.tried > 1


LONGEST = 60.0
"""Seconds; who asks a client to wait longer than this is not waited for."""


def asked_to_wait(reply: Reply | None) -> float:
    """The seconds of Retry-After, which may be a number or a date; 0 without."""
    said = "" if reply is None else reply.headers.get("retry-after", "")
    if said.isdigit():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0
