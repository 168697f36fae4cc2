"""The gated callable: a model where it may answer, the simulation where it may not."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querist.accounting.notebook import card, facts
from querist.campaign.loading import checked
from querist.campaign.ranks import recruit
from querist.campaign.registry import target_of
from querist.core.answers import Failure, Label, Outcome, Reason
from querist.core.batch import Array, Batch
from querist.core.errors import ConfigError, QueristError, RunError
from querist.core.roles import Model
from querist.core.tasks import Factory
from querist.models.given import as_model
from querist.oracles.calculator import answering_calculator
from querist.store.errors import NotARun, RunExists
from querist.store.run_folder import RunFolder
from querist.surrogate import export
from querist.surrogate.answers import FAILED, LATE, MODEL, REFUSED, SIMULATION, Answers
from querist.surrogate.calling import Form, importable, oracle_of, require_same, returned
from querist.surrogate.deadline import Deadline, deadline_of
from querist.surrogate.earlier import Labels
from querist.surrogate.errors import Late, NoAnswer, Refused, SimulationFailed
from querist.surrogate.keeping import Keeper, Verdict
from querist.surrogate.record import CLOSED, Known
from querist.surrogate.settings import SurrogateSettings
from querist.surrogate.state import State
from querist.surrogate.telling import lines
from querist.surrogate.voices import AUTO, Tolerance
from querist.surrogate.working import EngineLike, Workshop, label_payload, outcome_of, simulations

KIND = "surrogate"
ORACLE = "simulation"
PROMISE = ("tolerance", "coverage", "confidence")
FREE = ("learn", "seed", "audit", "deadline")  # settings that may differ from those of the folder
REFUSAL = "the simulation is expected to fail for this input, and was not asked."
BELATED = "the simulation has not answered within the deadline; its answer is learned from."
CROWDED = "the simulation was not asked: it is still busy with earlier calls, which were late."
_ERRORS: dict[str, type[QueristError]] = {REFUSED: Refused, FAILED: SimulationFailed, LATE: Late}
COIN = 0x636F696E  # "coin", of its seed
UNPICKLED = (
    "a surrogate cannot be sent to other processes. Give it a folder and open that in each of them "
    "(Surrogate.open(folder, simulation)), or let it have workers: engine='processes' and many()."
)
OnAlarm = Callable[[Mapping[str, Any]], None]


class Kept(Enum):
    """Stands for an argument that is not given, where None means something."""

    KEPT = "what the folder has"


class Surrogate:
    """A simulation's stand-in, called like it.

    Each call is answered by the model where a calibrated gate says that its error stays within the
    tolerance, and by the simulation otherwise. Every answer of the simulation is kept, and either
    learned from or, by a coin that knows nothing of the input, kept apart to judge models. For
    exchangeable calls P(error <= tolerance | answered by the model) >= coverage, in the sense and
    by the theorem that stand in :mod:`querist.surrogate.gate`; ``docs/surrogates.md`` tells more.

    Safe to call from several threads; several processes may open one folder at once.

    Args:
        simulation: A function, an oracle, or "package.module:function"; None to answer by the model
            alone (:class:`~querist.surrogate.errors.NoAnswer` where it is not trusted).
        model: A model with uncertainty, its import path or factory; "auto" for a Gaussian process,
            or random features where there are many outputs or labels.
        tolerance: Largest error that is no error: a number, or by output.
        folder: Where all is kept, made where missing; None to keep it in memory only.
        engine: Where simulations and fits run: "inline", "processes", or a mapping of ``kind``,
            ``workers`` and options. With "mpi" all ranks run the script; rank 0 goes on, the others
            simulate for it and exit with it.
        on_alarm: Called with the alarm's data when drift is noticed by this process; with a
            deadline in the thread that waits for late simulations.
        labels: What a new surrogate begins to learn from, while its own calls alone judge it: a
            dataset, the folder of an earlier run, or a file of labelled samples.
        settings: Further fields of :class:`~querist.surrogate.settings.SurrogateSettings`.

    Raises:
        ConfigError: If a setting cannot be used, or the folder was made with other ones.

    Example:
        >>> square = Surrogate(lambda x: x**2, tolerance=0.1)
        >>> square(2.0), square.status()["answered_by_simulation"]
        (4.0, 1)
    """

    def __init__(
        self,
        simulation: Any,
        model: Any = AUTO,
        *,
        folder: Path | str | None = None,
        engine: EngineLike = "inline",
        on_alarm: OnAlarm | None = None,
        labels: Labels | None = None,
        **settings: Any,
    ) -> None:
        self.settings = checked(SurrogateSettings, settings, "a surrogate's settings")
        self._deadline = deadline_of(self.settings.deadline, engine)
        self._found = {"simulation": importable(simulation), "use": _name_of(model)}
        self._form, self._oracle = Form(simulation), oracle_of(simulation)
        self._lacking = Tolerance(self.settings.tolerance).lacking
        self._engine = _manned(engine)
        self.folder = None if folder is None else _opened(folder, self.settings, simulation, model)
        # Ranks are for simulations: one fit at a time needs none of its own.
        aside = "inline" if self._engine is not engine else engine
        self._keeper = Keeper(
            self.settings, _model_factory(model), self.folder, aside, on_alarm, labels
        )
        # The last word is the coin's own: trailing zeros are nothing to a seed, and inputs that are
        # drawn from default_rng(seed) would come of this very stream.
        self._rng = np.random.default_rng([self.settings.seed, *self._keeper.stream, COIN])
        self._workshops: list[Workshop] = []
        self._making = threading.Lock()
        self._end = weakref.finalize(self, _close, self._keeper, self._workshops, self._deadline)

    # -- calls ----------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Answer one call, with the arguments and the return value of the simulation.

        A :class:`~querist.core.batch.Batch` as the only argument is answered as by :meth:`ask`.

        Raises:
            SimulationFailed: The simulation was asked and failed.
            Refused: It was not asked, since it is expected to fail.
            Late: It has not answered within the deadline.
            NoAnswer: There is no simulation, and the model is not trusted.
        """
        if len(args) == 1 and isinstance(args[0], Batch):
            return self.ask(args[0])
        answers = self.ask(Batch.of([self._form.sample(args, kwargs)]))
        if not len(answers.answered):
            raise _ERRORS[str(answers.source[0])](answers.messages[0])
        return returned(answers.outputs.arrays(0))

    def many(self, **columns: ArrayLike) -> Answers:
        """Answer ``n`` calls: inputs as ``(n, ...)`` arrays by name."""
        return self.ask(Batch.stack(**columns))

    def ask(self, batch: Batch) -> Answers:
        """Answer ``n`` inputs; those of the simulation run together on the engine.

        Raises:
            NoAnswer: There is no simulation, and the model is not trusted for one of them.
        """
        began = time.monotonic()
        verdict = self._keeper.verdict(batch, None if self._oracle is None else self._rng)
        source = np.full(len(batch), SIMULATION, dtype="U10")
        source[verdict.by_model], source[verdict.refused] = MODEL, REFUSED
        messages = {int(i): REFUSAL for i in np.flatnonzero(verdict.refused)}
        rows: dict[int, Mapping[str, Array]] = {}
        asked = np.flatnonzero(source == SIMULATION)
        crowded = self._deadline is not None and self._deadline.crowded
        for i, outcome in () if crowded else self._in_time(batch, asked, verdict, began):
            if isinstance(outcome, Label):
                rows[i] = outcome.outputs
            else:
                source[i], messages[i] = FAILED, outcome.message
        late = np.array([i for i in asked if i not in rows and source[i] == SIMULATION], np.int64)
        if len(late):
            verdict = self._without(late, verdict)
            source[late] = np.where(verdict.by_model[late], MODEL, LATE)
            told = CROWDED if crowded else BELATED
            messages |= {int(i): told for i in late if not verdict.by_model[i]}
        answered, outputs = _together(verdict, rows)
        return Answers(source, answered, outputs, verdict.said.score, messages)

    def _in_time(
        self, batch: Batch, asked: NDArray[np.int64], verdict: Verdict, began: float
    ) -> Iterator[tuple[int, Outcome]]:
        if not len(asked):
            return iter(())
        # Copied: the caller may fill the same arrays anew for its next call.
        found = self._simulate(batch.take(asked), asked, verdict)
        if self._deadline is None or self._oracle is None:
            return found
        return self._deadline(found, len(asked), began)

    def _without(self, late: NDArray[np.int64], verdict: Verdict) -> Verdict:
        """The verdict, where the simulation is late: the model answers what was to be audited."""
        self._keeper.late(verdict, late)
        by_model = verdict.by_model.copy()
        by_model[late] = verdict.trusted[late]
        return replace(verdict, by_model=by_model)

    def _simulate(
        self, inputs: Batch, asked: NDArray[np.int64], verdict: Verdict
    ) -> Iterator[tuple[int, Outcome]]:
        samples = [inputs.sample(i) for i in range(len(inputs))]
        payloads = [label_payload(sample, ORACLE) for sample in samples]
        for number, done in self._workshop().run("label", payloads):
            index, outcome = int(asked[number]), self._judgeable(outcome_of(done))
            self._keeper.answered(samples[number].arrays, index, verdict, (outcome, done))
            yield index, outcome
        self._keeper.learn()

    def _judgeable(self, outcome: Outcome) -> Outcome:
        """A failure in place of a label that has no number to judge a model by."""
        why = self._lacking(outcome.outputs) if isinstance(outcome, Label) else ""
        return Failure(Reason.WRONG_SHAPE, why, transient=False) if why else outcome

    def _workshop(self) -> Workshop:
        with self._making:
            if self._oracle is None:
                raise NoAnswer(
                    "the model is not trusted for this input, and there is no simulation to ask; "
                    "give the surrogate its simulation."
                )
            if self._closed:
                raise RunError(CLOSED)
            if not self._workshops:
                self._workshops.append(simulations(self._engine, self._oracle))
            return self._workshops[0]

    # -- life -----------------------------------------------------------------------------------

    @classmethod
    def open(
        cls, folder: Path | str, simulation: Any = Kept.KEPT, model: Any = Kept.KEPT, **options: Any
    ) -> Surrogate:
        """Open a surrogate by its folder alone, with the settings that it was made with.

        Args:
            folder: Of the surrogate.
            simulation: By default that of the folder, where it can be imported; None to answer by
                the model alone.
            model: By default that of the folder; needed where it was given as a live object.
            options: ``engine`` and ``on_alarm``, as for the class.

        Raises:
            NotARun: If no surrogate lies there.
        """
        kept = kept_in(folder)
        return cls(
            kept["simulation"] if simulation is Kept.KEPT else simulation,
            kept["model"] if model is Kept.KEPT else model,
            folder=folder,
            **options,
            **kept["settings"],
        )

    def export(self, path: Path | str) -> None:
        """Write the model in force with its gate: ``.safetensors`` (any model) or ``.onnx``.

        An ONNX file computes the outputs, ``score`` and ``trusted``.

        Raises:
            RunError: If no model has passed its audits yet.
            ConfigError: If the suffix is neither, or the model cannot be written as ONNX.
        """
        held = self._keeper.exported()
        about = {**held.about, **self._found, "settings": self.settings.kept()}
        noisy = bool(getattr(self.model, "noisy", False))
        export.write(Path(path), export.Exported(about, held.states), noisy=noisy)

    @classmethod
    def load(
        cls, path: Path | str, simulation: Any = None, model: Any = None, **options: Any
    ) -> Surrogate:
        """A surrogate that answers by an exported model with its gate, and learns on.

        Its gate is trusted as proven, until audits here speak against it.

        Args:
            path: What :meth:`export` wrote.
            simulation: As for the class; None to answer by the model alone.
            model: As for the class; needed for a safetensors file of a live model.
            options: ``folder``, ``engine``, ``on_alarm`` and settings that are no promise.

        Raises:
            ConfigError: If options contradict the promise that the gate was made for, or the model
                stands in for another simulation.
            DamagedFile: If the file is none of a surrogate.
        """
        held = export.read(Path(path))
        kept = held.about["settings"]
        other = [k for k in PROMISE if k in options and options[k] != kept[k]]
        if other:
            raise ConfigError(f"the gate in {path} was made for another {other}; leave it out.")
        require_same(simulation, held.about.get("simulation"), path)
        use = held.about["use"] if model is None else model
        made = cls(simulation, use, **{**kept, **options})
        made._keeper.adopt(held)
        return made

    def calculator(self, properties: Sequence[str] = ("energy", "forces")) -> Any:
        """An ASE calculator for dynamics: each step is answered by the model or simulated.

        Steps of one trajectory are alike, so that the guarantee of the gate does not hold for them;
        its audits measure what does.

        Args:
            properties: Outputs of the simulation, of the atoms schema.

        Raises:
            MissingExtra: If ASE is not installed.
        """
        return answering_calculator(lambda sample: self(sample), properties)

    def status(self) -> dict[str, Any]:
        """What is known of it, JSON-able: counts, coverage with its interval, gate, alarms.

        Where no model is trusted, ``untrusted`` says why in words.
        """
        return self._keeper.status()

    def __reduce__(self) -> str:
        raise TypeError(UNPICKLED)

    def __repr__(self) -> str:
        told = self.status()
        calls = told["answered_by_model"] + told["answered_by_simulation"]
        where = "" if self.folder is None else f" in {self.folder.path}"
        return f"<Surrogate{where}: {told['answered_by_model']} of {calls} calls by the model>"

    def _repr_html_(self) -> str:
        """What is known of it, in a notebook."""
        return card(repr(self).strip("<>"), facts(lines(self.status())))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for simulations whose calls were late.

        Returns:
            Whether all of them ended within ``timeout`` seconds.
        """
        return self._deadline is None or self._deadline.wait(timeout)

    def learn(self) -> None:
        """Judge and fit what is due now, in this thread."""
        self._keeper.upkeep()

    @property
    def model(self) -> Model | None:
        """The model in force, or that was last; None while none was ever trusted."""
        voice = self._keeper.voice()
        return None if voice is None else voice.model

    def close(self) -> None:
        """Record what is pending and end the workers, late simulations with them (:meth:`wait`).

        The folder can be opened again.
        """
        self._end()

    @property
    def _closed(self) -> bool:
        return not self._end.alive

    def __enter__(self) -> Surrogate:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _close(keeper: Keeper, workshops: list[Workshop], deadline: Deadline | None) -> None:
    if deadline is not None:
        deadline.close()
    for workshop in workshops:
        workshop.close()
    if deadline is not None:
        deadline.wait()
    keeper.close()


def _manned(engine: EngineLike) -> EngineLike:
    """The engine; where it is MPI, with all ranks as its workers. The others leave the script here.

    Raises:
        RunError: If there is no MPI, or no rank beside this one.
    """
    ranks = recruit(engine)
    if not ranks:
        return engine
    told = engine if isinstance(engine, Mapping) else {"kind": "mpi"}
    return {"workers": ranks, **told}


def _model_factory(model: Any) -> Factory | None:
    model = as_model(model)
    if model is None or model == AUTO:
        return None
    named = isinstance(model, str) and ":" not in model
    try:
        factory = Factory(target_of("model", model)) if named else Factory.of(model)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if factory.is_live and not isinstance(factory.live, Model):
        raise ConfigError(
            f"model should be a model (predict, fit, load), its import path or 'auto', but is "
            f"{type(model).__name__}."
        )
    return factory


def _together(
    verdict: Verdict, rows: Mapping[int, Mapping[str, Array]]
) -> tuple[NDArray[np.int64], Batch]:
    """Numbers of the inputs that have an answer, and the outputs that all of these have."""
    by_model = np.flatnonzero(verdict.by_model)
    if verdict.said.mean is not None and len(by_model) == len(verdict.by_model):
        return by_model, verdict.said.mean
    numbers = np.concatenate([by_model, np.array(list(rows), np.int64)])
    shared = set.intersection(*map(set, rows.values())) if rows else set()
    simulated = Batch.of([{n: a for n, a in one.items() if n in shared} for one in rows.values()])
    if not len(by_model) or verdict.said.mean is None:
        order = np.argsort(numbers, kind="stable")
        return numbers[order], simulated.take(order)
    mean = verdict.said.mean.take(by_model)
    if not rows:
        return numbers, mean
    names = [name for name in mean.columns if name in simulated.columns]
    parts = [Batch({name: part.columns[name] for name in names}) for part in (mean, simulated)]
    order = np.argsort(numbers, kind="stable")
    return numbers[order], Batch.concatenate(parts).take(order)


def _name_of(model: Any) -> str | None:
    return model if isinstance(model, str) else None


def _opened(folder: Path | str, made: SurrogateSettings, simulation: Any, model: Any) -> RunFolder:
    """The folder, made where it is missing.

    Raises:
        ConfigError: If it was made with other settings.
    """
    path = Path(folder)
    if not (path / "manifest.json").exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        found = {"simulation": importable(simulation), "model": _name_of(model)}
        with suppress(RunExists):  # another process was faster
            return RunFolder.create(path, {"kind": KIND, **found, "settings": made.kept()})
    held = kept_in(path)
    require_same(simulation, held["simulation"], path)
    kept = SurrogateSettings.model_validate(held["settings"])
    differ = tuple(
        f"{name}: the folder has {getattr(kept, name)!r}, this call {getattr(made, name)!r}"
        for name in SurrogateSettings.model_fields
        if name not in FREE and getattr(kept, name) != getattr(made, name)
    )
    if differ:
        raise ConfigError(
            f"the surrogate in {path} was made with other settings. Take those, or another folder:",
            differ,
        )
    return RunFolder(path)


def kept_in(folder: Path | str) -> dict[str, Any]:
    """What a surrogate's folder says of it: ``simulation``, ``model`` and ``settings``.

    Raises:
        NotARun: If there is no surrogate.
    """
    kept = RunFolder(folder).config()
    if kept.get("kind") != KIND:
        raise NotARun(f"{folder} holds a run, but not of a surrogate. Give another folder.")
    return kept


def state_in(folder: Path | str) -> tuple[State, SurrogateSettings]:
    """The state of a surrogate's folder, read without opening it; also while others use it.

    Raises:
        NotARun: If there is no surrogate.
    """
    kept, state = kept_in(folder), State()
    for record in RunFolder(folder).journal_reader().read_new():
        state.take(Known(record.seq, record.kind, record.data, record.arrays, record.at))
    return state, SurrogateSettings.model_validate(kept["settings"])
