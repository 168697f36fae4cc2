"""Generators on a rank of their own: each proposes, waits for its reply, observes, again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from querist.campaign.handlers.board import Board, Kind, Meter, failure, rare, value_of
from querist.campaign.handlers.contracts import proposed
from querist.campaign.handlers.keeping import Keeper, initial
from querist.campaign.handlers.records import Buffer, dump_proposal, read_reply
from querist.campaign.handlers.split import Split
from querist.core.errors import RunError
from querist.core.prediction import Feedback, Proposal
from querist.core.roles import TaskContext, WorkerContext
from querist.core.tasks import Factory, Task

_GLANCE = 0.02  # seconds of waiting for messages before the engine gets its turn


class Generating:
    """Serves the lead of an explorer with the generators of this rank; runs no tasks.

    Args:
        generators: Make the generators, by rank of the explorer's generators.
        states: Names under which their states are kept, likewise.
        split: The explorer.
    """

    def __init__(
        self,
        generators: Sequence[Sequence[Factory]],
        states: Sequence[Sequence[str]],
        split: Split,
    ) -> None:
        self._all, self._states, self._split = generators, states, split

    def open(self, context: WorkerContext) -> None:
        """Make this rank's generators; they continue where they were last saved."""
        index = context.index
        count = len(self._all[index])
        self._keeper = Keeper(self._all[index], self._states[index], context)
        self._proposed: list[Proposal | None] = [None] * count
        self._late: list[list[Feedback]] = [[] for _ in range(count)]
        self._lead_life: int | None = None
        self._meter = Meter()
        self._board = board = Board(context)
        board.on(Kind.REPLY, self._on_reply)
        board.on(Kind.WAKE, self._on_wake)
        board.on(Kind.TELL, self._on_tell)
        board.on(Kind.INITIAL, self._on_initial)
        board.on_change(self._greet)

    def close(self) -> None:
        """Save the generators and close them."""
        self._keeper.close(range(len(self._proposed)))

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """Nobody sends tasks here."""
        raise RunError(f"{context.worker.name!r} serves its explorer and runs no tasks.")

    def serve(self, context: TaskContext) -> None:
        """Answer the lead until there is something else to do."""
        while not context.should_stop():
            self._board.poll(_GLANCE)

    def _greet(self) -> None:
        """Tell a lead that is new to us that we are here."""
        life = self._board.life(self._split.lead)
        if life is not None and life != self._lead_life:
            self._send(rare(Kind.HELLO, len(self._proposed)))
        self._lead_life = life

    def _send(self, data: Buffer) -> None:
        self._board.link.send(self._split.lead, data)

    # ------------------------------------------------------------------------- what lead says

    def _on_reply(self, sender: str, data: Buffer) -> None:
        local = int.from_bytes(data[2:4], "little")
        proposed = self._proposed[local]
        if proposed is None:  # a reply to a life that has ended
            return
        self._proposed[local] = None
        self._meter.begin()
        try:
            self._keeper.generators[local].observe(read_reply(data, proposed.walkers)[1])
            self._observe_late(local)
            self._keeper.checkpoint(local)
            self._propose(local)
        except Exception as error:  # noqa: BLE001 - raised again in the explorer's slice
            self._say(local, error)

    def _on_wake(self, sender: str, data: Buffer) -> None:
        local, _ = value_of(data)
        self._meter.begin()
        try:
            self._observe_late(local)
            self._propose(local)
        except Exception as error:  # noqa: BLE001 - raised again in the explorer's slice
            self._say(local, error)

    def _on_tell(self, sender: str, data: Buffer) -> None:
        local, feedback = value_of(data)
        self._late[local].append(feedback)
        if self._proposed[local] is None:  # else after the reply that is on its way
            try:
                self._observe_late(local)
            except Exception as error:  # noqa: BLE001 - raised again in the explorer's slice
                self._say(local, error)

    def _on_initial(self, sender: str, data: Buffer) -> None:
        generators = self._keeper.generators
        try:
            found = [initial(generator, value_of(data)) for generator in generators]
        except Exception as error:  # noqa: BLE001 - raised again in the explorer's slice
            self._say(None, error)
            return
        exhausted = [getattr(generator, "exhausted", False) for generator in generators]
        self._send(rare(Kind.FIRST, (found, exhausted)))

    def _observe_late(self, local: int) -> None:
        late, self._late[local] = self._late[local], []
        for feedback in late:
            self._keeper.generators[local].observe(feedback)

    def _propose(self, local: int) -> None:
        generator = self._keeper.generators[local]
        proposal = proposed(generator)
        exhausted = bool(getattr(generator, "exhausted", False))
        if len(proposal.batch):
            self._proposed[local] = proposal
            meter = self._meter.end()
            self._send(dump_proposal(Kind.PROPOSAL, local, proposal, exhausted, meter))
        else:
            self._send(rare(Kind.RESTS, (local, exhausted)))

    def _say(self, local: int | None, error: Exception) -> None:
        self._send(rare(Kind.ERROR, (local, failure(error))))
