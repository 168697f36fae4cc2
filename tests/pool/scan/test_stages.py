"""How a chunk is cut into batches, and which size of them is kept."""

from __future__ import annotations

import numpy as np
import pytest

from querist.pool.scan.decoding import without_place
from querist.pool.scan.stages import TRIED, TRIED_ON_GPU, best_batch, pieces


def test_the_first_batch_is_small_where_no_size_is_known() -> None:
    cut = [len(piece) for piece in pieces(np.arange(1008), None, lambda: 1 << 30)]
    assert sum(cut) == 1008
    assert tuple(cut[:6]) == (4, *TRIED)
    assert [len(p) for p in pieces(np.arange(8), None, lambda: 1 << 30)] == [4, 4]
    assert [len(p) for p in pieces(np.arange(100), 48, lambda: 32)] == [32, 32, 32, 4]


@pytest.mark.parametrize(
    ("rates", "wanted"),
    [
        ({16: 89, 32: 97, 64: 100, 128: 104, 256: 105}, 128),
        ({16: 100, 32: 100, 64: 100, 128: 100, 256: 100}, 64),
        ({16: 120, 32: 90, 64: 101, 128: 99, 256: 100}, 64),  # 16 were quick by chance
        ({16: 200, 32: 190, 64: 100, 128: 60, 256: 30}, 16),  # large ones do not fit a cache
        ({16: 100, 32: 200}, 32),  # a slow model, of which little was tried
    ],
)
def test_the_smallest_batch_that_is_quick_is_kept(rates: dict[int, float], wanted: int) -> None:
    timings = [(size, size / rate) for size, rate in rates.items()]
    slower = [(size, 2 * seconds) for size, seconds in timings]
    assert best_batch([(4, 9.0), *timings, *slower]) == wanted


def test_large_batches_are_tried_on_a_gpu() -> None:
    cut = [len(p) for p in pieces(np.arange(3000), None, lambda: 1 << 30, TRIED_ON_GPU)]
    assert tuple(cut[:6]) == (4, *TRIED_ON_GPU)
    rates = {64: 20, 128: 40, 256: 80, 512: 150, 1024: 250}
    assert best_batch([(4, 9.0), *((size, size / rate) for size, rate in rates.items())]) == 1024
    narrow = [len(p) for p in pieces(np.arange(600), None, lambda: 137, TRIED_ON_GPU)]
    assert set(narrow[1:]) == {64, 128, 137, 596 - sum(narrow[1:-1])}


def test_without_a_tried_size_none_is_kept() -> None:
    assert best_batch([]) is None
    assert best_batch([(16, 1.0), (12, 1.0)]) is None


def test_a_sentence_without_its_place_is_still_one() -> None:
    uri = "http://ada:secret@example.org/a.png?key=1"
    for said in (f"There is no {uri}: the server says 404.", f"{uri} is too slow."):
        told = without_place(said, uri)
        assert "example.org" not in told
        assert told in ("The item is not there: the server says 404.", "the item is too slow.")
    gone = without_place("There is no file file:///data/a.png.", "file:///data/a.png")
    assert gone == "The item is not there."
