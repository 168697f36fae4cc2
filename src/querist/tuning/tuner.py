"""A search as a generator: it keeps as many runs under way as there are workers, without rounds.

The controller of campaigns asks real-valued questions one by one as workers become free. While
there is no model, everything that a generator proposes is asked, and answers come back to the
walker that proposed; so a study is a campaign without a model. The tuner has a walker for each run
that may be under way. What it knows it takes from the run's journal: after a crash nothing that was
recorded is lost and nothing is asked twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from querist.core.batch import Array, Batch, Sample
from querist.core.errors import ContractError
from querist.core.prediction import AnsweredSample, Feedback, Proposal, Verdict
from querist.core.roles import SupportsClose, WorkerContext
from querist.tuning.evidence import Evidence, Journal, numbers
from querist.tuning.search import Search, make_search
from querist.tuning.searches.random import RandomSearch
from querist.tuning.space import Space, Values
from querist.tuning.trial import Problem, Trial


class Tuner:
    """Proposes the settings of a search, and tells it the results as they come.

    In a campaign with a model, predictions that the gate trusts count as results (origin "model").

    Args:
        space: As :meth:`~querist.tuning.space.Space.of` takes.
        goal: As :meth:`~querist.tuning.trial.Problem.read` takes.
        search: As :func:`~querist.tuning.search.make_search` takes, with ``options``: a short name
            or import path, or ``{"use": ..., "options": ...}``.
        parallel: How many runs are under way at most.
        runs: After so many trials nothing more is proposed; None for no end.
        about: ``rounds``, whether all runs end before further ones begin; ``seed``; ``cost``, the
            output that is a run's cost; ``begin``, points to try first; ``known``, trials from
            elsewhere as plain data.
    """

    def __init__(
        self,
        space: Mapping[str, Any],
        goal: Mapping[str, Any],
        search: Any = "gp",
        parallel: int = 1,
        runs: int | None = None,
        **about: Any,
    ) -> None:
        self._rounds = bool(about.pop("rounds", False))
        seed, self._cost, begin, known = _about(**about)
        self.problem = Problem.read(space, goal, runs, seed)
        self.space: Space = self.problem.space
        self.parallel, self._runs = parallel, runs
        self._use = search if isinstance(search, Mapping) else {"use": search}
        self._begin = [self.space.own(values) for values in begin]
        self._elsewhere = [Trial.of(told) for told in known]
        self._journal: Journal | None = None
        self._told: set[str] = set()  # to a live search, which cannot be made anew
        self._reset()

    def _reset(self) -> None:
        self._search: Search = make_search(
            self._use["use"], self.problem, self._use.get("options") or {}
        )
        self._known: dict[str, Trial] = {}
        self._busy: dict[int, Values] = {}
        self._asked: set[int] = set()
        self._counted = self._version = 0
        self._dry, self._enough = False, ""
        self._learn(self._elsewhere)

    def open(self, context: WorkerContext) -> None:
        """Take up what the run's journal knows already."""
        if context.run is not None:
            self._journal = Journal(context.run, Evidence(self.problem, self._cost))
            self._look(())
            for values in self._journal.evidence.pending:  # the controller asks these again itself
                self._occupy(values)

    def close(self) -> None:
        """Let the search release what it holds."""
        if isinstance(self._search, SupportsClose):
            self._search.close()

    # ------------------------------------------------------------------------------- generator

    @property
    def exhausted(self) -> bool:
        """Whether nothing more will be proposed."""
        return not self._busy and (self._dry or bool(self._enough) or self._room <= 0)

    @property
    def ended(self) -> str:
        """Why nothing more will be proposed; "" as long as something may be."""
        if not self.exhausted:
            return ""
        if self._room <= 0:
            return f"all {self._runs} runs are made"
        said = str(getattr(self._search, "ended", "")) if self._dry else self._enough
        return said or "every point that the search has was tried"

    @property
    def _room(self) -> float:
        """How many more runs may be begun in all."""
        left = np.inf if self._runs is None else self._runs - self._counted
        return float(left) - len(self._busy)

    def propose(self) -> Proposal:
        """Points for the walkers that are free, and those that wait to be predicted again."""
        free = 0 if self._rounds and self._busy else self.parallel - len(self._busy)
        wanted = int(min(free, self._room))
        if wanted > 0 and not self._dry and not self._enough:
            for values in self._next(wanted):
                self._occupy(values)
        new = [walker for walker in self._busy if walker not in self._asked]
        return self._proposal(new)

    def _proposal(self, walkers: Sequence[int]) -> Proposal:
        samples = [Sample.of(self.space.fields(self._busy[walker])) for walker in walkers]
        batch = Batch.from_samples(samples) if samples else Batch({})
        return Proposal(batch, np.array(walkers, np.int64))

    def _occupy(self, values: Values) -> None:
        walker = next(number for number in range(10**9) if number not in self._busy)
        self._busy[walker] = values

    def _next(self, count: int) -> list[Values]:
        tried = set(self._known) | {self.space.key(values) for values in self._busy.values()}
        fresh: list[Values] = []
        fresh += [v for v in self._begin if self.space.key(v) not in tried][:count]
        tried |= {self.space.key(values) for values in fresh}
        if len(fresh) < count:
            pending = [*self._busy.values(), *fresh]
            for told in self._search.ask(count - len(fresh), pending):
                values = self.space.own(told)
                if self.space.key(values) not in tried:
                    tried.add(self.space.key(values))
                    fresh.append(values)
        if not fresh and not self._busy:
            fresh += self._anything(tried)
        return fresh

    def _anything(self, tried: set[str]) -> list[Values]:
        """A search that has no new idea while nobody works: the end, or a point at random."""
        spare = RandomSearch(self.problem)
        spare.tried = tried
        found = [] if getattr(self._search, "knows_its_end", False) else spare.ask(1, [])
        self._dry = not found
        return found

    def observe(self, feedback: Feedback) -> None:
        """Results, and predictions that are trusted."""
        if feedback.prediction is None:
            self._asked |= set(feedback.walkers.tolist())
        elif len(feedback.walkers):
            self._predicted(feedback)
        version = int(feedback.info.get("version", self._version))
        if version > self._version:  # a newer model may trust what waits for an answer
            self._asked.clear()
        self._version = version
        self._look(feedback.answers)

    def _predicted(self, feedback: Feedback) -> None:
        assert feedback.prediction is not None
        mean = feedback.prediction.mean
        missing = [name for name in self.problem.wanted if name not in mean]
        if missing:
            raise ContractError(
                f"the study wants {missing}, but the model predicts {list(mean.columns)}."
            )
        rows = zip(feedback.walkers.tolist(), feedback.verdicts.verdict, strict=True)
        for row, (walker, verdict) in enumerate(rows):
            if verdict == Verdict.ASK:
                self._asked.add(walker)
            elif walker in self._busy and walker not in self._asked:
                held = {n: mean.columns[n].item(row) for n in self.problem.wanted}
                failure = "" if verdict == Verdict.TRUST else "the gate rejected it"
                outputs = numbers(held) if not failure else {}
                values = self._busy[walker]
                trial = Trial(values, outputs, 0.0, failure, origin="model")
                self._learn([self.problem.judged(trial)])

    def _look(self, answers: Sequence[AnsweredSample]) -> None:
        if self._journal is not None:
            self._learn(self._journal.news())
        for answer in answers:
            self._answered(answer)

    def _answered(self, answer: AnsweredSample) -> None:
        """What the journal does not tell: where there is none, or the question was dropped."""
        values = self._busy.get(answer.walker)
        if values is None or answer.sample.id != Sample.of(self.space.fields(values)).id:
            return
        outputs = numbers(answer.outputs or {})
        failure = "" if answer.outputs else "it has no answer"
        cost = outputs.get(self._cost)
        self._learn([self.problem.judged(Trial(values, outputs, cost, failure))])

    def _learn(self, trials: Sequence[Trial]) -> None:
        new = []
        for trial in trials:
            key = self.space.key(trial.settings)
            if key not in self._known:
                self._known[key] = trial
                new.append(trial)
                self._counted += trial.origin == "run"
            for walker in [w for w, v in self._busy.items() if self.space.key(v) == key]:
                del self._busy[walker]
                self._asked.discard(walker)
        if new:
            self._tell(new)
            self._dry = False
            self._enough = self.problem.enough(list(self._known.values()))

    def _tell(self, trials: Sequence[Trial]) -> None:
        """Tell the search results, a live one each of them once."""
        if not isinstance(self._use["use"], str):
            keys = {self.space.key(trial.settings): trial for trial in trials}
            trials = [trial for key, trial in keys.items() if key not in self._told]
            self._told |= set(keys)
        if trials:
            self._search.tell(trials)

    # ------------------------------------------------------------------------------- continuing

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """All trials that did not come from elsewhere, and what is under way."""
        elsewhere = {self.space.key(trial.settings) for trial in self._elsewhere}
        known = [trial.plain() for key, trial in self._known.items() if key not in elsewhere]
        busy = [[walker, dict(values)] for walker, values in self._busy.items()]
        told = {"trials": known, "busy": busy, "asked": sorted(self._asked)}
        return {"count": np.array(len(known))}, {**told, "version": self._version}

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Make the search anew and tell it all that is known."""
        found = [Trial.of(told) for told in data["trials"]]
        found += [] if self._journal is None else self._journal.evidence.trials
        pending = [] if self._journal is None else self._journal.evidence.pending
        self._reset()
        self._learn(found)
        if self._journal is None:
            self._busy = {int(walker): values for walker, values in data["busy"]}
            self._asked, self._version = set(data["asked"]), int(data["version"])
        for values in pending:
            self._occupy(values)


def _about(
    seed: int = 0, cost: str = "", begin: Sequence[Values] = (), known: Sequence[Any] = ()
) -> tuple[int, str, Sequence[Values], Sequence[Any]]:
    return seed, cost, begin, known
