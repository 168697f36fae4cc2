"""The public face of a campaign: assemble, run, resume, look at the result."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import Any, TypedDict

from querist.accounting.notebook import card, facts, framed
from querist.accounting.progress import ProgressState
from querist.accounting.report import Report, write_report
from querist.accounting.summary import Summary, SummaryBuilder
from querist.campaign import ranks
from querist.campaign.changed import changes, code_of_oracles
from querist.campaign.checking import require_sound
from querist.campaign.counts import told
from querist.campaign.driver import Driver, Outcome
from querist.campaign.ending import Ending
from querist.campaign.first_programs import full_names
from querist.campaign.labels import LabelReader
from querist.campaign.loading import load_settings, modules_of, parse_settings
from querist.campaign.models import loaded_model, model_of
from querist.campaign.placing import placed
from querist.campaign.restaffing import advised, as_it_ended, bounds_of, spare_pools
from querist.campaign.settings import CampaignSettings, EngineSettings, PlacementSettings
from querist.campaign.simulating import VIRTUAL, virtual_options
from querist.campaign.starting import starting_facts
from querist.campaign.watching import watcher
from querist.campaign.wiring import explorers_of, model_factory, plan, pools
from querist.control.controller import CampaignController
from querist.control.state import CampaignState
from querist.core.answers import Dataset
from querist.core.errors import ConfigError, RunError
from querist.core.events import Fact
from querist.core.roles import Engine, Model
from querist.engines import create, fitted
from querist.store.lock import WriterLock
from querist.store.run_folder import RunFolder

ATOMS_UNITS = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å³"}


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that ended.

    Attributes:
        folder: Where all of it lies.
        status: "finished", "stopped" or "failed".
        reason: Why it ended, a sentence.
        out_of_time: Whether it was stopped by its walltime or by SIGUSR1, and is to be resumed.
    """

    folder: Path
    status: str
    reason: str
    out_of_time: bool = False

    def require_finished(self) -> RunResult:
        """Itself, where the run finished: for scripts that must not go on without.

        Raises:
            RunError: If it failed or was stopped; the sentence says why, and what to do.
        """
        if self.status == "finished":
            return self
        named = quote(str(self.folder))
        if self.status == "failed":
            raise RunError(f"the run failed: {self.reason} (see: querist failures {named})")
        how = f"querist resume {named}, or resume instead of run in the script"
        raise RunError(f"the run was stopped: {self.reason} (continue with: {how})")

    def dataset(self) -> Dataset:
        """All labels, hold-out included."""
        return LabelReader(self.folder / "journal").all()

    def summary(self) -> Summary:
        """The one structure from which reports are drawn."""
        return summary_of(self.folder)

    def learning_curve(self, metric: str) -> list[tuple[int, float]]:
        """Labels that each model was fitted to, and its error on the hold-out.

        Args:
            metric: For example "y.mae" or "forces.rmse".

        Raises:
            RunError: If no model was evaluated, or not by this metric.
        """
        summary = self.summary()
        curve = summary["learning"]
        if not curve["metrics"]:
            raise RunError(f"there is no learning curve: {self._unmeasured(summary)}.")
        if metric not in curve["metrics"]:
            known = ", ".join(curve["metrics"])
            raise RunError(f"no model was evaluated by {metric!r}, only by {known}.")
        return list(zip(curve["labels"], curve["metrics"][metric], strict=True))

    def _unmeasured(self, summary: Summary) -> str:
        """Why no model was evaluated."""
        if summary["models"]["published"] and not summary["labels"]["by_purpose"].get("holdout"):
            return 'there was no hold-out (give "holdout": 0.1, or a test set)'
        what = "evaluated" if summary["models"]["published"] else "trained"
        return f"the run ended before a model was {what} ({self.status}: {self.reason})"

    def model(self) -> Model:
        """The newest model, loaded.

        Raises:
            RunError: If no model was trained, or if it was given as a live Python object (then
                use ``campaign.model(folder)``).
        """
        return model_of(self.folder)

    def report(self, path: Path | str | None = None) -> Path:
        """Write the HTML report; into the run's folder by default."""
        return report_of(self.folder, path)

    def _repr_html_(self) -> str:
        """The report, in a notebook."""
        return framed(page_of(self.folder))


class RunOptions(TypedDict, total=False):
    """What :meth:`Campaign.run` takes besides a folder, for what runs a campaign of its own."""

    progress: bool | str
    handle_signals: bool
    walltime: float | None


class Campaign:
    """Generators, a model, oracles and a policy, wired together, with a store.

    Roles are live objects, "package.module:Name" strings, built-in short names, or mappings with
    ``use`` and ``options``. All other settings are those of ``campaign.yaml``.

    Args:
        settings: The settings, when they were made elsewhere; otherwise give them by name.
        values: Fields of :class:`~querist.campaign.settings.CampaignSettings`; ``generator`` and
            ``oracle`` may stand for ``generators`` and ``oracles``, and ``output`` for
            ``gate={"output": ...}``.

    Raises:
        ConfigError: If a setting or role cannot be used; it names all of them.

    Example:
        >>> campaign = Campaign(
        ...     generator={"use": "uniform", "options": {"low": [0], "high": [3]}},
        ...     model="random_features",
        ...     oracle=lambda x: x[0] ** 2,
        ...     output="y",
        ...     budget={"labels": 20},
        ...     engine="inline",
        ... )
        >>> campaign.run("runs/square", progress=False).reason
        '20 labels (of 20)'
    """

    def __init__(self, settings: CampaignSettings | None = None, **values: Any) -> None:
        self._import_path: Path | None = None
        try:
            self.settings = settings or parse_settings(full_names(values), "the campaign")
            require_sound(self.settings)
        except ConfigError:
            ranks.attend_refused(values.get("engine") if settings is None else settings.engine)
            raise

    def __repr__(self) -> str:
        one = self.settings
        roles = [*one.generators, one.model, *one.oracles.values()]
        return f"<Campaign {one.name!r}: {', '.join(role.title for role in roles)}>"

    def _repr_html_(self) -> str:
        """What it is made of, in a notebook."""
        settings = self.settings
        roles = {"model": settings.model, **{f"oracle {k}": v for k, v in settings.oracles.items()}}
        rows = [(f"generator {n}", one.title) for n, one in enumerate(settings.generators, 1)]
        rows += [(name, role.title) for name, role in roles.items()]
        budget = settings.budget.model_dump(exclude_none=True, exclude_defaults=True)
        rows += [("engine", settings.engine.kind)]
        rows += [(f"budget: {name}", str(limit)) for name, limit in budget.items()]
        return card(f"Campaign {settings.name}", facts(rows))

    @classmethod
    def load(cls, path: Path | str, *, engine: str | None = None) -> Campaign:
        """From ``campaign.yaml``.

        Args:
            path: The file.
            engine: Instead of the configured one.

        Raises:
            ConfigError: If it cannot be used.
        """
        campaign = cls(_on(load_settings(path), engine))
        campaign._import_path = Path(path).resolve().parent
        return campaign

    @classmethod
    def of_run(cls, folder: Path | str, *, engine: str | None = None) -> Campaign:
        """The campaign of an existing run, from the configuration kept in its folder.

        Args:
            folder: Of the run.
            engine: Instead of the configured one.

        Raises:
            RunError: If it was made from live Python objects.
        """
        kept = RunFolder(folder).config()
        if kept["live"]:
            raise RunError(
                f"this run was made from live Python objects ({', '.join(kept['live'])}), which "
                "cannot be made anew from its folder. Run the same script again with "
                "campaign.resume(folder) instead of campaign.run(folder); a study's, study.resume."
            )
        with modules_of(kept["import_path"]) as modules:
            campaign = cls(_on(parse_settings(kept["settings"], f"{folder}/config.json"), engine))
        campaign._import_path = modules
        return campaign

    # ---------------------------------------------------------------------------- run, resume

    def run(
        self,
        folder: Path | str | None = None,
        *,
        progress: bool | str = True,
        handle_signals: bool = True,
        walltime: float | None = None,
    ) -> RunResult:
        """Run to the end.

        With the engine "mpi" all ranks call this. It returns on rank 0; the others work, and exit
        when rank 0's process does.

        Args:
            folder: Of the new run; by default the one in the settings, or ``runs/<name>``.
            progress: Show progress on standard error: True, False, "plain" or "live".
            handle_signals: Let Ctrl-C, SIGTERM and SIGUSR1 end the run in order (main thread only).
            walltime: Seconds after which the process will be ended from outside. The run ends in
                order before: a twentieth of this earlier, but 10 to 60 seconds (at most half).

        Raises:
            RunExists: If the folder holds a run already.
            RunError: If the campaign cannot start.
        """
        settings = ranks.attend(self.settings)
        placed(settings, pools(settings))  # before there is a folder
        ending = Ending(handle_signals, walltime)
        path = Path(folder or self.settings.folder or Path("runs") / self.settings.name)
        made = RunFolder.create(path, self._kept(), seeds={"seed": self.settings.seed})
        with made.lock() as lock:
            return self._drive(settings, made, lock, _Manner(progress, ending))

    def resume(
        self,
        folder: Path | str | None = None,
        *,
        progress: bool | str = True,
        handle_signals: bool = True,
        walltime: float | None = None,
    ) -> RunResult:
        """Continue a run after a stop or a crash of anything at any moment.

        Args:
            folder: Of the run; by default as for :meth:`run`.
            progress: As for :meth:`run`.
            handle_signals: As for :meth:`run`.
            walltime: As for :meth:`run`.

        Raises:
            NotARun: If there is no run in the folder.
            RunLocked: If another process runs it.
        """
        settings = ranks.attend(self.settings)
        ending = Ending(handle_signals, walltime)
        path = Path(folder or self.settings.folder or Path("runs") / self.settings.name)
        found = RunFolder(path)
        with found.lock() as lock:
            settings = as_it_ended(self.settings, settings, found)
            return self._drive(settings, found, lock, _Manner(progress, ending))

    def _drive(
        self, settings: CampaignSettings, folder: RunFolder, lock: WriterLock, manner: _Manner
    ) -> RunResult:
        controller, kept = _prepared(settings, folder)
        state = controller.state
        engine = self._engine(folder, state.now)
        specs = placed(settings, fitted(engine, pools(settings)))
        staffing = told(self.settings, settings)
        header = _header(settings, {spec.name: spec.count for spec in specs}, staffing)
        bounds = bounds_of(self.settings, settings)
        if bounds is not None:
            spare = spare_pools(settings, bounds)
            specs = [*specs, *spare]
            header |= {"spare": [spec.name for spec in spare], "least": dict(bounds.least)}
        shown = watcher(manner.progress, self._progress_state(controller))
        try:
            driver = Driver(folder, controller, engine, lock, header, shown)
            with manner.ending.watched(driver.interrupt):
                said = [("warning", each) for each in changes(folder.config(), self.settings)]
                said += [("info", f"workers shared out: {staffing}")] if staffing else []
                for level, sentence in said:
                    shown.say(level, sentence)
                engine.start(specs)
                controller.requeue(*kept)
                with advised(folder, controller.plan, bounds):
                    outcome = driver.run()
        finally:
            engine.close(grace=1.0)
            shown.close()
        late = manner.ending.out_of_time and outcome.status == "stopped"
        return replace(self._conclude(folder, outcome), out_of_time=late)

    def _conclude(self, folder: RunFolder, outcome: Outcome) -> RunResult:
        reason = outcome.reason
        try:
            summary_of(folder.path).save(folder.path / "summary.json")
        except OSError as error:
            # It only repeats what the journal says, and a full disk has been reported already.
            if outcome.status != "failed":
                reason = f"{reason} (summary.json could not be written: {error.strerror})"
        return RunResult(folder.path, outcome.status, reason)

    def _engine(self, folder: RunFolder, now: float) -> Engine:
        options = {
            "run": folder.path,
            "scratch": folder.scratch,
            "seed": self.settings.seed,
            "start_at": now,
        }
        given = self.settings.engine
        more = virtual_options(self.settings) if given.kind == VIRTUAL else given.options
        engine: Engine = create(given.kind, **{**options, **more})
        return engine

    def _progress_state(self, controller: CampaignController) -> ProgressState:
        known = controller.state
        ledger = known.ledger  # its limits are those in force, `querist set` included
        labels = int(ledger.label_limit) if math.isfinite(ledger.label_limit) else None
        cost = ledger.cost_limit if math.isfinite(ledger.cost_limit) else None
        state = ProgressState(labels, cost, controller.plan.error_metric)
        state.labels, state.cost = ledger.labels, ledger.cost
        state.failures, state.quarantined = known.failed_tries, known.quarantined
        state.version = known.model.version
        return state

    def _kept(self) -> dict[str, Any]:
        return {
            "settings": self.settings.model_dump(mode="json"),
            "live": self.settings.live_roles,
            "import_path": None if self._import_path is None else str(self._import_path),
            "code": code_of_oracles(self.settings),
        }

    # ---------------------------------------------------------------------------------- model

    def model(self, folder: Path | str) -> Model:
        """The newest model of a run, loaded.

        Raises:
            RunError: If no model was trained yet.
        """
        return loaded_model(RunFolder(folder), model_factory(self.settings))


def _on(settings: CampaignSettings, engine: str | None) -> CampaignSettings:
    """With another engine; the options of the configured one are kept only if it is the same.

    What was split over MPI ranks is colocated elsewhere: generators find their states by name.
    """
    if engine is None or engine == settings.engine.kind:
        return settings
    update: dict[str, Any] = {"engine": EngineSettings.model_validate({"kind": engine})}
    if engine != "mpi" and settings.placement.kind == "split":
        update |= {"placement": PlacementSettings(), "explorers": explorers_of(settings)}
    return settings.model_copy(update=update)


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a run is shown, and when it ends from outside."""

    progress: bool | str
    ending: Ending


def _prepared(
    settings: CampaignSettings, folder: RunFolder
) -> tuple[CampaignController, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The run's controller, after what the campaign starts from was recorded."""
    controller, kept = restored_controller(settings, folder)
    if controller.state.epoch >= 0:
        return controller, kept
    # Never begun. A run that was killed while it was prepared has the first of these facts.
    facts = starting_facts(settings.start, folder)
    append_facts(folder, islice(facts, controller.desk.seq, None))
    return restored_controller(settings, folder)


def restored_state(
    settings: CampaignSettings, folder: RunFolder, up_to: int | None = None
) -> tuple[CampaignState, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The fold of a run's snapshot and of the facts after it, with the snapshot itself."""
    state = CampaignState(plan(settings))
    snapshot = folder.snapshots.latest(up_to)
    data, arrays = ({}, {}) if snapshot is None else (snapshot.state, snapshot.arrays)
    if snapshot is not None:
        state.restore(data, arrays)
    for record in folder.journal_reader(after=snapshot.seq if snapshot else 0).read_new():
        state.fold(Fact(record.kind, record.data, record.arrays))
    return state, (data, arrays)


def restored_controller(
    settings: CampaignSettings, folder: RunFolder
) -> tuple[CampaignController, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """A controller that continues where the journal ends; the caller holds the lock."""
    writer = folder.journal_writer()  # truncates a torn tail
    seq = writer.last_seq
    writer.close()
    state, kept = restored_state(settings, folder, seq)
    for question in state.open.values():
        if (name := question.question.oracle) not in settings.oracles:
            raise RunError(
                f"this run asked the oracle {name!r} questions that are still open, but the "
                f"campaign has only {', '.join(map(repr, settings.oracles))}; keep its name."
            )
    return CampaignController(state.plan, state, seq), kept


def append_facts(folder: RunFolder, facts: Iterator[Fact]) -> int:
    """Append facts durably; the caller holds the lock. Returns how many there were."""
    count = 0
    writer = folder.journal_writer()
    try:
        for fact in facts:
            writer.append(fact.kind, fact.data, fact.arrays)
            count += 1
        writer.flush()
        return count
    finally:
        writer.close()


def _header(settings: CampaignSettings, counts: Mapping[str, int], staffing: str) -> dict[str, Any]:
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "wall": time.time(),
        "engine": settings.engine.kind,
        "pools": dict(counts),
        "staffing": staffing,
        "host": platform.node(),
        "cores": own,
        "pid": os.getpid(),
    }


def summary_of(folder: Path | str) -> Summary:
    """The summary of a run, read from its journal, also while it runs."""
    found = RunFolder(folder)
    builder = SummaryBuilder(found.run_id)
    for record in found.journal_reader().read_new():
        builder.add(record)
    return builder.build()


def page_of(folder: Path | str, extra: Mapping[str, Any] | None = None) -> str:
    """The HTML report of a run, as text; ``extra`` as for ``write_report``."""
    found = RunFolder(folder)
    units, settings = _told(found)
    more = {**(extra or {}), "Configuration": settings}
    return Report(summary_of(folder), units, more).html()


def _told(found: RunFolder) -> tuple[dict[str, str], Mapping[str, Any]]:
    settings = found.config()["settings"]
    return {**ATOMS_UNITS, **settings.get("units", {})}, settings


def report_of(
    folder: Path | str, path: Path | str | None = None, extra: Mapping[str, Any] | None = None
) -> Path:
    """Write the HTML report of a run, also while it runs; ``extra`` as for ``write_report``."""
    found = RunFolder(folder)
    target = Path(path) if path is not None else found.path / "report.html"
    units, settings = _told(found)
    more = {**(extra or {}), "Configuration": settings}
    return write_report(summary_of(folder), target, units, more)
