"""The file of a study: one schema for Python and YAML, which refuses what it does not know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from querist.campaign.loading import checked, importable
from querist.campaign.settings import (
    AllocationSettings,
    CampaignSettings,
    EngineSettings,
    OracleSettings,
    RetrySettings,
    Settings,
)
from querist.campaign.simulating import VIRTUAL
from querist.campaign.yaml_file import read_yaml
from querist.core.errors import ConfigError
from querist.tuning.candidates import read_candidates, space_of
from querist.tuning.space import Space
from querist.tuning.trial import Problem

ORACLE = "simulation"
TUNER = "querist.tuning.tuner:Tuner"
SIMULATION = "querist.tuning.simulation:Simulation"
PLAIN = {"function", "outputs", "validator"}  # options of a function that gets plain values
PLENTY = 10**9  # questions before a model that there never is
LIVE_OPTIONS = object()  # a search by name whose options hold Python objects


class SearchSettings(Settings):
    """Which search, with its options."""

    use: str = "gp"
    options: dict[str, Any] = Field(default_factory=dict)
    live: Any = Field(default=None, exclude=True, repr=False)


class StudyBudget(Settings):
    """What may be spent: runs (failed ones count), cost, seconds of wall time."""

    runs: int | None = Field(default=None, ge=1)
    cost: float | None = Field(default=None, gt=0)
    seconds: float | None = Field(default=None, gt=0)


class FidelitySettings(Settings):
    """The setting that says how good and how dear a run is, and its value that counts."""

    setting: str
    target: float


class StopSettings(Settings):
    """When enough is found; see :class:`~querist.tuning.aims.StopRule`."""

    target: float | None = None
    patience: int | None = Field(default=None, ge=1)
    gain: float = Field(default=0.0, ge=0)


def _search(value: Any) -> Any:
    """A name, or a mapping; any object is a live search, and so is one in a mapping's options."""
    if isinstance(value, str):
        return {"use": value}
    if value is None or isinstance(value, Settings):
        return value
    if isinstance(value, dict):
        is_plain = _plain(value.get("options", {}))
        return value if is_plain or "live" in value else {**value, "live": LIVE_OPTIONS}
    return {"live": value}


def _plain(value: Any) -> bool:
    """Whether a file could hold it."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(one) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_plain, value))
    return value is None or isinstance(value, (str, int, float, bool))


def _simulation(value: Any) -> Any:
    """A function, or "module:function", is the oracle "function"."""
    if isinstance(value, str) and ":" in value:
        return {"use": "function", "options": {"function": value}}
    if isinstance(value, str) or value is None or isinstance(value, (dict, Settings)):
        return {"use": value} if isinstance(value, str) else value
    if hasattr(value, "answer"):
        return {"live": value}
    return {"use": "function", "options": {"function": value}}


def _candidates(value: Any) -> Any:
    """A file or rows; of a data frame its rows."""
    if hasattr(value, "to_dicts"):  # of polars
        return tuple(value.to_dicts())
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return tuple(value.to_dict("records"))
    if not isinstance(value, str | Path | list | tuple):
        raise ValueError(f"wants a file, a list of mappings or a data frame, got {value!r:.200}")
    return value


def _kind(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


class StudySettings(Settings):
    """All of a study. Each field is a key of ``study.yaml``.

    ``space`` maps names to settings; ``candidates`` is a file of points, a list or a data frame,
    and no others may be chosen (then ``space`` may be left out); ``where`` bounds sums of settings.
    ``minimise`` and ``maximise`` name an output, or several with their ``reference``;
    ``constraints`` bounds outputs; ``errors`` says which outputs are standard errors of which;
    ``stop`` says when enough is found; ``optimum`` is the best value that can be, where that is
    known. ``begin`` are points to try first, ``start`` files or folders of runs with what is known
    already.
    """

    name: str = "study"
    folder: Path | None = None
    seed: int = Field(default=0, ge=0)
    engine: Annotated[EngineSettings, BeforeValidator(_kind)] = Field(
        default_factory=EngineSettings
    )
    space: dict[str, Any] = Field(default_factory=dict)
    candidates: Annotated[Path | tuple[dict[str, Any], ...], BeforeValidator(_candidates)] = ()
    where: tuple[str, ...] = ()
    minimise: str | tuple[str, ...] = ""
    maximise: str | tuple[str, ...] = ""
    reference: dict[str, float] = Field(default_factory=dict)
    constraints: dict[str, dict[str, float]] = Field(default_factory=dict)
    errors: dict[str, str] = Field(default_factory=dict)
    fidelity: FidelitySettings | None = None
    stop: StopSettings = Field(default_factory=StopSettings)
    optimum: float | None = None
    simulation: Annotated[OracleSettings, BeforeValidator(_simulation)]
    cost: str = ""
    search: Annotated[SearchSettings, BeforeValidator(_search)] = Field(
        default_factory=SearchSettings
    )
    ahead: int = Field(default=0, ge=0)
    batch: int = Field(default=0, ge=0)
    begin: tuple[dict[str, Any], ...] = ()
    start: tuple[Path, ...] = ()
    budget: StudyBudget = Field(default_factory=StudyBudget)
    retry: RetrySettings = Field(default_factory=lambda: RetrySettings(timeouts=False))
    allocation: AllocationSettings = Field(default_factory=AllocationSettings)
    units: dict[str, str] = Field(default_factory=dict)

    @field_validator("start", "where", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, (str, Path)) else value

    @model_validator(mode="after")
    def _sense(self) -> StudySettings:
        problem = self.problem()  # raises with what is wrong
        for values in self.begin:
            try:
                problem.space.own(values)
            except ConfigError as error:
                raise ValueError(f"begin: {values}: {error}") from error
        if not isinstance(self.simulation.workers, int):
            raise ValueError("simulation.workers of a study is a number: runs that go on at once")
        if self.batch and self.ahead:
            raise ValueError("batch: a round waits for all of its runs, so that none waits ahead")
        if self.budget == StudyBudget() and problem.space.size == math.inf:
            raise ValueError("the study would never end; give a budget: runs, cost or seconds")
        return self

    def problem(self) -> Problem:
        """What is searched.

        Raises:
            ValueError: If space, objective or constraints cannot be used.
        """
        same = ("minimise", "maximise", "reference", "constraints", "where", "errors", "optimum")
        goal: dict[str, Any] = {name: getattr(self, name) for name in same}
        goal |= {"stop": self.stop.model_dump()}
        goal |= {"fidelity": self.fidelity.model_dump() if self.fidelity else None}
        try:
            rows = self.candidates
            if isinstance(rows, Path):
                rows = tuple(read_candidates(rows))
            space = Space.of(self.space or (space_of(rows) if rows else {}))
            return Problem.read(space, {**goal, "candidates": rows}, self.budget.runs, self.seed)
        except ConfigError as error:
            raise ValueError(str(error)) from error


def campaign_of(settings: StudySettings, known: list[dict[str, Any]]) -> CampaignSettings:
    """The campaign that a study is: a tuner, no model, the simulation as its only oracle.

    Args:
        settings: Of the study.
        known: Trials from elsewhere, as plain data.

    Raises:
        ConfigError: If the search cannot be used.
    """
    problem, budget = settings.problem(), settings.budget
    workers = settings.simulation.workers
    parallel = settings.simulation.outside or (workers if isinstance(workers, int) else 1)
    live = _checked_search(settings.search, problem)
    tuner = {
        "space": problem.space.plain(),
        "goal": problem.goal(),
        "search": {"use": settings.search.use, "options": settings.search.options},
        "parallel": settings.batch or parallel + settings.ahead,
        "rounds": settings.batch > 0,
        "runs": budget.runs,
        "seed": settings.seed,
        "cost": settings.cost,
        "begin": [dict(values) for values in settings.begin],
        "known": known,
    }
    limits = {"labels": budget.runs, "cost": budget.cost, "seconds": budget.seconds}
    size = None if math.isinf(problem.space.size) else int(problem.space.size)
    same = ("name", "folder", "seed", "engine", "allocation", "retry", "units")
    values: dict[str, Any] = {name: getattr(settings, name) for name in same}
    values |= {
        "generators": (_tuner_role(tuner, live),),
        "model": {"use": "random_features"},  # never fitted
        "trainers": 0,
        "oracles": {ORACLE: _oracle(settings, problem)},
        "gate": {"output": problem.output},
        "initial": PLENTY,
        "holdout": 0.0,
        "budget": {**limits, "labels": budget.runs or size},
    }
    return CampaignSettings(**values)


def _checked_search(search: SearchSettings, problem: Problem) -> Any:
    """The search that was given as a Python object; None where a file could say it.

    Raises:
        ConfigError: If that of the file could not be made in its worker.
    """
    from querist.tuning.search import check_search, make_search

    if search.live is None:
        return check_search(search.use, problem, search.options)
    if search.live is LIVE_OPTIONS:
        return make_search(search.use, problem, search.options)
    return make_search(search.live, problem)


def _tuner_role(options: dict[str, Any], live: Any) -> Any:
    if live is None:
        return {"use": TUNER, "options": options}
    from querist.tuning.tuner import Tuner

    # Beside the object its options are kept in the run's folder, for those who only read that.
    told = {**options, "search": {"live": type(live).__name__}}
    return {"live": Tuner(**{**options, "search": {"use": live}}), "options": told}


def _oracle(settings: StudySettings, problem: Problem) -> Any:
    told = settings.simulation.model_dump(exclude={"live"})
    told["live"] = settings.simulation.live
    function = told["options"].get("function")
    if told["use"] != "function" or not {"function"} <= set(told["options"]) <= PLAIN:
        return told
    options = {
        **told["options"],
        "space": problem.space.plain(),
        "output": problem.output,
        "cost": settings.cost,
        "timed": settings.engine.kind != VIRTUAL,
    }
    if isinstance(function, str):
        return {**told, "use": SIMULATION, "options": options}
    from querist.tuning.simulation import Simulation

    return {**told, "use": "", "options": {}, "live": Simulation(**options)}


def load_study(path: Path | str) -> StudySettings:
    """Read ``study.yaml``; modules beside it can be imported, relative paths are relative to it.

    Raises:
        ConfigError: With every problem found.
    """
    path = Path(path)
    config = read_yaml(path)
    folder = path.resolve().parent
    importable(folder)
    return parse_study(config, str(path), folder)


def parse_study(config: Any, where: str, folder: Path | None = None) -> StudySettings:
    """Settings of a study from a mapping.

    Args:
        config: What the file holds.
        where: Its name, for errors.
        folder: What ``start`` is relative to.

    Raises:
        ConfigError: With every problem found.
    """
    if not isinstance(config, Mapping):
        raise ConfigError(f"{where} should hold a mapping of settings, got {config!r}.")
    located = dict(config)
    start = located.get("start", ())
    if folder is not None and isinstance(located.get("candidates"), str):
        located["candidates"] = str(folder / located["candidates"])
    if folder is not None and start:
        several = [start] if isinstance(start, (str, Path)) else list(start)
        located["start"] = [str(folder / str(one)) for one in several]
    return checked(StudySettings, located, where)
