"""The step loop of one explorer: one generator directly, several in threads without a barrier."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from querist.campaign.handlers.collector import Walkers
from querist.campaign.handlers.contracts import proposed
from querist.campaign.handlers.joining import joined
from querist.campaign.handlers.keeping import NOBODY, Keeper, initial
from querist.control.exchange import Exchange, Round
from querist.core.batch import Batch
from querist.core.prediction import Feedback, Prediction, Proposal, Verdicts

Answer = Callable[[Batch], tuple[Prediction, Verdicts]]
Collect = Callable[[Batch, Walkers, Verdicts], None]
NO_VERDICTS = Verdicts(np.zeros(0, np.int8), np.zeros(0))


class LocalCrew:
    """The generators of an explorer that has them in its own process.

    Args:
        keeper: The generators.
        max_wait: Longest time in seconds that a proposal waits for others.
    """

    def __init__(self, keeper: Keeper, max_wait: float) -> None:
        self.keeper = keeper
        self._crew = Crew(keeper.generators, max_wait, keeper.checkpoint)
        self.step, self.tell = self._crew.step, self._crew.tell

    @property
    def count(self) -> int:
        """How many generators."""
        return len(self.keeper.generators)

    @property
    def exhausted(self) -> bool:
        """Whether no generator will ever propose anything more."""
        return self.keeper.exhausted

    @property
    def ended(self) -> str:
        """Why, in the words of those that say so."""
        return self.keeper.ended

    def observe(self, index: int, feedback: Feedback) -> None:
        """Let a generator observe answers before its first step."""
        self.keeper.generators[index].observe(feedback)

    def initial(self, count: int) -> list[Proposal]:
        """Samples of each generator for the time before there is any model."""
        return [initial(generator, count) for generator in self.keeper.generators]

    def busy(self) -> dict[str, float]:
        """Nobody else works for this explorer."""
        return {}

    def close(self) -> None:
        """End the threads, save the generators and close them."""
        self.keeper.close(self._crew.close())


class Crew:
    """The generators of an explorer.

    With one generator, a step is three calls. With several, each lives in a thread of its own:
    the proposals that are ready are predicted together, and a slow generator holds back nobody.

    Args:
        generators: Used by one thread at a time each.
        max_wait: Longest time in seconds that a proposal waits for others.
        between: Called with a generator's index between two of its steps, in its thread.
    """

    def __init__(
        self, generators: Sequence[Any], max_wait: float, between: Callable[[int], None]
    ) -> None:
        self._generators, self._between = list(generators), between
        self._info: Mapping[str, Any] = {}
        self._exchange: Exchange[Proposal] = Exchange(max_wait=max_wait)
        self._ready: queue.SimpleQueue[tuple[int, Proposal | BaseException]] = queue.SimpleQueue()
        self._seats = [_Seat(g, i, self._ready, between) for i, g in enumerate(generators)]
        if len(self._seats) > 1:
            for seat in self._seats:
                seat.start()

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
            info: What feedback says beside (the model's version).

        Raises:
            Exception: Whatever a generator or the model raised.
        """
        self._info = info or {}
        if len(self._generators) == 1:
            return self._direct(answer, collect, enough)
        return self._together(answer, collect, enough)

    def tell(self, index: int, feedback: Feedback) -> None:
        """Let a generator observe answers."""
        if len(self._generators) == 1:
            self._generators[0].observe(feedback)
        else:
            self._seats[index].tell(feedback)

    def close(self) -> list[int]:
        """End the threads.

        Returns:
            The generators that are at rest; one that does not return within a second is left
            behind.
        """
        for seat in self._seats:
            seat.ask_to_end()
        until = time.monotonic() + 1.0
        return [i for i, seat in enumerate(self._seats) if seat.has_ended(until)]

    def _direct(self, answer: Answer, collect: Collect, enough: Callable[[], bool]) -> bool:
        generator = self._generators[0]
        while not enough():
            proposal = proposed(generator)
            if not len(proposal.batch):
                return True
            prediction, verdicts = answer(proposal.batch)
            collect(proposal.batch, _of(proposal), verdicts)
            generator.observe(Feedback(proposal.walkers, prediction, verdicts, (), self._info))
            self._between(0)
        return False

    def _together(self, answer: Answer, collect: Collect, enough: Callable[[], bool]) -> bool:
        for seat in self._seats:
            seat.wake()
        while not enough():
            self._gather()
            now = time.monotonic()
            expected = any(seat.is_working for seat in self._seats)
            if self._exchange.due(now, expected=expected):
                self._predict(answer, collect)
            elif not expected and not len(self._exchange):
                return True
        return False

    def _gather(self) -> None:
        timeout = 0.01 if not len(self._exchange) else self._exchange.max_wait
        while True:
            try:
                index, proposal = self._ready.get(timeout=timeout)
            except queue.Empty:
                return
            if isinstance(proposal, BaseException):
                self._seats[index].recover()
                raise proposal
            self._seats[index].is_working = False
            if len(proposal.batch):
                self._propose(index, proposal)
            else:
                self._seats[index].is_waiting = True
            timeout = 0.0

    def _propose(self, index: int, proposal: Proposal) -> None:
        self._exchange.propose(index, proposal, len(proposal.batch), time.monotonic())

    def _predict(self, answer: Answer, collect: Collect) -> None:
        parts = self._exchange.take()
        try:
            together = Round(joined(proposal.batch for _, proposal in parts), tuple(parts))
            prediction, verdicts = answer(together.batch)
        except Exception:
            for index, proposal in parts:  # its generators still wait for a reply
                self._propose(index, proposal)
            raise
        collect(together.batch, lambda: together.walkers(len(self._seats)), verdicts)
        for index, feedback in together.split(prediction, verdicts):
            self._seats[index].reply(replace(feedback, info=self._info))


def _of(proposal: Proposal) -> Walkers:
    return lambda: proposal.walkers


class _Seat:
    """One generator in its thread: propose, wait for the reply, observe, again.

    ``is_working`` and ``is_waiting`` are read and written by the explorer's thread only.
    """

    def __init__(
        self,
        generator: Any,
        index: int,
        ready: queue.SimpleQueue[tuple[int, Proposal | BaseException]],
        between: Callable[[int], None],
    ) -> None:
        self._generator, self._index, self._ready, self._between = generator, index, ready, between
        self._inbox: queue.SimpleQueue[Feedback | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"generator-{index}", daemon=True)
        self._late: list[Feedback] = []
        self._is_asking = False
        self.is_working = False
        self.is_waiting = True

    def start(self) -> None:
        """Start the thread; it waits until it is woken."""
        self._thread.start()

    def wake(self) -> None:
        """Let a generator that had nothing to propose try again."""
        if self.is_waiting:
            self.reply(Feedback(NOBODY, None, NO_VERDICTS))

    def tell(self, feedback: Feedback) -> None:
        """Hand over answers; between two steps when a step is under way."""
        if self.is_waiting:
            self.reply(feedback)
        else:
            self._inbox.put(feedback)

    def reply(self, feedback: Feedback) -> None:
        """Hand over the reply to its proposal."""
        self.is_working, self.is_waiting = True, False
        self._inbox.put(feedback)

    def recover(self) -> None:
        """After an exception the thread waits again."""
        self.is_working, self.is_waiting = False, True

    def ask_to_end(self) -> None:
        """End the thread after its present step."""
        self._inbox.put(None)

    def has_ended(self, until: float) -> bool:
        """Whether the thread has ended, waiting for it until an instant of the monotonic clock."""
        if self._thread.is_alive():
            self._thread.join(max(0.0, until - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (feedback := self._inbox.get()) is not None:
            try:
                proposal = self._turn(feedback)
            except Exception as error:  # noqa: BLE001 - raised again in the explorer's thread
                self._is_asking = False
                self._ready.put((self._index, error))
                continue
            if proposal is not None:
                self._ready.put((self._index, proposal))

    def _turn(self, feedback: Feedback) -> Proposal | None:
        if self._is_asking and not len(feedback.walkers):
            self._late.append(feedback)  # observed after the reply that is on its way
            return None
        for seen in (feedback, *self._late):
            if len(seen.walkers) or seen.answers or seen.info:
                self._generator.observe(seen)
        self._late.clear()
        self._between(self._index)
        proposal = proposed(self._generator)
        self._is_asking = len(proposal.batch) > 0
        return proposal
