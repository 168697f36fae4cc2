"""What a study is after, besides its limits: objectives, the fidelity that counts, when to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from querist.campaign.nearest import suggest
from querist.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Aim:
    """One objective.

    Attributes:
        output: The number that is optimised.
        maximise: Whether larger is better.
        reference: Among several objectives, the value from which on it is worth anything.
    """

    output: str
    maximise: bool = False
    reference: float | None = None

    def loss(self, value: float) -> float:
        """The value as a number that should be small."""
        return -value if self.maximise else value


@dataclass(frozen=True, slots=True)
class Fidelity:
    """A setting that says how good, and how dear, a run is.

    Attributes:
        setting: Its name.
        target: The value at which results count.
    """

    setting: str
    target: float


@dataclass(frozen=True, slots=True)
class StopRule:
    """When a search has found enough.

    Attributes:
        target: The objective (of several, the hypervolume) that is good enough; None for none.
        patience: So many runs in a row without an improvement end it; None for no end.
        gain: The least improvement that counts, in units of the objective.
    """

    target: float | None = None
    patience: int | None = None
    gain: float = 0.0

    def reason(self, progress: Sequence[float | None], larger: bool) -> str:
        """Why to stop; "" where to go on.

        Args:
            progress: After each run, the best so far; None before any counts.
            larger: Whether larger is better.
        """
        best = next((value for value in reversed(progress) if value is not None), None)
        if best is None:
            return ""
        if self.target is not None and (best >= self.target if larger else best <= self.target):
            return f"the target of {self.target:g} is reached: {best:.6g}"
        if self.patience is not None and self._stale(progress, larger) >= self.patience:
            return f"{self.patience} runs in a row brought no improvement on {best:.6g}"
        return ""

    def _stale(self, progress: Sequence[float | None], larger: bool) -> int:
        """How many runs there were since the last improvement that counts."""
        mark, last = None, 0
        for number, value in enumerate(progress):
            if value is None:
                continue
            gained = math.inf if mark is None else (value - mark if larger else mark - value)
            if gained > self.gain:
                mark, last = value, number
        return len(progress) - 1 - last


NO_STOP = StopRule()


def read_aims(goal: Mapping[str, Any]) -> tuple[Aim, ...]:
    """The objectives of plain data: ``minimise`` and ``maximise``, each a name or several.

    Raises:
        ConfigError: If there is none, or of several one has no reference.
    """
    named = [
        (name, word == "maximise")
        for word in ("minimise", "maximise")
        for name in _several(goal.get(word))
    ]
    if not named:
        raise ConfigError("a study wants one of minimise and maximise: the name of an output.")
    names = [name for name, _ in named]
    if len(set(names)) < len(names):
        raise ConfigError(f"each objective is named once, got {names}.")
    reference = goal.get("reference") or {}
    strange = sorted(set(reference) - set(names))
    lacking = [name for name in names if name not in reference] if len(names) > 1 else []
    if strange or lacking:
        raise ConfigError(
            "several objectives want a reference point, the value of each from which on a run is "
            f"worth anything, such as reference: {{{names[-1]}: 10}}; "
            + (f"{lacking[0]!r} has none." if lacking else f"{strange[0]!r} is no objective.")
        )
    found = (None if name not in reference else float(reference[name]) for name in names)
    return tuple(Aim(*pair, ref) for pair, ref in zip(named, found, strict=True))


def read_errors(told: Any, outputs: Sequence[str]) -> dict[str, str]:
    """Standard errors of plain data: ``{"energy": "energy_error"}``, names of outputs.

    Args:
        told: It.
        outputs: Objectives and bounded outputs, which may have errors.

    Raises:
        ConfigError: If it is none, or of another output.
    """
    if not isinstance(told or {}, Mapping):
        raise ConfigError(
            f"errors names by output the output that is its standard error, got {told!r}."
        )
    found = dict(told or {})
    for output, name in found.items():
        if output not in outputs:
            raise ConfigError(
                f"errors: {output!r} is no objective and has no bound; known: "
                f"{', '.join(dict.fromkeys(outputs))}.{suggest(str(output), outputs)}"
            )
        if not isinstance(name, str) or not name or name == output:
            raise ConfigError(
                f"errors.{output}: wants the name of another output, such as "
                f"{{{output}: {output}_error}}; got {name!r}."
            )
    return found


def read_fidelity(told: Any) -> Fidelity | None:
    """From ``{"setting": name, "target": value}``.

    Raises:
        ConfigError: If something is missing or unknown.
    """
    if not told:
        return None
    if not isinstance(told, Mapping) or set(told) != {"setting", "target"}:
        raise ConfigError(f"fidelity wants setting and target, got {told!r}.")
    return Fidelity(str(told["setting"]), float(told["target"]))


def read_stop(told: Any) -> StopRule:
    """From ``{"target": ..., "patience": ..., "gain": ...}``.

    Raises:
        ConfigError: If something is unknown or no number.
    """
    given = dict(told or {})
    unknown = sorted(set(given) - {"target", "patience", "gain"})
    if unknown:
        raise ConfigError(f"stop has no key {unknown[0]!r}; known: target, patience, gain.")
    rule = StopRule(given.get("target"), given.get("patience"), given.get("gain") or 0.0)
    if rule.patience is not None and rule.patience < 1:
        raise ConfigError(f"stop.patience is a number of runs from 1 on, got {rule.patience}.")
    return rule


def _several(value: Any) -> list[str]:
    return [] if not value else [value] if isinstance(value, str) else list(value)
