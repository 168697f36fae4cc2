"""Models over pools of texts, as plain functions; they are imported by path in workers, too."""

from __future__ import annotations

import os
import time
import zlib
from pathlib import Path

import numpy as np


def _of(text: str) -> float:
    """A probability between 0 and 1 that depends on nothing but the text."""
    return zlib.crc32(text.encode()) / 2**32


def two_classes(batch: list[str]) -> np.ndarray:
    """(n, 2) probabilities of texts."""
    first = np.array([_of(text) for text in batch])
    return np.stack([first, 1 - first], axis=1)


def even_classes(batch: list[str]) -> np.ndarray:
    """(n, 2) probabilities of a model that knows nothing."""
    return np.full((len(batch), 2), 0.5)


def two_classes_rounded(batch: list[str]) -> np.ndarray:
    """The same with one digit."""
    return np.round(two_classes(batch), 1)


class Everything:
    """Gives probabilities and embeddings of texts, and counts what it was called on."""

    provides = frozenset({"probabilities", "embeddings"})
    classes = ("no", "yes")
    digest = "everything-1"

    def __init__(self) -> None:
        self.seen = 0
        self.wanted: set[str] = set()

    def infer(self, batch: list[str], wanted: frozenset[str]) -> dict[str, np.ndarray]:
        self.seen += len(batch)
        self.wanted |= wanted
        made = {"probabilities": two_classes(batch)}
        made["embeddings"] = np.array([[_of(t), _of(t[::-1] + "x"), 1.0] for t in batch])
        return {name: made[name] for name in wanted}

    def close(self) -> None:
        pass


def broken_at_times(batch: list[str]) -> np.ndarray:
    """NaN for texts that hold "nan", and an exception for those that hold "raise"."""
    if any("raise" in text for text in batch):
        raise ValueError("a text that this model cannot take")
    made = two_classes(batch)
    made[["nan" in text for text in batch]] = np.nan
    return made


def slowly(batch: list[str]) -> np.ndarray:
    """The same at a leisurely pace, for those who interrupt."""
    time.sleep(0.005 * len(batch))
    return two_classes(batch)


def fatal(batch: list[str]) -> np.ndarray:
    """Ends its process at a text that holds "fatal"."""
    if any("fatal" in text for text in batch):
        os._exit(7)
    return two_classes(batch)


class Placed(Everything):
    """Says where it runs, in a file for each process."""

    def __init__(self, folder: str, device: str) -> None:
        super().__init__()
        seen = os.environ.get("CUDA_VISIBLE_DEVICES")
        (Path(folder) / str(os.getpid())).write_text(f"{device} of {seen}")
