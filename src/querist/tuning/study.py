"""Studies: which settings of a simulation are best, found by running it as seldom as possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from querist.accounting.notebook import framed
from querist.campaign.campaign import Campaign, RunOptions, RunResult
from querist.campaign.loading import importable_again
from querist.campaign.settings import EngineSettings
from querist.core.errors import ConfigError
from querist.core.tasks import resolve
from querist.store.run_folder import RunFolder
from querist.tuning.evidence import Evidence, Journal
from querist.tuning.front import hypervolume
from querist.tuning.known import known_trials, require_same_units
from querist.tuning.recommending import recommended
from querist.tuning.search import said_of
from querist.tuning.settings import TUNER, StudySettings, campaign_of, load_study, parse_study
from querist.tuning.trial import Problem, Trial, described


@dataclass(frozen=True, slots=True)
class StudyResult:
    """A study that ended, or as far as it is.

    Attributes:
        folder: Of the run.
        problem: What was searched.
        trials: All runs, in the order in which they ended.
        known: What was known before.
        status: "finished", "stopped", "failed", or "" where it goes on.
        reason: Why it ended, a sentence.
        said: What a search that looks for no optimum says of the results.
    """

    folder: Path
    problem: Problem
    trials: tuple[Trial, ...]
    known: tuple[Trial, ...] = ()
    status: str = ""
    reason: str = ""
    said: str = ""

    @property
    def best(self) -> Trial | None:
        """The best trial that keeps all constraints, those known before included."""
        return self.problem.best([*self.known, *self.trials])

    @property
    def recommended(self) -> Trial | None:
        """Of noisy results the trial that is expected to be best, where :attr:`best` was lucky."""
        return recommended(self.problem, [*self.known, *self.trials])

    @property
    def cost(self) -> float:
        """What all runs cost together."""
        return sum(trial.cost or 0.0 for trial in self.trials)

    def curve(self) -> list[tuple[float, float | None]]:
        """After each run, the cost so far and the best objective so far (None before any).

        Of several objectives it is the hypervolume that the runs so far dominate.
        """
        progress = self.problem.progress([*self.known, *self.trials])[len(self.known) :]
        spent = np.cumsum([trial.cost or 0.0 for trial in self.trials]).tolist()
        return list(zip(spent, progress, strict=True))

    @property
    def front(self) -> list[Trial]:
        """Of several objectives, the trials that none other beats in all (Pareto's front)."""
        return self.problem.front([*self.known, *self.trials])

    def sentence(self) -> str:
        """Where it stands, one line."""
        failed = sum(bool(trial.failure) for trial in self.trials)
        told = f"{len(self.trials)} runs, {failed} failed"
        if self.known:
            told += f", {len(self.known)} known before"
        if self.said:
            return f"{told}; {self.said}"
        best = self.best
        if best is None:
            return f"{told}; {self._without_best()}"
        if self.problem.several:
            front = self.front
            volume = hypervolume(self.problem.losses(front), self.problem.reference)
            return f"{told}; {len(front)} on the front, hypervolume {volume:.6g}"
        value = best.outputs[self.problem.output]
        told = f"{told}; best {self.problem.output} {value:.6g}: {described(best.settings)}"
        rather = self.recommended
        if rather is None or rather is best:
            return told
        return f"{told}; if results are noisy, rather {described(rather.settings)}"

    def report(self, path: Path | str | None = None) -> Path:
        """Write the HTML report; into the run's folder by default."""
        written: Path = resolve("querist.tuning.showing:report_of_run")(self.folder, path)
        return written

    def plot(self, path: Path | str) -> Path:
        """Draw runs and the best so far against cost: a PNG, SVG or PDF."""
        drawn: Path = resolve("querist.tuning.showing:save_plot")(self, path)
        return drawn

    def __str__(self) -> str:
        return self.sentence()

    def __repr__(self) -> str:
        state = f"{self.status}, " if self.status else ""
        return f"<StudyResult in {self.folder}: {state}{len(self.trials)} runs>"

    def _repr_html_(self) -> str:
        """The report, in a notebook."""
        return framed(resolve("querist.tuning.showing:page_of_run")(self.folder))

    def _without_best(self) -> str:
        """Why there is no best trial."""
        every = (*self.known, *self.trials)
        if not every:
            return self.reason if self.status == "failed" else "nothing was run yet"
        if all(trial.failure for trial in every):
            return f"none gave a result, the last one: {every[-1].failure}"
        if self.problem.fidelity is not None and not any(map(self.problem.counts, every)):
            aim = self.problem.fidelity
            return f"none at the fidelity that counts yet ({aim.setting} {aim.target:g})"
        return "none keeps all constraints yet"


class Study:
    """A search for the best settings of a simulation, in as few runs of it as possible.

    It is a campaign whose generator proposes settings, and whose oracle runs the simulation.

    Args:
        settings: The settings, when they were made elsewhere; otherwise give them by name.
        values: Fields of :class:`~querist.tuning.settings.StudySettings`, those of ``study.yaml``.

    Raises:
        ConfigError: If something cannot be used; it names all of it.

    Example:
        >>> study = Study(
        ...     space={"cutoff": {"real": [0.7, 1.2]}},
        ...     minimise="seconds",
        ...     simulation=lambda cutoff: {"seconds": cutoff**2},
        ...     budget={"runs": 8},
        ...     engine="inline",
        ... )
        >>> study.run("runs/cutoff", progress=False).best.settings
        {'cutoff': 0.7}
    """

    def __init__(self, settings: StudySettings | None = None, **values: Any) -> None:
        self.settings = settings or parse_study(values, "the study")
        self._import_path: Path | None = None

    def __repr__(self) -> str:
        return f"Study(settings={self.settings!r})"

    @classmethod
    def load(cls, path: Path | str, *, engine: str | None = None) -> Study:
        """From ``study.yaml``.

        Args:
            path: The file.
            engine: Instead of the configured one.

        Raises:
            ConfigError: If it cannot be used.
        """
        settings = load_study(path)
        if engine is not None and engine != settings.engine.kind:
            kind = EngineSettings.model_validate({"kind": engine})
            settings = settings.model_copy(update={"engine": kind})
        study = cls(settings)
        study._import_path = Path(path).resolve().parent
        return study

    def known(self) -> list[Trial]:
        """What is known before it begins.

        Raises:
            ConfigError: If a file or folder of ``start`` cannot be used.
        """
        return self.known_with_count()[0]

    def known_with_count(self) -> tuple[list[Trial], int]:
        """As :meth:`known`, with how many observations were left out as outside of the space."""
        problem, cost = self.settings.problem(), self.settings.cost
        for path in self.settings.start:
            require_same_units(path, self.settings.units)
        read = [known_trials(path, problem, cost) for path in self.settings.start]
        return [trial for found, _ in read for trial in found], sum(out for _, out in read)

    def campaign(self, known: Sequence[Trial] = ()) -> Campaign:
        """The campaign that this study is, beginning with what is ``known``."""
        made = Campaign(campaign_of(self.settings, [trial.plain() for trial in known]))
        made._import_path = self._import_path
        return made

    def run(self, folder: Path | str | None = None, **how: Unpack[RunOptions]) -> StudyResult:
        """Run to the end; arguments and errors as of :meth:`querist.Campaign.run`."""
        known = self.known()
        return self._told(self.campaign(known).run(folder, **how), known)

    def resume(self, folder: Path | str | None = None, **how: Unpack[RunOptions]) -> StudyResult:
        """Continue after a stop or a crash; as :meth:`querist.Campaign.resume`.

        From the command line: ``querist resume FOLDER``.
        """
        path = Path(folder or self.settings.folder or Path("runs") / self.settings.name)
        known = list(study_of(path).known) if is_study(path) else self.known()
        return self._told(self.campaign(known).resume(folder, **how), known)

    def _told(self, ended: RunResult, known: Sequence[Trial]) -> StudyResult:
        problem = self.settings.problem()
        journal = Journal(ended.folder, Evidence(problem, self.settings.cost))
        trials, reason = tuple(journal.news()), ended.reason
        if ended.status == "finished" and problem.runs == len(trials):
            reason = f"all {problem.runs} runs are made"
        if ended.status == "finished":
            reason = problem.enough([*known, *trials]) or reason
        search = self.settings.search
        said = said_of(search.use, problem, search.options, [*known, *trials])
        return StudyResult(ended.folder, problem, trials, tuple(known), ended.status, reason, said)


def is_study(folder: Path | str) -> bool:
    """Whether a run is a study."""
    return _tuner(RunFolder(folder)) is not None


def study_of(folder: Path | str) -> StudyResult:
    """Where a study stands, read from its journal; also while it runs.

    Raises:
        ConfigError: If the run is no study.
    """
    found = RunFolder(folder)
    options = _tuner(found)
    if options is None:
        raise ConfigError(f"{found.path} is a run, but not of a study.")
    problem = Problem.read(options["space"], options["goal"], options["runs"], options["seed"])
    journal = Journal(found.path, Evidence(problem, options["cost"]))
    known = tuple(Trial.of(told) for told in options["known"])
    trials, search = tuple(journal.news()), options["search"]
    importable_again(found.config().get("import_path"))
    said = said_of(search.get("use"), problem, search.get("options") or {}, [*known, *trials])
    return StudyResult(found.path, problem, trials, known, said=said)


def _tuner(folder: RunFolder) -> Mapping[str, Any] | None:
    """The options of a study's tuner; one with a live search has no name, but the same options."""
    for role in folder.config().get("settings", {}).get("generators", []):
        options: Mapping[str, Any] = role.get("options") or {}
        if role.get("use") in (TUNER, "") and {"space", "goal", "search", "known"} <= set(options):
            return options
    return None
