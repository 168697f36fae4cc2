"""The contract of workers that talk to each other: a *party*, past the controller.

An engine that can join workers gives each worker of a pool with ``PoolSpec.party`` a link in
``WorkerContext.link``. Their handlers may have a method ``serve``, which is called while there is
no task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from querist.core.roles import TaskContext

Buffer = bytes | bytearray | memoryview


class Link(Protocol):
    """Messages between the workers of one party, ordered by pair. For one thread.

    Attributes:
        peers: The workers that are there and their lives, which grow by one with each replacement;
            another object whenever that changes.
    """

    peers: Mapping[str, int]

    def send(self, to: str, data: Buffer) -> None:
        """Send bytes of any size; who is not there gets nothing."""

    def receive(self, seconds: float) -> Sequence[tuple[str, Buffer]]:
        """Sender and message of all that is there, waiting up to ``seconds`` for the first."""


@runtime_checkable
class SupportsServe(Protocol):
    """A handler that works for its party while it has no task."""

    def serve(self, context: TaskContext) -> None:
        """Return soon after ``context.should_stop()`` turned true: a task came, or the end."""
