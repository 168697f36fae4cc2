"""Features of a text without a network: which words are in it, hashed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np

from querist.models.features.rows import Rows, unit

SIZE = 512
_WORD = re.compile(r"\w+")


def text_features(texts: Sequence[str]) -> Rows:
    """Describe texts by numbers in which distance means other words.

    Words, their first five letters (for endings) and pairs of neighbours are counted in 512
    buckets with signs (Weinberger et al. 2009, arXiv 0902.2206); of each count the root is taken. A
    word weighs by its length up to eight letters, because the commonest words are short.

    Args:
        texts: n of them.

    Returns:
        (n, 512), each row of unit length, but for texts without a word.
    """
    rows = np.zeros((len(texts), SIZE), np.float32)
    for row, text in zip(rows, texts, strict=True):
        for term, weight in _terms(text.lower()):
            hashed = crc32(term.encode("utf-8", "replace"))
            row[hashed % SIZE] += weight if hashed >> 31 else -weight
    return unit(np.sign(rows) * np.sqrt(np.abs(rows)))


def _terms(text: str) -> Iterator[tuple[str, float]]:
    before = ""
    for word in _WORD.findall(text):
        weight = min(len(word), 8) / 8
        yield word, weight
        if len(word) > 5:
            yield f"{word[:5]}-", weight
        if before:
            yield f"{before} {word}", weight / 2
        before = word
