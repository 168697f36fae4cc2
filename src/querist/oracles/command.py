"""An external command as an oracle: files in, a process, files out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from querist.core.answers import Failure, Outcome, Reason
from querist.core.batch import Batch, Sample
from querist.core.errors import ConfigError, OracleRejected
from querist.core.roles import TaskContext, Validator
from querist.core.tasks import ONE_CORE, Resources
from querist.oracles import folders
from querist.oracles.allocation import Share
from querist.oracles.checks import (
    CANCELLED,
    AnswerCheck,
    Field,
    Outputs,
    callable_of,
    declared,
    failure_of,
)
from querist.oracles.guarded import STDERR, STDOUT, Command, Ended, in_words, run_guarded, tail
from querist.oracles.inputs import check_name, fill, variables, writer_of
from querist.oracles.streams import Stream

Parser = Callable[[Path], Mapping[str, Any]]
KEEP = ("all", "failed", "none")

_REASONS = {
    "start": Reason.RAISED,
    "timeout": Reason.TIMEOUT,
    "memory": Reason.MEMORY,
    "stopped": Reason.CANCELLED,
    "guard": Reason.RAISED,
    "ended": Reason.EXIT_CODE,
}


def parse_json(path: Path) -> dict[str, Any]:
    """Named numbers and nested lists of a JSON object."""
    held = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(held, dict):
        raise OracleRejected(f"{path.name} should hold a JSON object, but holds {type(held)}.")
    return held


def parse_npz(path: Path) -> dict[str, Any]:
    """Named arrays of an npz file; nothing is unpickled."""
    with np.load(path, allow_pickle=False) as held:
        return {name: held[name] for name in held.files}


PARSERS: Mapping[str, Parser] = {"json": parse_json, "npz": parse_npz}


@dataclass(eq=False)
class CommandOracle:
    """Runs one command a sample, each in a folder of its own.

    Nothing that the command starts outlives it, a time limit, a cancellation, or the death of this
    process; see :mod:`querist.oracles.guarded`.

    Attributes:
        command: Program and arguments, each a template (``$name``, see
            :func:`~querist.oracles.inputs.variables`; also ``$folder`` and ``$threads``). With
            ``shell`` it is one string for ``/bin/sh``, and what is filled in is quoted.
        templates: File name to template text, written before the command starts.
        template_files: File name to the path of a template.
        files: File name to format: "extxyz", "json", "npz" or "npy:field".
        parse: "json", "npz", a function or "module:function". By name it reads the file ``output``
            into named arrays; a function gets the folder's path.
        output: The file that ``parse`` reads; "output.json" or "output.npz" unless given,
            "stdout.txt" for what the command prints.
        timeout: Seconds for one sample, None for no limit.
        memory_mb: Resident MiB of the whole process tree, None for no limit (Linux).
        environment: Added to this process's environment.
        keep: Which task folders stay: "all", "failed" or "none".
        folder: Where they stay; by default ``commands`` in the run's folder, or in the scratch.
        shell: Whether to use a shell.
        level: Level of theory or fidelity.
        cost: Cost of one answer, where it is known beforehand.
        outputs: Declared outputs, see :class:`~querist.oracles.checks.Field`.
        validator: Returns the sentence that refuses an answer, or None.
        resources: What one call needs; in a campaign, what the oracle's ``resources`` say. Its
            memory and wall time are limits like ``memory_mb`` and ``timeout``; state each once.
        stream: A file to which the command appends JSON objects, one a line, while it runs; they
            are sent on as the task's progress.
        checkpoint: Pattern of the command's own checkpoints, relative to its folder. The folder
            then stays until there is an answer, whoever is killed, and the next try runs in it;
            ``$checkpoint`` and QUERIST_CHECKPOINT are the newest match's path, or empty.
        keep_files: Large outputs that stay where they are: output name to the pattern of one file
            or folder. The output is its URI, a text.
    """

    launches: ClassVar[bool] = False  # programs of several ranks
    needs_share: ClassVar[bool] = False  # of this job's allocation

    command: Sequence[str] | str
    templates: Mapping[str, str] = field(default_factory=dict)
    template_files: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    parse: str | Parser = "json"
    output: str = ""
    timeout: float | None = None
    memory_mb: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    keep: str = "failed"
    folder: str | None = None
    shell: bool = False
    level: str = ""
    cost: float | None = None
    outputs: Outputs = None
    validator: Validator | str | None = None
    resources: Resources = ONE_CORE
    stream: str = ""
    checkpoint: str = ""
    keep_files: Mapping[str, str] = field(default_factory=dict)
    _texts: dict[str, str] = field(init=False, repr=False)
    _parser: Parser = field(init=False, repr=False)
    _check: AnswerCheck = field(init=False, repr=False)
    _share: Share | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.command, str) != self.shell or not self.command:
            raise ConfigError(
                "a command is a list of program and arguments, or with shell=True one string; "
                f"got {self.command!r} with shell={self.shell}."
            )
        if self.keep not in KEEP:
            raise ConfigError(f"keep is one of {list(KEEP)}, not {self.keep!r}.")
        patterns = (self.stream or "-", self.checkpoint or "-", *self.keep_files.values())
        for name in (*self.templates, *self.template_files, *self.files, *patterns):
            check_name(name)
        self._texts = {**self.templates, **_read(self.template_files)}
        for kind in self.files.values():
            writer_of(kind)
        self._parser = self._parser_of(self.parse)
        validator = self.validator and callable_of(self.validator, "a validator")
        fields = declared(self.outputs)
        if fields:
            fields |= dict.fromkeys(self.keep_files, Field(()))
        self._check = AnswerCheck(fields, validator or None, self.level, self.cost)

    def _parser_of(self, parse: str | Parser) -> Parser:
        if isinstance(parse, str) and parse in PARSERS:
            name, read = check_name(self._output), PARSERS[parse]
            return lambda folder: read(folder / name)
        if isinstance(parse, str) and ":" not in parse:
            raise ConfigError(f"no parser {parse!r}; known are {sorted(PARSERS)}.")
        return callable_of(parse, "the parser of a command")

    @property
    def _output(self) -> str:
        """The file that a parser by name reads."""
        return self.output or f"output.{self.parse}"

    def place(self, resources: Resources | None, share: Share | None) -> None:
        """What a campaign says of each simulation: its resources, and this worker's share."""
        self.resources = self.resources if resources is None else resources
        self._share = share

    @property
    def _lasts(self) -> bool:
        """Whether a question has one folder over all tries."""
        return bool(self.checkpoint)

    def answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        """One outcome a sample; a cancellation ends the command that runs."""
        return [
            CANCELLED if context.should_stop() else self._answer_one(sample, context)
            for sample in samples.samples()
        ]

    def _answer_one(self, sample: Sample, context: TaskContext) -> Outcome:
        folder = self._folder(sample, context)
        return self._settle(self._guarded(sample, folder, context), folder, sample, context)

    def _folder(self, sample: Sample, context: TaskContext) -> Path:
        if self._lasts:
            recipe = [self.command, self._texts, dict(self.files)]
            recipe += [dict(self.environment)] if self.environment else []
            return folders.lasting_folder(self._home(context), sample.id, recipe)
        scratch = context.worker.scratch.absolute() / "commands"
        return folders.new_folder(self._home(context) if self.keep_files else scratch, sample.id)

    def _home(self, context: TaskContext) -> Path:
        """Above the folders that stay."""
        run = context.worker.run or context.worker.scratch
        return Path(self.folder or run / "commands").absolute()

    def _guarded(self, sample: Sample, folder: Path, context: TaskContext) -> Outcome:
        try:
            command = self._prepare(sample, folder, context)
            ended = self._run(command, sample, context)
        except ConfigError as error:
            return _never_again(failure_of(error))
        except Exception as error:  # noqa: BLE001 - the user's files are written here
            return failure_of(error, logs(folder))
        return self._read_answer(ended, command, sample)

    def _run(self, command: Command, sample: Sample, context: TaskContext) -> Ended:
        if not self.stream:
            return run_guarded(command, context.should_stop)
        about = {"sample": sample.id, "worker": context.worker.name}
        stream = Stream(command.folder / self.stream, context.progress, about)

        def should_stop() -> bool:
            stream.look()
            return context.should_stop()

        ended = run_guarded(command, should_stop)
        stream.look(last=True)
        return ended

    def _read_answer(self, ended: Ended, command: Command, sample: Sample) -> Outcome:
        folder = command.folder
        if ended.why != "ended" or ended.status:
            return _failed(ended, command)
        try:
            raw = self._parser(folder)
            if self.keep_files:
                raw = {**raw, **folders.kept_files(folder, self.keep_files)}
            return self._check(sample, raw)
        except ConfigError as error:
            return _never_again(failure_of(error))
        except FileNotFoundError as error:
            name = Path(str(error.filename)).name
            missing = OracleRejected(f"the command ended well, but left no file {name!r}.")
            return failure_of(missing, logs(folder))
        except Exception as error:  # noqa: BLE001 - files are parsed by anyone's code
            return failure_of(error, logs(folder))

    def _prepare(self, sample: Sample, folder: Path, context: TaskContext) -> Command:
        if self._lasts and isinstance(self.parse, str) and self.parse in PARSERS:
            (folder / self._output).unlink(missing_ok=True)  # of an earlier try
        values = self._values(sample, folder, context)
        for name, text in self._texts.items():
            _place(folder, name).write_text(fill(text, values), encoding="utf-8")
        for name, kind in self.files.items():
            writer_of(kind)(_place(folder, name), sample)
        if isinstance(self.command, str):
            argv = ["/bin/sh", "-c", fill(self.command, values, quoted=True)]
        else:
            argv = [fill(str(part), values) for part in self.command]
        environment = {**os.environ, "OMP_NUM_THREADS": values["threads"], **self.environment}
        if self.checkpoint:
            environment["QUERIST_CHECKPOINT"] = values["checkpoint"]
        return Command(argv, folder, environment, *self._limits)

    @property
    def _limits(self) -> tuple[float | None, int | None]:
        """Seconds and MiB of one command."""
        seconds, memory = self.resources.wall_seconds, self.resources.memory_mb
        return self.timeout or seconds, self.memory_mb or memory

    def _values(self, sample: Sample, folder: Path, context: TaskContext) -> dict[str, str]:
        wanted = self.resources
        threads = context.worker.threads if wanted == ONE_CORE else wanted.cores
        more = {"folder": str(folder), "threads": str(threads)}
        if self.checkpoint:
            found = folders.newest(folder, self.checkpoint)
            more["checkpoint"] = "" if found is None else str(found)
        return variables(sample, **more)

    def _settle(
        self, outcome: Outcome, folder: Path, sample: Sample, context: TaskContext
    ) -> Outcome:
        """Keep or remove the folder."""
        failed = isinstance(outcome, Failure)
        if self.keep == "all" or (failed and (self.keep == "failed" or self._lasts)):
            if folder.parent != (home := self._home(context)):
                folder = folders.move(folder, home, sample.id)
            return _with_place(outcome, folder) if isinstance(outcome, Failure) else outcome
        folders.keep_only(folder, {} if failed else self.keep_files)
        return outcome


def _read(paths: Mapping[str, str]) -> dict[str, str]:
    missing = [path for path in paths.values() if not Path(path).is_file()]
    if missing:
        raise ConfigError(f"no template file {missing[0]} (looked in {Path.cwd()}).")
    return {name: Path(path).read_text(encoding="utf-8") for name, path in paths.items()}


def _place(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def logs(folder: Path) -> str:
    """The tails of what a command printed, for a failure's traceback."""
    parts = [(name, tail(folder / name)) for name in (STDOUT, STDERR)]
    return "".join(f"\n--- end of {name} ---\n{text}" for name, text in parts if text)


def _failed(ended: Ended, command: Command) -> Failure:
    log = logs(command.folder)
    last = (tail(command.folder / STDERR).strip().splitlines() or [""])[-1]
    message = in_words(ended, command)
    if ended.why == "ended" and last:
        message += f" Its last words: {last[:200]}"
    about = f"{ended.seconds:.3f} s, {ended.cpu:.3f} CPU s, {ended.peak_mb:.0f} MiB\n"
    words = " ".join(command.argv)
    return Failure(_REASONS[ended.why], message, f"{words}\n{about}{log}", ended.why != "start")


def _never_again(failure: Failure) -> Failure:
    return Failure(failure.reason, failure.message, failure.traceback, transient=False)


def _with_place(failure: Failure, place: Path) -> Failure:
    trace = f"{failure.traceback}\nThe task's folder was kept: {place}\n"
    return Failure(failure.reason, failure.message, trace, failure.transient)
