"""Levels of theory: labels that were brought along, beside those that are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any


class BroughtLevels:
    """The levels of labels from elsewhere, and whether those of the oracles are others.

    Energies of two methods differ by electronvolts where nothing else does, so a model of both is
    right for none. Levels that nobody declares are not compared.
    """

    def __init__(self) -> None:
        self._labels: Counter[str] = Counter()
        self._told = False

    def bring(self, level: str, count: int) -> None:
        """Labels came from elsewhere."""
        self._labels[level] += count

    def look(self, answer: Mapping[str, Any], say: Callable[[str, str], None]) -> None:
        """Say once that a label is of another level than those that were brought along.

        Args:
            answer: Data of an "answer.label".
            say: Takes "warning" and the sentence.
        """
        level = answer.get("level", "")
        others = {name: n for name, n in self._labels.items() if name and name != level}
        if self._told or not level or not others or level in self._labels:
            return
        self._told = True
        brought = ", ".join(f"{count} of {name!r}" for name, count in sorted(others.items()))
        say(
            "warning",
            f"labels of several levels of theory are trained on together: {brought} were brought "
            f"along, {answer['oracle']} answers with {level!r}. A model of both is right for none; "
            "begin with labels of the oracle's own level, or learn the difference between the two.",
        )

    def state(self) -> dict[str, int]:
        """JSON-able state."""
        return dict(self._labels)

    def restore(self, state: Mapping[str, int]) -> None:
        """Take what :meth:`state` gave."""
        self._labels = Counter(state)
