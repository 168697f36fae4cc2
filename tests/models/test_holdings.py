"""What objects hold, told to a digest."""

from __future__ import annotations

import copy
import functools
import hashlib
import importlib
import re
import sys
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.models.holdings import held_by, told_all

MANY, OTHERS = np.arange(5000.0), np.where(np.arange(5000) == 2500, -1.0, np.arange(5000.0))


class Holder:
    def __init__(self, thing: Any) -> None:
        self.thing = thing


class Slots:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class WithSlots(Slots):
    """Has attributes beside its slots."""


@dataclass(slots=True)
class Record:
    value: Any
    unsaid: Any = field(default=0, repr=False)


class Numbers(list[float]):
    """A list with more to it."""

    def __init__(self, values: list[float], scale: float) -> None:
        super().__init__(values)
        self.scale = scale


def times(number: Any) -> Any:
    return lambda x: x * number


def scaled(x: float, by: float = 1.0) -> float:
    return x * by


def digest(thing: Any) -> str:
    total = hashlib.sha256()
    held_by(Holder(thing), total.update)
    return total.hexdigest()


PAIRS = {
    "what a function closes over": (times(1.0), times(2.0)),
    "arrays that it closes over": (times(MANY), times(OTHERS)),
    "its defaults": tuple(lambda x, by=by: x * by for by in (1.0, 2.0)),
    "two functions of one name in a file": (lambda x: x, lambda x: -x),
    "behind a wrapper": tuple(functools.wraps(scaled)(times(by)) for by in (1.0, 2.0)),
    "a partial": tuple(functools.partial(scaled, by=by) for by in (1.0, 2.0)),
    "a partial of a function that closes": tuple(functools.partial(times(b)) for b in (1.0, 2.0)),
    "a method": (Slots(1.0).__init__, Slots(2.0).__init__),
    "a cached function": tuple(functools.lru_cache(times(by)) for by in (1.0, 2.0)),
    "slots": (Slots(1.0), Slots(2.0)),
    "slots above": (WithSlots(1.0), WithSlots(2.0)),
    "a record of long arrays": (Record(MANY), Record(OTHERS)),
    "what a record does not print": (Record(1, 1), Record(1, 2)),
    "objects in an array": (np.array([1, None], object), np.array([2, None], object)),
    "a masked array": (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0])),
    "a queue of long arrays": (deque([MANY]), deque([OTHERS])),
    "a list with an attribute": (Numbers([1.0], 1.0), Numbers([1.0], 2.0)),
    "a long pattern": (re.compile("a" * 300 + "b"), re.compile("a" * 300 + "c")),
    "a function of NumPy": (np.vectorize(times(1.0)), np.vectorize(times(2.0))),
    "its generator": (np.random.default_rng(0), np.random.default_rng(1)),
    "a ufunc": (np.sin, np.cos),
    "order": (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)),
}


@pytest.mark.parametrize("what", PAIRS)
def test_another_thing_is_told_apart_and_the_same_is_known(what: str) -> None:
    one, other = PAIRS[what]
    assert digest(one) == digest(one) != digest(other)
    if not callable(one):
        assert digest(copy.deepcopy(one)) == digest(one)


def test_series_are_told_by_their_values() -> None:
    pandas = pytest.importorskip("pandas")
    for one, other in ((MANY, OTHERS), (["a", "b"], ["a", "c"])):
        assert (
            digest(pandas.Series(one)) == digest(pandas.Series(one)) != digest(pandas.Series(other))
        )
    one, other = (pandas.Categorical(values) for values in (["a", "b"], ["b", "a"]))
    assert digest(one) == digest(one) != digest(other)


def test_tensors_of_all_kinds_are_told_by_their_numbers() -> None:
    torch = pytest.importorskip("torch")
    pairs = [
        (torch.eye(3).to_sparse(), (2 * torch.eye(3)).to_sparse()),
        (torch.tensor([1 + 1j]).conj(), torch.tensor([1 + 2j]).conj()),
        (torch.tensor(1.0).bfloat16(), torch.tensor(2.0).bfloat16()),
        (torch.zeros(2, 3), torch.zeros(3, 2)),
        (deque([torch.tensor(1.00001)]), deque([torch.tensor(1.00002)])),
    ]
    for one, other in pairs:
        assert digest(one) == digest(one) != digest(other)


@pytest.mark.parametrize("thing", [threading.Lock(), (n for n in range(3))])
def test_what_cannot_be_looked_into_is_new_each_time(thing: Any) -> None:
    assert digest(thing) != digest(thing)


def test_what_goes_too_deep_is_new_each_time() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert digest(deep) != digest(deep)


def test_what_code_looks_up_in_its_module_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "SCALE = [1.0]\nOTHER = 1\n\n\ndef half(x):\n    return x / SCALE[0]\n\n\n"
        "class Base:\n    def run(self, x):\n        return half(x) + x.OTHER\n\n\n"
        "class Net(Base):\n    pass\n"
    )
    (tmp_path / "looks_up.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("looks_up")

    def told() -> str:
        total = hashlib.sha256()
        told_all([module.Net], total.update)
        return total.hexdigest()

    first = told()
    module.OTHER = 2  # the name of an attribute, and no more
    assert told() == first
    module.SCALE = [2.0]
    assert told() != first
    sys.modules.pop("looks_up")
