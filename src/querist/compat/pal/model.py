"""PAL's ``UserModel`` as a committee: each member is one object to predict and one to train."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.compat.pal.checks import LEAST, adjusted, checked
from querist.compat.pal.generator import TOLD
from querist.compat.pal.kernels import INPUT, LABEL, Vector, prepare, stop_run, user, vector
from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch, Column
from querist.core.errors import ContractError
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState, WorkerContext
from querist.store.reader import JournalReader

FORMAT = "querist.pal/1"
SCORE = "ask"
"""Field whose "uncertainty" is above 0 where the user's code wants a label."""

EXPLORER = "explorer."
LOOK_SECONDS = 0.05


@dataclass(slots=True, eq=False)
class _Trainee:
    """A member in the mode "train", and how many labels it was given."""

    model: Any
    seen: int = 0


class PalModel:
    """A committee of ``UserModel`` objects, which also asks ``prediction_check``.

    In an explorer, a prediction holds what ``prediction_check`` decides: the field ``ask`` of the
    standard deviation is the members' largest where it wants a label and 0 elsewhere, and the field
    ``to_generator`` of the mean is what generators are told. In a trainer, ``ask`` is the order
    that ``adjust_input_for_oracle`` wants. The members' mean and standard deviation are in ``y``.

    Args:
        settings: What :meth:`~querist.compat.pal.settings.PalSettings.plain` gave.
        retrain_seconds: Longest ``retrain`` of one member, for when no new labels come.
    """

    def __init__(self, settings: Mapping[str, Any], retrain_seconds: float = 600.0) -> None:
        self._plain, self._longest = settings, retrain_seconds
        self._settings = prepare(settings, None)
        self._context: WorkerContext | None = None
        self._predictors: list[Any] = []
        self._trainees: dict[int, _Trainee] = {}

    @property
    def members(self) -> int:
        """How many."""
        return self._settings.members

    def open(self, context: WorkerContext) -> None:
        """Learn whether this is an explorer's or a trainer's worker, and import the user's code.

        Raises:
            RoleFailed: If it cannot be imported.
        """
        self._context = context
        self._settings = prepare(self._plain, context)
        user(self._settings, "model", "UserModel")
        self._utility("prediction_check")

    def close(self) -> None:
        """Tell the user's models that the run ends."""
        for model in (*self._predictors, *(t.model for t in self._trainees.values())):
            model.stop_run()

    # -------------------------------------------------------------------------------- predict

    def load(self, state: ModelState) -> None:
        """Give the members their weights; those without stay as their class makes them.

        Raises:
            ContractError: If ``get_weight_size`` says another size than ``get_weight`` gave.
        """
        for member, model in enumerate(self._models()):
            weights = state.arrays.get(f"m{member}")
            if weights is None:
                continue
            size = model.get_weight_size()
            if size != len(weights):
                raise ContractError(
                    f"UserModel.get_weight_size says {size}, but UserModel.get_weight gave an "
                    f"array of {len(weights)}."
                )
            model.update(np.array(weights, np.float64))

    def _models(self) -> list[Any]:
        if not self._predictors:
            self._predictors = [self._make("predict", m) for m in range(self.members)]
        return self._predictors

    def _make(self, mode: str, member: int) -> Any:
        settings = self._settings
        rank = settings.rank("pred" if mode == "predict" else "ml", member)
        made = user(settings, "model", "UserModel")
        return made(rank, settings.result_dir, settings.device(mode, member), mode)

    def predict(self, batch: Batch) -> Prediction:
        """The members' mean and standard deviation, and what the user's code makes of them.

        Raises:
            ContractError: If the user's code returns something else than PAL documents.
        """
        return self.combine(batch, self.predict_members(batch, range(self.members)))

    @property
    def loaded_members(self) -> int:
        """How many members predict."""
        return self.members

    def predict_members(self, batch: Batch, members: Sequence[int]) -> tuple[Batch, ...]:
        """What some members predict."""
        rows = _rows(batch)
        said = [self._said(self._models()[member], rows) for member in members]
        return tuple(Batch({LABEL: Column.of(each, LABEL)}) for each in said)

    def combine(self, batch: Batch, outputs: Sequence[Batch]) -> Prediction:
        """The members' mean and standard deviation, and what the user's code makes of them.

        Raises:
            ContractError: If the user's code returns something else than PAL documents.
        """
        rows, predictions = _rows(batch), _committee(outputs)
        std = [_std(prediction) for prediction in predictions]
        mean = {LABEL: Column.of([prediction.mean(axis=0) for prediction in predictions], LABEL)}
        score = np.array([max(float(s.max(initial=0.0)), LEAST) for s in std])
        if self._context is not None and self._context.name.startswith(EXPLORER):
            asked, told = checked(self._utility("prediction_check"), rows, predictions)
            mean[TOLD] = Column.of(told, TOLD)
            score = np.where(asked, score, 0.0)
        elif self._context is not None and self._settings.dynamic_oracle_list:
            score = adjusted(self._utility("adjust_input_for_oracle"), rows, predictions, score)
        deviation = {LABEL: Column.of(std, LABEL), SCORE: Column.stack(score, SCORE)}
        return Prediction(Batch(mean), Batch(deviation))

    def _utility(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = user(self._settings, "utils", name)
        return found

    def _said(self, model: Any, rows: Sequence[Vector]) -> list[Vector]:
        answer = model.predict([row.copy() for row in rows])
        if len(answer) != len(rows):
            raise ContractError(
                f"UserModel.predict gave {len(answer)} predictions for {len(rows)} inputs."
            )
        return [vector(item, "a prediction of UserModel.predict") for item in answer]

    # ------------------------------------------------------------------------------------ fit

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Give each member its new labels and retrain it, as PAL does, one after another."""
        rows = dataset.take(dataset.rows(Purpose.TRAIN))
        points = list(
            zip(
                rows.inputs.columns[INPUT].items(), rows.outputs.columns[LABEL].items(), strict=True
            )
        )
        arrays: dict[str, Vector] = {}
        stopping = []
        for member in request.members or range(self.members):
            trainee = self._trainee(member)
            if self._train(trainee, points, request):
                stopping.append(self._settings.rank("ml", member))
            arrays[f"m{member}"] = vector(trainee.model.get_weight(), "UserModel.get_weight")
        if stopping and self._context is not None:
            stop_run(self._context, f"the training of rank {stopping[0]}")
        return FitResult(ModelState(arrays, {"format": FORMAT}), {"train.rows": float(len(points))})

    def _trainee(self, member: int) -> _Trainee:
        if member not in self._trainees:
            self._trainees[member] = _Trainee(self._make("train", member))
        return self._trainees[member]

    def _train(self, trainee: _Trainee, points: Sequence[Any], request: FitRequest) -> bool:
        """Whether the user's code wants the run to stop."""
        new = [
            [np.array(x, np.float64), np.array(y, np.float64)] for x, y in points[trainee.seen :]
        ]
        if new:
            trainee.model.add_trainingset(new)
            trainee.seen = len(points)
        stop = bool(trainee.model.retrain(self._new_data(request.should_stop)))
        trainee.model.save_progress(False)
        return stop

    def _new_data(self, should_stop: Callable[[], bool]) -> NewData:
        run = None if self._context is None else self._context.run
        return NewData(should_stop, run, self._settings.retrain_size, self._longest)


class NewData:
    """Stands for the ``MPI.Request`` that ``UserModel.retrain`` is given.

    :meth:`Test` turns true, for good, when as many new labels are durable as a retraining needs,
    when the fit is to stop, or after the longest time.

    Args:
        should_stop: Of the fit.
        run: The run's folder; None where there is none.
        wanted: New labels.
        longest: Seconds.
    """

    def __init__(
        self, should_stop: Callable[[], bool], run: Path | None, wanted: int, longest: float
    ) -> None:
        self._should_stop, self._wanted = should_stop, wanted
        self._reader = None if run is None else JournalReader(run / "journal")
        self._read()
        self._come = 0
        self._next = time.monotonic() + LOOK_SECONDS
        self._until = time.monotonic() + longest
        self._is_there = False

    def Test(self) -> bool:  # noqa: N802 - mpi4py's name
        """Whether to end the retraining; cheap, call it often."""
        now = time.monotonic()
        if not self._is_there and now >= self._next:
            self._come += self._read()
            self._next = time.monotonic() + LOOK_SECONDS
            self._is_there = self._come >= self._wanted or now >= self._until
        self._is_there = self._is_there or self._should_stop()
        return self._is_there

    def test(self) -> tuple[bool, None]:
        """mpi4py's other spelling."""
        return self.Test(), None

    def _read(self) -> int:
        """Training labels that became durable since the last call."""
        if self._reader is None:
            return 0
        return sum(
            record.kind == "answer.label" and record.data["purpose"] == Purpose.TRAIN
            for record in self._reader.read_new()
        )


def _rows(batch: Batch) -> list[Vector]:
    return [np.array(item, np.float64) for item in batch.columns[INPUT].items()]


def _committee(outputs: Sequence[Batch]) -> list[NDArray[np.float64]]:
    """For each row the ``(members, size)`` predictions."""
    said = [batch.columns[LABEL].items() for batch in outputs]
    try:
        return [np.stack(of_row) for of_row in zip(*said, strict=True)]
    except ValueError as error:
        raise ContractError(f"the members' predictions differ in size: {error}.") from error


def _std(predictions: NDArray[np.float64]) -> Vector:
    """``(size,)`` sample standard deviation over ``(members, size)``; 0 of a single member."""
    if len(predictions) < 2:
        return np.zeros(predictions.shape[1])
    result: Vector = predictions.std(axis=0, ddof=1)
    return result
