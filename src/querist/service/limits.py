"""Requests a minute, by tenant or address: pure, the time is an argument."""

from __future__ import annotations

from collections import OrderedDict


class Bucket:
    """A token bucket: so many requests a minute, and a burst of a quarter of them at once.

    Args:
        per_minute: The rate.
        now: Seconds, of any clock that only goes forward.
    """

    __slots__ = ("_at", "_tokens", "per_minute")

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute = per_minute
        self._tokens, self._at = self.burst, now

    @property
    def burst(self) -> float:
        """What may come at once after a pause."""
        return max(1.0, self.per_minute / 4)

    def take(self, now: float) -> float:
        """Take one; 0, or the seconds until there is one."""
        rate = self.per_minute / 60
        self._tokens = min(self.burst, self._tokens + (now - self._at) * rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / rate


class Limiter:
    """A bucket for each name, of those seen last. Not for several threads.

    Args:
        most: Names that are remembered.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._most = most

    def take(self, name: str, per_minute: int, now: float) -> float:
        """Take one of a name's; 0, or the seconds until there is one."""
        bucket = self._buckets.get(name)
        if bucket is None or bucket.per_minute != per_minute:
            bucket = self._buckets[name] = Bucket(per_minute, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        return bucket.take(now)
