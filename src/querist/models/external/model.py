"""A committee of a model of one's own: a script that fits files and predicts from them."""

from __future__ import annotations

import shutil
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.answers import Dataset
from querist.core.batch import Array, Batch, Column
from querist.core.errors import ConfigError, ContractError, RunError, UnsupportedSample
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState

from ..members import check_format, stop_between, wanted_members
from ..table import refuse_not_finite, training_rows
from .process import Script

FORMAT = "querist.external/1"
WHO = "the external model"


@dataclass(eq=False)
class External:
    """A potential (MACE, NequIP, DeePMD, GAP ...) or any model that a script fits and runs.

    The script has two functions, ``fit(samples, labels, request)``, which writes files into a
    folder, and ``load(folder)``, which gives a function of samples; it ends with
    ``querist_side.main(fit, load)`` (:mod:`querist.models.external.side.querist_side` tells all of
    it; that module comes with Querist, and needs NumPy only). It may run under an interpreter of
    its own, with packages that do not go together with others. The state of the model is the bytes
    of the files that were written; members are fitted with different seeds, and their standard
    deviation is the uncertainty.

    Attributes:
        script: Path of the script.
        python: Interpreter that runs it; None for this one.
        members: Size of the committee.
        outputs: Which outputs of the labels are learned; None for all.
        options: Handed to ``fit`` as ``request["options"]``: epochs, isolated-atom energies, a
            checkpoint to be fine-tuned ...
        timeout: Seconds for one answer of the script; None waits as long as it takes.
        restart: Whether a fit is not shown the files of the last one.
    """

    script: str
    python: str | None = None
    members: int = 4
    outputs: Sequence[str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    restart: bool = False
    _predictor: Script | None = field(default=None, init=False, repr=False)
    _home: Path | None = field(default=None, init=False, repr=False)
    _known: Mapping[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.members < 1:
            raise ConfigError(f"{WHO} has at least one member, but got members={self.members}.")
        self._script()

    def _script(self) -> Path:
        """The script: as told, or beside the modules that a campaign's file may name."""
        for folder in ("", *sys.path):
            path = Path(folder) / self.script
            if path.is_file():
                return path.resolve()
        raise ConfigError(f"{WHO} wants a script, but there is no file {self.script!r}.")

    @property
    def _command(self) -> list[str]:
        return [self.python or sys.executable, str(self._script())]

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Have the script fit each member that is asked for.

        Raises:
            RunError: If the script fails; what it said is in the sentence.
        """
        rows = training_rows(dataset, WHO)
        for name, column in (*rows.inputs.columns.items(), *rows.outputs.columns.items()):
            if column.data.dtype.kind in "fc":
                largest = [[np.abs(item).max(initial=0.0)] for item in column.items()]
                refuse_not_finite(np.array(largest), name, rows.inputs, WHO)
        names = list(self.outputs or sorted(rows.outputs.columns))
        arrays = {**_plain(rows.inputs, "in:"), **_plain(rows.outputs, "out:", names)}
        script = Script(self._command, self.timeout)
        held: dict[str, Array] = {}
        metrics: dict[str, list[float]] = {}
        try:
            wanted = wanted_members(request, self.members)
            for done, member in enumerate(wanted):
                stop_between(request, done, len(wanted))
                files, said = self._one(script, arrays, len(rows), member, request)
                held |= files
                for name, value in said.items():
                    metrics.setdefault(name, []).append(float(value))
        finally:
            script.close()
        axes = {name: int(rows.outputs.columns[name].shapes.shape[1]) for name in names}
        inputs = sorted(rows.inputs.columns)
        data = {"format": FORMAT, "members": self.members, "inputs": inputs, "outputs": axes}
        means = {name: float(np.mean(values)) for name, values in metrics.items()}
        return FitResult(ModelState(held, data), means)

    def _one(
        self,
        script: Script,
        arrays: Mapping[str, Array],
        count: int,
        member: int,
        request: FitRequest,
    ) -> tuple[dict[str, Array], Mapping[str, float]]:
        """The files of one member, and what its fit said."""
        home = Path(tempfile.mkdtemp(prefix="querist-fit-"))
        try:
            folder, previous = home / "files", None
            folder.mkdir()
            if request.previous is not None and not self.restart:
                previous = home / "previous"
                _write(request.previous, member, previous)
            seed = int(np.random.SeedSequence([request.seed, member]).generate_state(1)[0])
            told = {
                "folder": str(folder),
                "previous": None if previous is None else str(previous),
                "seed": seed,
                "member": member,
                "options": dict(self.options),
            }
            head = {"do": "fit", "count": count, "request": told}
            said, _ = script.ask(head, arrays, request.should_stop)
            files = _read(folder, member)
        finally:
            shutil.rmtree(home, ignore_errors=True)
        if not files:
            raise RunError(f"{WHO}'s fit wrote no file into request['folder'].")
        return files, said["metrics"]

    def load(self, state: ModelState) -> None:
        """Predict with this state; the script loads it before the next prediction."""
        check_format(state, FORMAT, WHO)
        count = int(state.data["members"])
        missing = [n for n in range(count) if not any(_is_of(name, n) for name in state.arrays)]
        if missing:
            raise RunError(
                f"{WHO} wants all {count} members in a state, but {missing} are missing; merge the "
                "parts first (ModelState.merge)."
            )
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="querist-model-"))
            weakref.finalize(self, shutil.rmtree, self._home, ignore_errors=True)
        for member in range(count):
            _write(state, member, self._folder(member))
        self._known = state.data
        self.close()

    def _folder(self, member: int) -> Path:
        assert self._home is not None
        return self._home / f"member-{member}"

    def close(self) -> None:
        """End the script's process; the next prediction starts it again."""
        if self._predictor is not None:
            self._predictor.close()
        self._predictor = None

    def predict(self, batch: Batch) -> Prediction:
        """Mean, standard deviation and members of ``n`` samples, as the script says.

        Raises:
            ContractError: If nothing was loaded.
            UnsupportedSample: If the samples lack fields that it was fitted to.
            RunError: If the script fails.
        """
        if not self._known:
            raise ContractError(f"{WHO} has no state yet: call load(state) first.")
        count = int(self._known["members"])
        if not len(batch):
            empty = Batch({name: _none(axes) for name, axes in self._known["outputs"].items()})
            return Prediction(empty, empty, (empty,) * count)
        missing = [name for name in self._known["inputs"] if name not in batch.columns]
        if missing:
            raise UnsupportedSample(f"{WHO} was fitted to fields that are missing: {missing}.")
        script = self._loaded()
        head = {"do": "predict", "count": len(batch)}
        _, found = script.ask(head, _plain(batch, "in:"))
        members = tuple(_batch(found, f"{n}:", self._known["outputs"]) for n in range(count))
        return _combined(members)

    def _loaded(self) -> Script:
        if self._predictor is None or not self._predictor.runs:
            script = Script(self._command, self.timeout)
            weakref.finalize(self, script.close)
            folders = [str(self._folder(n)) for n in range(int(self._known["members"]))]
            script.ask({"do": "load", "folders": folders}, {})
            self._predictor = script
        return self._predictor


def _plain(batch: Batch, mark: str, names: Sequence[str] | None = None) -> dict[str, Array]:
    """Columns as the script's side takes them."""
    made: dict[str, Array] = {}
    for name in names if names is not None else batch.columns:
        column = batch.columns[name]
        made[f"{mark}{name}"] = column.data
        made[f"{mark}{name}.shapes"] = column.shapes
    return made


def _batch(found: Mapping[str, Array], mark: str, outputs: Mapping[str, int]) -> Batch:
    """What one member said."""
    columns = {}
    for name, axes in outputs.items():
        if f"{mark}{name}" not in found:
            raise RunError(f"{WHO}'s script predicts no {name!r}, which it was fitted to.")
        data = np.asarray(found[f"{mark}{name}"], np.float64)
        shapes = np.asarray(found[f"{mark}{name}.shapes"], np.int64)
        if shapes.shape[1] != axes:
            raise RunError(
                f"{WHO}'s script gives {name!r} with {shapes.shape[1]} axes a sample, but was "
                f"fitted to {axes}."
            )
        offsets = np.zeros(len(shapes) + 1, np.int64)
        np.cumsum(shapes.prod(axis=1), out=offsets[1:])
        columns[name] = Column(data, offsets, shapes)
    return Batch(columns)


def _none(axes: int) -> Column:
    return Column(np.zeros(0), np.zeros(1, np.int64), np.zeros((0, axes), np.int64))


def _combined(members: tuple[Batch, ...]) -> Prediction:
    mean, std = {}, {}
    for name, first in members[0].columns.items():
        said = np.stack([member.columns[name].data for member in members]).astype(np.float64)
        spread = said.std(axis=0, ddof=1 if len(members) > 1 else 0)
        mean[name] = Column(said.mean(axis=0), first.offsets, first.shapes)
        std[name] = Column(spread, first.offsets, first.shapes)
    return Prediction(Batch(mean), Batch(std), members)


def _is_of(name: str, member: int) -> bool:
    return name.startswith(f"m{member}/")


def _read(folder: Path, member: int) -> dict[str, Array]:
    """The files of a folder, as arrays of bytes."""
    return {
        f"m{member}/{path.relative_to(folder).as_posix()}": np.frombuffer(
            path.read_bytes(), np.uint8
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _write(state: ModelState, member: int, folder: Path) -> None:
    """The same, backwards; nothing else is left in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, array in state.arrays.items():
        if _is_of(name, member):
            path = (folder / name.partition("/")[2]).resolve()
            if not path.is_relative_to(folder.resolve()):
                raise RunError(f"{WHO}'s state has a file outside of its folder: {name}.")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(np.asarray(array, np.uint8).tobytes())
