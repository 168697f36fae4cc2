"""The lead's side of generators on ranks of their own: dynamic batching without a barrier."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from querist.campaign.handlers.board import Board, Kind, Messages, raised, rare, value_of
from querist.campaign.handlers.keeping import NOBODY
from querist.campaign.handlers.records import (
    Arrived,
    Buffer,
    Replies,
    join,
    read_head,
    read_proposal,
    walkers_of,
)
from querist.campaign.handlers.stepping import Answer, Collect
from querist.control.exchange import MAX_BATCH, Exchange
from querist.core.batch import Batch
from querist.core.prediction import Feedback, Proposal

_GLANCE = 0.005  # seconds of waiting for messages before anything else gets its turn
_ARRIVE = 30.0  # seconds in which generators' ranks open, before the first samples are missed


@dataclass(frozen=True, slots=True)
class Split:
    """Who works for one explorer, beside its lead.

    Attributes:
        slot: Number of the explorer.
        generators: How many generators each generator's rank has.
        predictors: Further ranks with a part of the committee's members.
        max_batch: Samples that are enough to predict at once.
        max_wait: Longest time in seconds that a proposal waits for others.
    """

    slot: int
    generators: tuple[int, ...]
    predictors: int = 0
    max_batch: int = MAX_BATCH
    max_wait: float = 0.002

    @property
    def generator_ranks(self) -> tuple[str, ...]:
        """Names of the workers that have generators."""
        return tuple(f"generator.{self.slot}-{i}" for i in range(len(self.generators)))

    @property
    def predictor_ranks(self) -> tuple[str, ...]:
        """Names of the workers that have a part of the committee."""
        return tuple(f"predictor.{self.slot}-{i}" for i in range(self.predictors))

    @property
    def lead(self) -> str:
        """Name of the worker that runs the slices."""
        return f"explorer.{self.slot}-0"


class _Seat:
    """What is known of one generator on another rank."""

    __slots__ = ("exhausted", "is_working", "life", "local", "rank")

    def __init__(self, rank: str, local: int) -> None:
        self.rank, self.local = rank, local
        self.life = -1  # of the rank that said hello; -1 while it is not here
        self.is_working = False  # whether a proposal is expected of it
        self.exhausted: bool | int = False


class SplitCrew:
    """The generators of an explorer whose generators are on other ranks.

    Args:
        split: Which.
        board: Their messages.
    """

    def __init__(self, split: Split, board: Board) -> None:
        self._split, self._board = split, board
        self._seats: list[_Seat] = []
        self._first: dict[str, int] = {}  # index of each rank's first generator
        for rank, count in zip(split.generator_ranks, split.generators, strict=True):
            self._first[rank] = len(self._seats)
            self._seats += [_Seat(rank, local) for local in range(count)]
        self._exchange: Exchange[Arrived] = Exchange(split.max_batch, split.max_wait)
        self._working = 0
        self._now = 0.0  # when messages were last looked for
        self._resting: set[int] = set()  # had nothing to propose; woken with the next slice
        self._to_wake: set[int] = set()
        self._errors: list[Exception] = []
        self._firsts: dict[str, list[Proposal]] = {}
        board.on_many(Kind.PROPOSAL, self._on_proposals)
        board.on(Kind.RESTS, self._on_rests)
        board.on(Kind.HELLO, self._on_hello)
        board.on(Kind.FIRST, self._on_first)
        board.on(Kind.ERROR, self._on_error)
        board.on_change(self._look_who_is_here)

    @property
    def count(self) -> int:
        """How many generators."""
        return len(self._seats)

    @property
    def exhausted(self) -> bool:
        """Whether no generator will ever propose anything more."""
        return not self._working and all(seat.exhausted for seat in self._seats)

    def step(
        self,
        answer: Answer,
        collect: Collect,
        enough: Callable[[], bool],
        info: Mapping[str, Any] | None = None,
    ) -> bool:
        """Step until ``enough``; returns whether all walkers wait.

        Args:
            answer: Predicts and judges a batch.
            collect: Takes what was predicted, whose it is, and the verdicts.
            enough: Asked between two steps.
            info: What feedback says beside: the model's version.

        Raises:
            Exception: Whatever a generator or the model raised.
        """
        version = int((info or {}).get("version", 0))
        exchange, poll = self._exchange, self._board.poll
        self._to_wake |= self._resting
        self._resting.clear()
        while not enough():
            if self._to_wake:
                self._wake()
            now = self._now = time.monotonic()
            if exchange.due(now, expected=self._working > 0):
                self._round(answer, collect, version)
            elif self._working or len(exchange):
                poll(self._pause(now))
            else:
                poll(_GLANCE)
                if self._all_rest():
                    return True
            if self._errors:
                raise self._errors.pop(0)
        return False

    def tell(self, index: int, feedback: Feedback) -> None:
        """Let a generator observe answers, between two of its steps."""
        self.observe(index, feedback)
        if index in self._resting:
            self._resting.discard(index)
            self._to_wake.add(index)

    def observe(self, index: int, feedback: Feedback) -> None:
        """Let a generator observe answers before its first step."""
        self._send(self._seats[index], Kind.TELL, feedback)

    def initial(self, count: int) -> list[Proposal]:
        """Samples of each generator for the time before there is any model.

        A rank that does not come within half a minute gives none.

        Raises:
            Exception: Whatever a generator raised.
        """
        self._await(lambda: all(seat.life >= 0 for seat in self._seats), _ARRIVE)
        asked = {seat.rank for seat in self._seats if seat.life >= 0}
        self._firsts.clear()
        for rank in asked:
            self._board.link.send(rank, rare(Kind.INITIAL, count))
        here = {rank: self._board.life(rank) for rank in asked}
        self._await(
            lambda: all(r in self._firsts or self._board.life(r) != here[r] for r in asked), None
        )
        nothing = Proposal(Batch({}), NOBODY)
        found = [nothing] * len(self._seats)
        for rank, proposals in self._firsts.items():
            first = self._first[rank]
            found[first : first + len(proposals)] = proposals
        return found

    def busy(self) -> dict[str, float]:
        """Seconds that each other rank worked since the last time, as far as it has told."""
        return self._board.busy.take()

    def close(self) -> None:
        """Satellites are closed by the engine, and save their generators themselves."""

    # ------------------------------------------------------------------------------ the round

    def _pause(self, now: float) -> float:
        deadline = self._exchange.next_deadline()
        return _GLANCE if deadline is None else min(_GLANCE, max(0.0, deadline - now))

    def _round(self, answer: Answer, collect: Collect, version: int) -> None:
        parts = self._exchange.take()
        batch = join([arrived for _, arrived in parts])
        try:
            prediction, verdicts = answer(batch)
        except Exception:
            now = time.monotonic()
            for index, arrived in parts:  # its generators still wait for a reply
                self._exchange.propose(index, arrived, arrived[0], now)
            raise
        replies = Replies(Kind.REPLY, version, prediction, verdicts)
        self._reply(parts, replies)
        collect(batch, lambda: walkers_of(parts, len(self._seats)), verdicts)

    def _reply(self, parts: Sequence[tuple[int, Arrived]], replies: Replies) -> None:
        send, working = self._board.link.send, 0
        seats = [self._seats[index] for index, _ in parts]
        messages = replies.of([seat.local for seat in seats], [each[0] for _, each in parts])
        for seat, (_, arrived), message in zip(seats, parts, messages, strict=True):
            if seat.life == arrived[4]:  # else it was lost, and its successor begins anew
                seat.is_working = True
                working += 1
                send(seat.rank, message)
        self._working += working

    def _wake(self) -> None:
        """Let generators propose that came, or had nothing to propose in the slice before."""
        for index in self._to_wake:
            seat = self._seats[index]
            if seat.life >= 0:
                self._send(seat, Kind.WAKE, None)
                self._expect(seat, True)
        self._to_wake.clear()

    def _all_rest(self) -> bool:
        """Whether all are here and none will propose anything."""
        at_work = self._working or self._to_wake or len(self._exchange)
        return not at_work and all(seat.life >= 0 for seat in self._seats)

    def _expect(self, seat: _Seat, working: bool) -> None:
        self._working += working - seat.is_working
        seat.is_working = working

    def _send(self, seat: _Seat, kind: Kind, value: Any) -> None:
        self._board.link.send(seat.rank, rare(kind, (seat.local, value)))

    def _await(self, there: Callable[[], bool], seconds: float | None) -> None:
        until = None if seconds is None else time.monotonic() + seconds
        while not there() and (until is None or time.monotonic() < until):
            self._board.poll(_GLANCE)
            if self._errors:
                raise self._errors.pop(0)

    # -------------------------------------------------------------------------- what they say

    def _on_proposals(self, messages: Messages) -> None:
        seats, first, now, meters = self._seats, self._first, self._now, self._board.busy.meters
        came: list[tuple[float, int, int, Arrived]] = []
        for sender, data in messages:
            _, exhausted, local, rows, size, meter = read_head(data)
            meters[sender] = meter
            index = first[sender] + local
            seat = seats[index]
            if seat.is_working:  # else it is of a life that has ended
                seat.is_working, seat.exhausted = False, exhausted
                came.append((now, index, rows, read_proposal(data, rows, size, seat.life)))
        self._working -= len(came)
        self._exchange.propose_all(came)

    def _on_rests(self, sender: str, data: Buffer) -> None:
        local, exhausted = value_of(data)
        index = self._first[sender] + local
        self._seats[index].exhausted = exhausted
        self._expect(self._seats[index], False)
        self._resting.add(index)

    def _on_hello(self, sender: str, data: Buffer) -> None:
        life = self._board.life(sender)
        for local in range(value_of(data)):
            index = self._first[sender] + local
            seat = self._seats[index]
            seat.life = -1 if life is None else life
            self._expect(seat, False)
            self._to_wake.add(index)

    def _on_first(self, sender: str, data: Buffer) -> None:
        self._firsts[sender], exhausted = value_of(data)
        for local, done in enumerate(exhausted):
            self._seats[self._first[sender] + local].exhausted = done

    def _on_error(self, sender: str, data: Buffer) -> None:
        local, said = value_of(data)
        if local is not None:
            index = self._first[sender] + local
            self._expect(self._seats[index], False)
            self._resting.add(index)
        self._errors.append(raised(sender, said))

    def _look_who_is_here(self) -> None:
        for seat in self._seats:
            if seat.life >= 0 and self._board.life(seat.rank) != seat.life:
                seat.life = -1
                self._expect(seat, False)
