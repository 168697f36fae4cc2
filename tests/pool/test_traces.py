"""Traces of texts: what one search each finds, and no more looks for many."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from querist.pool import traces
from querist.pool.traces import Traces


def texts(count: int, seed: int = 0, alphabet: str = "ab") -> list[bytes]:
    draw = random.Random(seed)
    return ["".join(draw.choices(alphabet, k=draw.randint(8, 14))).encode() for _ in range(count)]


@pytest.mark.parametrize("count", [1, 8, 9, 60])
def test_it_finds_what_one_search_each_finds(count: int) -> None:
    sought = texts(count)
    for seed, length in enumerate([0, 3, 8, 9, 30, 200, 900]):
        data = b"".join(texts(1 + length // 8, seed + 1))[:length]
        assert Traces(sought).within(data) == any(text in data for text in sought)
    for text in sought:
        assert Traces(sought).within(b"-" + text + b"-")


def test_it_finds_what_lies_across_two_pieces(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(traces, "_PIECE", 64)
    sought = [b"%d-is-what-is-sought" % number for number in range(20)]
    for before in range(40, 70):
        path = tmp_path / "file"
        path.write_bytes(b"." * before + sought[7] + b"." * 90)
        assert Traces(sought).in_file(path)
        path.write_bytes(b"." * before + sought[7][:-1] + b"." * 90)
        assert not Traces(sought).in_file(path)
    assert not Traces(sought).in_file(tmp_path / "gone")


def test_texts_that_end_alike_are_compared_once_a_length_and_place() -> None:
    class Counted(frozenset):
        looks = 0

        def __contains__(self, text: object) -> bool:
            Counted.looks += 1
            return super().__contains__(text)

    many = [b"folder-%05d/snapshot.jpg" % number for number in range(5000)]
    found = Traces(many)
    found._texts = Counted(many)
    others = b" ".join(b"others-%05d/snapshot.jpg" % number for number in range(2000))
    assert not found.within(others)
    assert Counted.looks == 2000
    assert not found.within(bytes(100_000))
    assert Counted.looks == 2000
