"""What rules may see, and how they combine: ``a & b`` when both hold, ``a | b`` when one does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from querist.control.sketch import QuantileSketch


@dataclass(frozen=True, slots=True)
class View:
    """What a policy may see: counts and summaries, no sample.

    Attributes:
        now: Seconds of campaign time.
        labels: Durable labels that were paid for (all purposes).
        imported: Labels that were brought along.
        train_labels: Durable labels for training, imported ones included.
        fresh: Train labels since the dataset of the last fit that was started.
        queued: Questions waiting.
        outstanding: Questions asked and not yet answered.
        cost: Cost of durable answers, failures included.
        version: Version of the newest model; 0 for none.
        trainer_idle: Whether a trainer waits.
        errors: Hold-out metric by name, one dictionary an evaluated version, oldest first; with it
            how far predictions moved since the version before (``y.change``, ``y.shift``,
            ``label.kappa``), the mean uncertainty (``y.uncertainty``) and the training labels
            (``train``).
        recent_error: The newest model's error on labels that it was not trained on; NaN if unknown.
        published_error: Hold-out error (same metric) when the newest model was published; NaN.
        scores: Sketch of uncertainties that explorers saw with the newest model.
        failed: Questions quarantined.
    """

    now: float = 0.0
    labels: int = 0
    imported: int = 0
    train_labels: int = 0
    fresh: int = 0
    queued: int = 0
    outstanding: int = 0
    cost: float = 0.0
    version: int = 0
    trainer_idle: bool = True
    errors: tuple[Mapping[str, float], ...] = ()
    recent_error: float = float("nan")
    published_error: float = float("nan")
    scores: QuantileSketch = field(default_factory=QuantileSketch.empty)
    failed: int = 0


class Rule:
    """A condition on a :class:`View` that explains itself.

    Calling it gives the sentence that says why it holds, or None. Rules are values: pure, frozen,
    and comparable.
    """

    def __call__(self, view: View) -> str | None:
        """Why the rule holds, or None."""
        raise TypeError(f"{type(self).__name__} is abstract; use one of the rules.")

    def __and__(self, other: Rule) -> Rule:
        return AllOf((self, other))

    def __or__(self, other: Rule) -> Rule:
        return AnyOf((self, other))

    def parts(self) -> tuple[Rule, ...]:
        """The rules that it is made of, itself included."""
        return (self,)

    def deadlines(self) -> tuple[float, ...]:
        """Instants of campaign time at which it may begin to hold though nothing happens."""
        return tuple(when for part in self.parts() if part is not self for when in part.deadlines())


@dataclass(frozen=True, slots=True)
class AllOf(Rule):
    """Holds when every one of ``rules`` does."""

    rules: tuple[Rule, ...]

    def __call__(self, view: View) -> str | None:
        """All reasons, joined."""
        reasons = [rule(view) for rule in self.rules]
        said = [reason for reason in reasons if reason is not None]
        return " and ".join(said) if said and len(said) == len(reasons) else None

    def parts(self) -> tuple[Rule, ...]:
        """Itself and all parts."""
        return (self, *(part for rule in self.rules for part in rule.parts()))


@dataclass(frozen=True, slots=True)
class AnyOf(Rule):
    """Holds when at least one of ``rules`` does."""

    rules: tuple[Rule, ...]

    def __call__(self, view: View) -> str | None:
        """The first reason."""
        return next((reason for rule in self.rules if (reason := rule(view))), None)

    def parts(self) -> tuple[Rule, ...]:
        """Itself and all parts."""
        return (self, *(part for rule in self.rules for part in rule.parts()))


@dataclass(frozen=True, slots=True)
class Never(Rule):
    """Never holds."""

    def __call__(self, view: View) -> str | None:
        """None."""
        return None
