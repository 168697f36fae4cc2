"""Looks for traces of many texts in files, in one pass whatever their number.

Each text is known by its last eight bytes as a number. All places of a piece of a file are looked
up at once in a table over hashes of these numbers; only where that holds are texts compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHORTEST = 8  # bytes of a text that can be looked for
_PIECE = 1 << 20
_FEW = 8  # texts up to which one search each is quicker
_BITS = 20
_MIX = np.uint64(0x9E3779B97F4A7C15)

Words = NDArray[np.uint64]


class Traces:
    """Texts that are looked for.

    Args:
        texts: Each of at least :data:`SHORTEST` bytes.
    """

    def __init__(self, texts: Iterable[bytes]) -> None:
        self._texts = frozenset(texts)
        self._longest = max(map(len, self._texts), default=0)
        lengths: dict[int, set[int]] = {}
        for text in self._texts:
            lengths.setdefault(int.from_bytes(text[-8:], "little"), set()).add(len(text))
        self._lengths = {word: sorted(found) for word, found in lengths.items()}
        self._words: Words = np.array(sorted(lengths), np.uint64)
        self._table = np.zeros(1 << _BITS, np.bool_)
        self._table[_hashed(self._words)] = True

    def in_file(self, path: Path) -> bool:
        """Whether any of the texts stands in a file; not in one that is gone."""
        try:
            # What is empty may be a lock, which closing the file would give up.
            if not path.stat().st_size:
                return False
            with path.open("rb") as file:
                tail = b""
                while piece := file.read(_PIECE):
                    window = tail + piece
                    if self.within(window):
                        return True
                    tail = window[-self._longest :]
        except FileNotFoundError:
            pass
        return False

    def within(self, data: bytes) -> bool:
        """Whether any of the texts stands in these bytes."""
        if len(self._texts) <= _FEW:
            return any(text in data for text in self._texts)
        if len(data) < SHORTEST:
            return False
        words: Words = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
        places = np.flatnonzero(self._table[_hashed(words)])
        places = places[np.isin(words[places], self._words)]
        ends, found = (places + 8).tolist(), words[places].tolist()
        return any(self._ends(data, end, word) for end, word in zip(ends, found, strict=True))

    def _ends(self, data: bytes, end: int, word: int) -> bool:
        """Whether a text that ends in this word ends here."""
        lengths = (length for length in self._lengths[word] if length <= end)
        return any(data[end - length : end] in self._texts for length in lengths)


def _hashed(words: Words) -> NDArray[Any]:
    return (words * _MIX) >> np.uint64(64 - _BITS)
