"""Turns by weight."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.errors import RunError
from querist.engines.fair import FairQueue, checked_weight


def filled(weights: dict[str, float], each: int) -> FairQueue[tuple[str, int]]:
    queue: FairQueue[tuple[str, int]] = FairQueue(weights)
    for owner in weights:
        for number in range(each):
            queue.push(owner, (owner, number), (owner, number))
    return queue


@given(
    st.dictionaries(st.text(max_size=2), st.integers(1, 9), min_size=1, max_size=5),
    st.integers(1, 60),
)
def test_turns_are_in_proportion_to_weights(weights: dict[str, int], turns: int) -> None:
    queue = filled({owner: float(weight) for owner, weight in weights.items()}, turns)
    popped = [queue.pop() for _ in range(turns)]
    for owner, weight in weights.items():
        due = turns * weight / sum(weights.values())
        got = sum(name == owner for name, _ in popped)
        assert abs(got - due) <= len(weights)
        assert [n for name, n in popped if name == owner] == list(range(got))


def test_a_pause_saves_no_turns_up() -> None:
    queue: FairQueue[str] = FairQueue({})
    for number in range(100):
        queue.push("busy", number, "busy")
    for _ in range(50):
        queue.pop()
    for number in range(50):
        queue.push("late", number, "late")
    assert [queue.pop() for _ in range(40)].count("late") == 20


def test_what_is_given_back_comes_first() -> None:
    queue = filled({"a": 1.0}, 3)
    first = queue.pop()
    queue.push_front("a", first, first)
    assert [queue.pop() for _ in range(3)] == [("a", 0), ("a", 1), ("a", 2)]


def test_an_empty_queue_gives_nothing() -> None:
    queue = filled({"a": 1.0}, 1)
    assert queue.remove("a", ("a", 0))
    assert not queue.remove("a", ("a", 0))
    assert not queue.remove("b", ("a", 0))
    assert len(queue) == 0
    with pytest.raises(IndexError):
        queue.pop()
    queue.push("a", 5, ("a", 5))
    assert queue.pop() == ("a", 5)


operations = st.lists(
    st.tuples(st.sampled_from(["push", "pop", "remove", "back"]), st.sampled_from("abc")),
    max_size=80,
)


@given(operations)
def test_nothing_is_lost_or_doubled(steps: list[tuple[str, str]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue({"b": 2.5})
    inside: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    taken: list[tuple[str, int]] = []
    for number, (what, owner) in enumerate(steps):
        if what == "push":
            queue.push(owner, number, (owner, number))
            inside[owner].append(number)
        elif what == "pop" and len(queue):
            name, got = queue.pop()
            assert inside[name].pop(0) == got
            taken.append((name, got))
        elif what == "remove" and inside[owner]:
            assert queue.remove(owner, inside[owner].pop())
        elif what == "back" and taken:
            name, got = taken.pop()
            queue.push_front(name, got, (name, got))
            inside[name].insert(0, got)
        assert len(queue) == sum(map(len, inside.values()))


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_are_positive_numbers(weight: float) -> None:
    with pytest.raises(RunError, match="'me'"):
        checked_weight("me", weight)
