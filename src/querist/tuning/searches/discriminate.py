"""Experiments that tell which of several models is right, or what their parameters are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from querist.core.errors import ConfigError
from querist.oracles.checks import callable_of
from querist.tuning.design import Floats, believed, box_hill, discriminating, expected_information
from querist.tuning.searches.drawing import Drawing
from querist.tuning.space import Space, Values
from querist.tuning.trial import Problem, Trial

CRITERIA = ("models", "box_hill", "parameters")
SWEEPS = 8  # of moves after draws were chosen anew
FEW = 0.5  # share of draws that still count, below which they are chosen anew
MIXED = 512  # draws of all models together, for information about parameters


@dataclass(slots=True, eq=False)
class Rival:
    """One model, and what is believed of its parameters: weighted draws.

    Attributes:
        name: Its name.
        call: Predicts a number from settings and parameters.
        space: Of its parameters; None where it has none.
        places: ``(m, d)`` draws in the unit cube of that space.
        log: ``(m,)`` logarithms of their weights, which add up to 1.
        evidence: Log marginal likelihood of all results.
    """

    name: str
    call: Callable[[Values], float]
    space: Space | None
    places: Floats
    log: Floats
    evidence: float = 0.0

    @classmethod
    def of(
        cls, name: str, call: Callable[[Values], float], told: Any, draws: int, seed: int
    ) -> Rival:
        """Before any result, with even draws of its parameters."""
        if not told:
            return cls(name, call, None, np.zeros((1, 0)), np.zeros(1))
        space = Space.of(told)
        places = Drawing(space, seed).even(draws)
        return cls(name, call, space, places, np.full(draws, -np.log(draws)))

    def predictions(self, points: Sequence[Values], places: Floats | None = None) -> Floats:
        """``(n, m)`` predictions for points by the draws."""
        places = self.places if places is None else places
        known = [self.space.point(place) if self.space else {} for place in places]
        rows = [[self.call({**values, **one}) for one in known] for values in points]
        return np.array(rows, float).reshape(len(points), len(known))

    def moments(self, predictions: Floats, log: Floats) -> tuple[Floats, Floats]:
        """``(n,)`` means and variances of predictions."""
        weights = np.exp(log)
        mean = predictions @ weights
        return mean, np.maximum((predictions - mean[:, None]) ** 2 @ weights, 0.0)

    def after(self, likelihoods: Floats) -> tuple[Floats, float]:
        """Weights after ``(m,)`` log likelihoods of a result, and its log evidence."""
        log = self.log + likelihoods
        top = float(log.max())
        total = top + float(np.log(np.exp(log - top).sum()))
        return log - total, total


class DiscriminatingSearch:
    """The experiment that is expected to tell most about which model is right.

    Each model's parameters are believed to lie evenly in their ranges before any result; draws of
    them are weighted by each result and moved where few still count (Chopin 2002). A choice
    averages over what runs under way may give, by each model.

    Args:
        problem: What is searched; its objective is what is measured, and nothing is minimised.
        models: By name, a function or "package.module:function" of settings and parameters that
            gives a number or a mapping with the measured output.
        noise: Standard deviation of a measurement.
        parameters: By model, what :meth:`~querist.tuning.space.Space.of` takes.
        about: ``criterion``: "models" (expected information about which is right; the default of
            several), "box_hill" (its bound, Box & Hill 1967) or "parameters" (expected information
            about models and parameters together; the default of one); ``prior`` probabilities by
            model; ``sure``, the probability of one model from which nothing more is asked;
            ``draws`` (128) of parameters; ``candidates`` (256) looked at each time.

    Attributes:
        rivals: The models.
    """

    knows_its_end = True

    def __init__(
        self,
        problem: Problem,
        models: Mapping[str, Any],
        noise: float,
        parameters: Mapping[str, Any] | None = None,
        **about: Any,
    ) -> None:
        self.problem, self.space = problem, problem.space
        self._about = _about(len(models), **about)
        strange = sorted((set(parameters or {}) | set(self._about.prior)) - set(models))
        partial = bool(self._about.prior) and set(self._about.prior) != set(models)
        if not models or noise <= 0 or strange or partial:
            raise ConfigError(
                "discriminate wants models by name, a noise above zero, parameters of these models "
                f"and a prior of all of them or none; got models {', '.join(models) or 'none'}, "
                f"noise {noise}, prior {dict(self._about.prior)}, besides {strange}."
            )
        self._variance = noise**2
        self.rivals = [
            Rival.of(name, self._calling(call), (parameters or {}).get(name), self._about.draws, k)
            for k, (name, call) in enumerate(models.items())
        ]
        prior = np.array([self._about.prior.get(name, 1.0) for name in models])
        self._prior = prior / prior.sum()
        self.trials: list[Trial] = []
        self._drawing = Drawing(problem.space, problem.seed)
        self._rng = np.random.default_rng([problem.seed, 5])

    def _calling(self, call: Any) -> Callable[[Values], float]:
        function, output = callable_of(call, "a model of discriminate"), self.problem.output

        def predicted(values: Values) -> float:
            found = function(**values)
            return float(found[output] if isinstance(found, Mapping) else found)

        return predicted

    @property
    def probabilities(self) -> dict[str, float]:
        """How probable each model is now."""
        found = believed(np.array([rival.evidence for rival in self.rivals]), self._prior)
        return {rival.name: float(p) for rival, p in zip(self.rivals, found, strict=True)}

    def said(self) -> str:
        """How probable each model is, the most probable one first."""
        ranked = sorted(self.probabilities.items(), key=lambda pair: -pair[1])
        shown = {name: _percent(p) for name, p in ranked}
        return "probably right: " + ", ".join(f"{name} ({p})" for name, p in shown.items())

    @property
    def ended(self) -> str:
        """Why it asks for nothing more, once it does."""
        name, probable = max(self.probabilities.items(), key=lambda pair: pair[1])
        sure = self._about.sure
        if probable >= sure:
            return f"{name} is probably right ({_percent(probable)}, wanted {_percent(sure)})"
        made = "every experiment was made"
        if sure > 1 or len(self.rivals) == 1:
            return made
        return f"{made}, and the most probable model is {name} ({_percent(probable)})"

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from results."""
        for trial in self.problem.allowed(trials):
            if not trial.failure:
                self._learn(trial)
        self.trials += [trial for trial in trials if trial.failure]

    def _learn(self, trial: Trial) -> None:
        self.trials.append(trial)
        for rival in self.rivals:
            rival.log, gained = rival.after(self._fits(rival, [trial], rival.places))
            rival.evidence += gained
            count = 1.0 / float((np.exp(rival.log) ** 2).sum())
            if count < FEW * len(rival.log):
                self._renew(rival)

    def _fits(self, rival: Rival, trials: Sequence[Trial], places: Floats) -> Floats:
        """``(m,)`` log likelihoods of results."""
        y = np.array([trial.outputs[self.problem.output] for trial in trials])
        missed = rival.predictions([trial.settings for trial in trials], places) - y[:, None]
        unit = np.log(2.0 * np.pi * self._variance)
        return np.asarray(-0.5 * (missed**2 / self._variance + unit).sum(axis=0))

    def _renew(self, rival: Rival) -> None:
        """Draws by their weights, moved by Metropolis' rule as the posterior wants it."""
        count, width = rival.places.shape
        good = [trial for trial in self.trials if not trial.failure]
        steps = (np.arange(count) + self._rng.random()) / count
        total = np.cumsum(np.exp(rival.log))
        places = rival.places[np.searchsorted(total / total[-1], steps)]
        cover = np.atleast_2d(np.cov(places.T)) + 1e-6 * np.eye(width)
        root = np.linalg.cholesky(cover) * 2.38 / np.sqrt(width)
        fits = self._fits(rival, good, places)
        for _ in range(SWEEPS):
            moved = places + self._rng.standard_normal(places.shape) @ root.T
            inside = ((moved >= 0) & (moved <= 1)).all(axis=1)
            new = self._fits(rival, good, np.clip(moved, 0.0, 1.0))
            taken = inside & (np.log(self._rng.random(count)) < new - fits)
            places, fits = np.where(taken[:, None], moved, places), np.where(taken, new, fits)
        rival.places, rival.log = places, np.full(count, -np.log(count))

    def ask(self, count: int, pending: Sequence[Values]) -> list[Values]:
        """The next experiments."""
        found: list[Values] = []
        sure = self._about.sure
        while len(found) < count and max(self.probabilities.values()) < sure:
            busy = [*pending, *found]
            tried = {self.space.key(trial.settings) for trial in self.trials}
            tried |= {self.space.key(values) for values in busy}
            points = self._drawing.candidates(self._about.candidates, (), tried)
            if not points:
                break
            found.append(points[int(np.argmax(self.information(points, busy)))])
        return found

    def information(self, points: Sequence[Values], pending: Sequence[Values] = ()) -> Floats:
        """``(n,)`` nats that experiments are expected to tell, while others are under way."""
        said = [rival.predictions(points) for rival in self.rivals]
        probable = np.array(list(self.probabilities.values()))
        if not len(pending):
            return self._told(said, [rival.log for rival in self.rivals], probable)
        waiting = [rival.predictions(pending) for rival in self.rivals]
        found = np.zeros(len(points))
        for truth, rival in enumerate(self.rivals):
            y = rival.moments(waiting[truth], rival.log)[0][:, None]
            missed = [-0.5 * ((w - y) ** 2 / self._variance).sum(axis=0) for w in waiting]
            pairs = zip(self.rivals, missed, strict=True)
            after = [one.after(fit) for one, fit in pairs]
            then = believed(np.array([gained for _, gained in after]), probable)
            found += probable[truth] * self._told(said, [log for log, _ in after], then)
        return found

    def _told(self, said: Sequence[Floats], logs: Sequence[Floats], probable: Floats) -> Floats:
        if self._about.criterion == "parameters":
            return self._about_parameters(said, logs, probable)
        pairs = zip(self.rivals, said, logs, strict=True)
        moments = [rival.moments(one, log) for rival, one, log in pairs]
        means, variances = (np.stack(part, axis=1) for part in zip(*moments, strict=True))
        measure = box_hill if self._about.criterion == "box_hill" else discriminating
        return measure(means, variances, self._variance, probable)

    def _about_parameters(
        self, said: Sequence[Floats], logs: Sequence[Floats], probable: Floats
    ) -> Floats:
        weights = np.concatenate([p * np.exp(log) for p, log in zip(probable, logs, strict=True)])
        chosen = self._rng.choice(len(weights), MIXED, p=weights / weights.sum())
        every = np.concatenate(said, axis=1)[:, chosen]
        return expected_information(every, self._variance, self._rng, 64)


def _percent(probability: float) -> str:
    return f"{probability:.1%}" if probability < 0.9995 else "over 99.9%"


@dataclass(frozen=True, slots=True)
class _About:
    criterion: str
    prior: Mapping[str, float]
    sure: float
    draws: int
    candidates: int


def _about(
    count: int,
    criterion: str = "",
    prior: Mapping[str, float] | None = None,
    sure: float | None = None,
    draws: int = 128,
    candidates: int = 256,
) -> _About:
    criterion = criterion or ("models" if count > 1 else "parameters")
    if criterion not in CRITERIA or (count < 2 and criterion != "parameters"):
        raise ConfigError(
            f"criterion is one of {', '.join(CRITERIA)}, of one model only parameters; "
            f"got {criterion!r}."
        )
    if draws < 8 or candidates < 1 or (sure is not None and not 0 < sure < 1):
        raise ConfigError("draws is at least 8, candidates at least 1, sure between 0 and 1.")
    return _About(criterion, prior or {}, 2.0 if sure is None else sure, draws, candidates)
