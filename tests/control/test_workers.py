"""Counting workers: a pool is lost with its last one, unless another is on its way."""

from __future__ import annotations

from querist.control.workers import Workers


def test_room_is_for_each_ready_worker() -> None:
    workers = Workers()
    assert workers.room("p") == 0
    workers.join("a", "p")
    workers.join("b", "p")
    workers.join("b", "p")
    workers.take("p")
    assert (workers.count("p"), workers.room("p"), workers.room("p", ahead=1)) == (2, 1, 3)
    workers.free("p")
    assert workers.room("p") == 2


def test_a_pool_is_lost_with_its_last_worker() -> None:
    workers = Workers()
    workers.expect({"p": 2})
    workers.leave("a", "p", "cannot import", final=True)
    assert not workers.lost  # the other is still starting
    workers.join("b", "p")
    workers.leave("b", "p", "killed", final=False)
    assert not workers.lost  # and is to come back
    workers.leave("b", "p", "killed again", final=True)
    assert workers.lost == {"p": "killed again"}
    workers.join("c", "p")
    assert not workers.lost


def test_one_that_is_respawned_keeps_the_pool_alive() -> None:
    workers = Workers()
    workers.join("a", "p")
    workers.join("b", "p")
    workers.leave("a", "p", "killed", final=False)
    workers.leave("b", "p", "killed", final=True)
    assert not workers.lost
    workers.join("a", "p")
    workers.leave("a", "p", "killed", final=True)
    assert workers.lost == {"p": "killed"}


def test_a_worker_that_moves_counts_elsewhere() -> None:
    workers = Workers()
    workers.join("a", "p")
    assert workers.move("a", "q") == "p"
    assert (workers.count("p"), workers.count("q"), workers.expected("q")) == (0, 0, 1)
    workers.join("q-0", "q")
    assert (workers.count("q"), workers.expected("q")) == (1, 1)
    assert not workers.lost
