"""The step loop: no barrier, nothing lost or twice, each generator gets its own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from querist.control.exchange import Exchange, Round
from querist.core.batch import Batch
from querist.core.prediction import Prediction, Proposal, Verdicts


def proposal(generator: int, numbers: list[int]) -> Proposal:
    batch = Batch.stack(x=np.array(numbers, np.float64)) if numbers else Batch({})
    return Proposal(batch, np.array([generator * 100 + n for n in numbers], np.int64))


def propose(exchange: Exchange[Proposal], generator: int, numbers: list[int], now: float) -> None:
    exchange.propose(generator, proposal(generator, numbers), len(numbers), now)


def answered(exchange: Exchange[Proposal]) -> list[tuple[int, object]]:
    """Predict x + 0.5 of everything, with x as the score."""
    batch = Round.of(exchange.take())
    x = batch.batch["x"] if len(batch.batch) else np.zeros(0)
    prediction = Prediction(Batch.stack(y=x + 0.5), Batch.stack(y=x))
    return batch.split(prediction, Verdicts(np.zeros(len(x), np.int8), x))


def test_a_slow_generator_holds_back_nobody() -> None:
    exchange = Exchange(max_batch=100, max_wait=0.01)
    propose(exchange, 0, [1, 2], now=0.0)
    assert not exchange.due(0.005, expected=True)
    assert exchange.next_deadline() == 0.01
    assert exchange.due(0.01, expected=True)  # generator 1 is still thinking
    assert [generator for generator, _ in answered(exchange)] == [0]
    assert exchange.next_deadline() is None
    assert not exchange.due(9.0, expected=False)


def test_what_is_there_is_predicted_when_nothing_else_is_expected() -> None:
    exchange = Exchange(max_wait=60.0)
    propose(exchange, 3, [1], now=0.0)
    assert exchange.due(0.0, expected=False)


def test_a_full_batch_goes_at_once() -> None:
    exchange = Exchange(max_batch=3, max_wait=60.0)
    propose(exchange, 0, [1, 2], now=0.0)
    assert not exchange.due(0.0, expected=True)
    propose(exchange, 1, [3], now=0.0)
    assert exchange.due(0.0, expected=True)


def test_a_proposal_larger_than_a_batch_goes_alone() -> None:
    exchange = Exchange(max_batch=2)
    propose(exchange, 0, [1, 2, 3], now=0.0)
    propose(exchange, 1, [4], now=0.0)
    assert [g for g, _ in answered(exchange)] == [0]
    assert [g for g, _ in answered(exchange)] == [1]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.lists(st.integers(0, 99), max_size=6)), min_size=1),
    st.integers(1, 12),
    st.data(),
)
def test_every_proposal_gets_its_own_answer_once(proposals, max_batch, data) -> None:
    exchange, replies, waiting = Exchange(max_batch), [], 0
    for generator, numbers in proposals:
        propose(exchange, generator, numbers, now=0.0)
        waiting += 1
        while waiting and data.draw(st.booleans()):
            got = answered(exchange)
            assert len(got) == 1 or sum(len(f.walkers) for _, f in got) <= max_batch
            replies += got
            waiting -= len(got)
    while len(exchange):
        replies += answered(exchange)
    assert len(replies) == len(proposals)
    for (generator, feedback), (asker, numbers) in zip(replies, proposals, strict=True):
        assert generator == asker
        assert feedback.walkers.tolist() == [asker * 100 + n for n in numbers]
        assert feedback.verdicts.score.tolist() == numbers
        if numbers:
            assert feedback.prediction.mean["y"].tolist() == [n + 0.5 for n in numbers]


def test_without_a_model_there_are_verdicts_only() -> None:
    exchange = Exchange()
    propose(exchange, 0, [1], now=0.0)
    propose(exchange, 1, [2], now=0.0)
    batch = Round.of(exchange.take())
    verdicts = Verdicts(np.array([1, 1], np.int8), np.full(2, np.nan))
    assert [feedback.prediction for _, feedback in batch.split(None, verdicts)] == [None, None]
