"""A committee whose members are spread over several ranks."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from querist.campaign.handlers.board import Board, Kind, Meter, failure, raised, rare, value_of
from querist.campaign.handlers.parts import LoadedModel, close_role
from querist.campaign.handlers.records import Buffer, dump, load
from querist.campaign.handlers.split import Split
from querist.core.batch import Batch
from querist.core.errors import ContractError, RunError
from querist.core.prediction import Prediction
from querist.core.roles import TaskContext, WorkerContext
from querist.core.tasks import Factory, ModelRef, Task

_GLANCE = 0.02  # seconds of waiting for messages before the engine gets its turn
_HEAD = struct.Struct("<B3xIQ")  # kind, the sender's meter, number of the request
_BATCH = struct.Struct("<III4x")  # rows, bytes of the schema, bytes of the values


def batches(kind: int, number: int, parts: Sequence[Batch], meter: int = 0) -> bytes:
    """Some batches as one message."""
    pieces: list[Any] = [_HEAD.pack(kind, meter, number)]
    for part in parts:
        key, values = dump(part)
        size = sum([array.nbytes for array in values])
        pieces += [_BATCH.pack(len(part), len(key), size), key, *values, bytes(-size % 8)]
    return b"".join(pieces)


def read_batches(data: Buffer) -> tuple[int, int, list[Batch]]:
    """The meter, the number and the batches of a message; arrays are views of it."""
    view, at, found = memoryview(data), _HEAD.size, []
    while at < len(view):
        rows, key, size = _BATCH.unpack_from(view, at)
        at += _BATCH.size
        found.append(load(bytes(view[at : at + key]), rows, view[at + key : at + key + size]))
        at += key + size + -size % 8
    _, meter, number = _HEAD.unpack_from(view)
    return meter, number, found


def members_of(rank: int, ranks: int, members: int) -> tuple[int, ...]:
    """The members that one of some ranks predicts with; rank 0 is the lead."""
    return tuple(range(members))[rank::ranks]


def refuse_whole(model: Any) -> None:
    """Refuse a model whose members cannot predict apart.

    Raises:
        ContractError: If it is one.
    """
    inner = getattr(model, "model", model)  # a calibrator's
    for part in (model, inner):
        if not callable(getattr(part, "predict_members", None)):
            raise ContractError(
                f"{type(part).__name__} cannot be spread over ranks by member: it has no "
                "predict_members and combine. Use placement.by: replica, or one predictor."
            )


class SpreadModel:
    """The model of an explorer's lead, which lets other ranks predict with some of its members.

    A rank that is not there, or does not answer before it is lost, is done without: the lead holds
    all members and predicts for it.

    Args:
        model: The lead's own.
        split: Who has a part of it.
        board: Their messages.

    Raises:
        ContractError: If the model cannot be spread.
    """

    def __init__(self, model: LoadedModel, split: Split, board: Board) -> None:
        self.model = model.model
        self._model, self._ranks, self._board = model, split.predictor_ranks, board
        if self._ranks:
            refuse_whole(self.model)
        self._number = 0
        self._answers: dict[str, list[Batch]] = {}
        self._errors: list[Exception] = []
        self._planned_for: tuple[Any, int] = (None, -1)  # who is there, and the version
        self._helpers: list[tuple[str, int, tuple[int, ...]]] = []  # rank, life, members
        self._own: tuple[int, ...] = ()
        self._members = 0
        self._ref, self._announced = ModelRef(0), 0
        if self._ranks:
            board.on(Kind.PREDICTED, self._on_predicted)
            board.on(Kind.FAILED, self._on_failed)

    def use(self, ref: ModelRef) -> Any:
        """The model with these weights."""
        own, self._ref = self._model.use(ref), ref
        return self if self._ranks else own

    def approach(self, ref: ModelRef) -> ModelRef:
        """As the lead's own; the other ranks begin to read large weights as well."""
        if ref.version not in (0, self._announced):
            self._announced = ref.version
            for rank in self._ranks:
                self._board.link.send(rank, rare(Kind.COMING, ref))
        return self._model.approach(ref)

    def settle(self) -> bool:
        """Wait for weights that are being read; whether there are any."""
        return self._model.settle()

    def predict(self, batch: Batch) -> Prediction:
        """Predict with all members, on all ranks that are there."""
        lives, version = self._planned_for
        if lives is not self._board.lives or version != self._ref.version:
            self._plan()
        model, outputs = self.model, [None] * self._members
        self._number += 1
        self._answers.clear()
        if self._helpers:
            message, send = batches(Kind.PREDICT, self._number, [batch]), self._board.link.send
            for rank, _, _ in self._helpers:
                send(rank, message)
        self._put(outputs, self._own, model.predict_members(batch, self._own))
        for rank, life, share in self._helpers:
            said = self._answer_of(rank, life)
            if said is None:
                said = model.predict_members(batch, share)
            self._put(outputs, share, said)
        whole: Prediction = model.combine(batch, outputs)
        return whole

    def _plan(self) -> None:
        """Share the members out to the ranks that are there, and tell them of their shares."""
        lives = self._board.lives
        here = [rank for rank in self._ranks if rank in lives]
        self._members = self.model.loaded_members
        shares = [members_of(i, len(here) + 1, self._members) for i in range(len(here) + 1)]
        self._own = shares[0]
        self._helpers = [(r, lives[r], s) for r, s in zip(here, shares[1:], strict=True) if s]
        for rank, _, share in self._helpers:
            self._board.link.send(rank, rare(Kind.LOAD, (self._ref, share)))
        self._planned_for = lives, self._ref.version

    @staticmethod
    def _put(outputs: list[Any], share: Sequence[int], said: Sequence[Batch]) -> None:
        for member, output in zip(share, said, strict=True):
            outputs[member] = output

    def _answer_of(self, rank: str, life: int) -> list[Batch] | None:
        """What a rank predicts; None if it is lost."""
        while rank not in self._answers:
            if self._board.life(rank) != life:
                return None
            self._board.poll(_GLANCE)
            if self._errors:
                raise self._errors.pop(0)
        return self._answers[rank]

    def _on_predicted(self, sender: str, data: Buffer) -> None:
        meter, number, said = read_batches(data)
        self._board.busy.meters[sender] = meter
        if number == self._number:  # else it is for a round that has failed
            self._answers[sender] = said

    def _on_failed(self, sender: str, data: Buffer) -> None:
        number, said = value_of(data)
        if number == self._number:
            self._errors.append(raised(sender, said))


class Predicting:
    """Serves the lead of an explorer with some members of its committee; runs no tasks.

    Args:
        model: Makes the model.
    """

    def __init__(self, model: Factory) -> None:
        self._factory = model

    def open(self, context: WorkerContext) -> None:
        """Make the model."""
        self._model = LoadedModel(self._factory, context)
        self._wanted: tuple[ModelRef, tuple[int, ...]] = (ModelRef(0), ())
        self._meter = Meter()
        self._board = board = Board(context)
        board.on(Kind.COMING, lambda _, data: self._model.approach(value_of(data)))
        board.on(Kind.LOAD, self._on_load)
        board.on(Kind.PREDICT, self._on_predict)

    def close(self) -> None:
        """Close the model."""
        close_role(self._model.model)

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """Nobody sends tasks here."""
        raise RunError(f"{context.worker.name!r} serves its explorer and runs no tasks.")

    def serve(self, context: TaskContext) -> None:
        """Answer the lead until there is something else to do."""
        while not context.should_stop():
            self._board.poll(_GLANCE)

    def _on_load(self, sender: str, data: Buffer) -> None:
        self._wanted = value_of(data)

    def _on_predict(self, sender: str, data: Buffer) -> None:
        self._meter.begin()
        _, number, (batch,) = read_batches(data)
        ref, members = self._wanted
        try:
            said = self._model.use(ref).predict_members(batch, members)
            message = batches(Kind.PREDICTED, number, said, self._meter.end())
        except Exception as error:  # noqa: BLE001 - raised again in the explorer's slice
            message = rare(Kind.FAILED, (number, failure(error)))
        self._board.link.send(sender, message)
