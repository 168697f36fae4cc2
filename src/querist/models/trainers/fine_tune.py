"""Fine-tuning of a whole torch module: seeds, small augmentations, early stop, resumable.

After every epoch a checkpoint is written (safetensors, nothing pickled). A run that was cut off and
goes on from it ends with the weights of one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, RunError, ShapeError

from ..backends import torch as backend
from ..code import files_in
from ..heads import sigmoid, softmax
from ..inference_settings import Normalise, TorchSettings, parse
from ..inferring import digest_of
from ..loaders.module import digests, modules_of, source_digest
from ..networks import prepared
from .checkpoints import Checkpoint
from .trained import Trained, class_codes, class_weights, judged, set_aside, write_state

Rows = NDArray[np.int64]


class Examples(Protocol):
    """Items to learn from: an array has this, and so may a reader of files."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, rows: Rows, /) -> Any:
        """A batch of these rows, as the model takes it."""


@dataclass(frozen=True, slots=True)
class Augment:
    """What is done to images at random, so little that their class stays.

    Attributes:
        flip: Whether half of them are mirrored, left and right.
        shift: Pixels by which they are moved at most; what enters at an edge is its mirror image.
        brightness: Largest relative change of brightness.
    """

    flip: bool = True
    shift: int = 0
    brightness: float = 0.0


@dataclass(frozen=True, slots=True)
class FineTune:
    """How a module is trained: AdamW (Loshchilov & Hutter 2019), a warm-up and a cosine.

    Attributes:
        epochs: Passes over the data at most.
        patience: Epochs without a lower validation loss after which it ends.
        validation: Share of the rows set aside at random to stop early; of few rows none.
        batch_size: Rows a step.
        learning_rate: Highest; it rises over the first tenth of the steps and falls to zero.
        weight_decay: Of AdamW.
        class_weight: None, "balanced", or a weight for each class.
        augment: Of images; None for none.
        members: Modules trained from different seeds; more than one are a committee.
        seed: Of all draws.
    """

    epochs: int = 20
    patience: int = 5
    validation: float = 0.1
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    class_weight: Any = None
    augment: Augment | None = None
    members: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        least = min(self.epochs, self.patience, self.batch_size, self.members)
        if least < 1 or not 0.0 <= self.validation < 1.0 or self.learning_rate <= 0.0:
            raise ConfigError(
                "fine-tuning wants at least 1 epoch, 1 of patience, 1 row a step and 1 member, a "
                f"validation share from 0 to below 1 and a learning rate above 0, but got {self}."
            )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is.

    Attributes:
        member: From 0.
        epoch: Finished ones.
        epochs: At most.
        loss: Mean over the epoch's rows.
        validation: Loss of the rows set aside; that of the epoch where there are none.
        seconds_left: If all epochs are run.
    """

    member: int
    epoch: int
    epochs: int
    loss: float
    validation: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Run:
    """Where a training happens and who hears of it.

    Attributes:
        folder: For checkpoints and the trained state; a run that was cut off goes on there.
        device: "cpu" or "cuda:0" ...
        threads: PyTorch's.
        progress: Called after every epoch.
        should_stop: Asked after every epoch; the best weights so far are given then.
    """

    folder: Path
    device: str = "cpu"
    threads: int = 1
    progress: Callable[[Progress], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False


def fine_tune(
    model: Mapping[str, Any],
    examples: Examples,
    labels: Sequence[Any] | NDArray[Any],
    run: Run,
    how: FineTune | None = None,
) -> Trained:
    """Train a model of ``use: torch`` from its weights, or from its builder's.

    A folder that holds a finished training gives its result again.

    Args:
        model: Its settings, for :func:`querist.models.inference.open_inference`.
        examples: n items.
        labels: ``(n,)`` names or numbers of classes; for a regression ``(n,)`` or ``(n, o)``
            numbers; for several labels an item ``(n, L)`` zeros and ones.
        run: Where, and who hears of it.
        how: How.

    Raises:
        ConfigError: If the model is of another kind, or the folder holds another training.
        RunError: If the loss is not finite.
        ShapeError: If labels do not fit.
    """
    how, settings = how or FineTune(), parse({**model, "use": model.get("use", "torch")})
    if not isinstance(settings, TorchSettings) or settings.output == "probabilities":
        raise ConfigError(
            "fine-tuning takes a model of use: torch that gives logits or numbers, but got "
            f"use: {model.get('use')}, output: {model.get('output', 'logits')}."
        )
    targets = _targets(labels, settings, len(examples), how)
    files, metrics = [], []
    for member in range(how.members):
        trainer = _Trainer(settings, examples, targets, how, run, member)
        file, told = trainer.run()
        files.append(str(file))
        metrics.append(told)
    made = {**model, "use": "torch", "weights": files if how.members > 1 else files[0]}
    means = {name: float(np.mean([each[name] for each in metrics])) for name in metrics[0]}
    return Trained(made, means)


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What is learnt: ``(n,)`` codes or ``(n, o)`` numbers, and weights of the classes."""

    task: str
    values: NDArray[Any]
    weights: NDArray[np.float64] | None


def _targets(labels: Any, settings: TorchSettings, count: int, how: FineTune) -> Targets:
    if settings.task == "classification":
        names = settings.classes or [str(at) for at in range(int(np.max(labels)) + 1)]
        codes = class_codes(labels, names)
        weights = class_weights(codes, len(names), how.class_weight)
        targets = Targets(settings.task, codes, weights)
    else:
        values = np.asarray(labels, np.float32)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or not np.isfinite(values).all():
            raise ShapeError(f"labels should be finite numbers (n, o), but got {values.shape}.")
        targets = Targets(settings.task, values, None)
    if len(targets.values) != count:
        raise ShapeError(f"there are {count} items, but {len(targets.values)} labels.")
    return targets


class _Trainer:
    """One member's training."""

    def __init__(  # private; everything that one training has
        self,
        settings: TorchSettings,
        examples: Examples,
        targets: Targets,
        how: FineTune,
        run: Run,
        member: int,
    ) -> None:
        self.how, self._run, self._member = how, run, member
        self._examples, self._targets = examples, targets
        self._settings = settings
        pt = backend.torch()
        pt.set_num_threads(run.threads)
        many = len(settings.weights or ())
        modules = modules_of(settings)
        self.module = modules[member % max(1, many)]
        wrapped = prepared(self.module, settings.normalise or Normalise(), None)
        self._network = wrapped.to(run.device)
        for parameter in self.module.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=pt.channels_last)
        self._optimiser = pt.optim.AdamW(
            self.module.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay
        )
        rng = np.random.default_rng([how.seed, member, 0])
        self.learn, self.judge = set_aside(len(examples), how.validation, rng)
        name = f"member-{member}" if how.members > 1 else "model"
        self._file = run.folder / f"{name}.safetensors"
        self._checkpoint = Checkpoint(run.folder / f"{name}.checkpoint.safetensors", self._key())

    def _key(self) -> str:
        """What a checkpoint must be of to go on from it."""
        left_out = {"backend", "precision", "input", "builder"}
        told = self._settings.model_dump(mode="json", exclude=left_out)
        told["builder"] = source_digest(self._settings.builder)
        told["read"] = digests(files_in(self._settings.options))
        told["weights"] = digests(self._settings.weights or ())
        data = np.ascontiguousarray(self._targets.values).tobytes()
        return digest_of({**told, "how": asdict(self.how), "member": self._member}, [data])

    def run(self) -> tuple[Path, dict[str, float]]:
        """Train on from the checkpoint, write the best weights, and judge them."""
        history = self._checkpoint.resume(self.module, self._optimiser)
        began, first = time.monotonic(), len(history)
        while not self._over(history):
            epoch = len(history)
            loss = self._epoch(epoch)
            value = self._validation() if len(self.judge) else loss
            if not np.isfinite(loss) or not np.isfinite(value):
                raise RunError(
                    f"the loss of epoch {epoch + 1} is not finite; lower the learning rate "
                    f"({self.how.learning_rate}), and check the labels and the normalisation."
                )
            history.append((loss, value))
            self._checkpoint.write(self.module, self._optimiser, history)
            left = (time.monotonic() - began) / (epoch + 1 - first) * (self.how.epochs - epoch - 1)
            told = Progress(self._member, epoch + 1, self.how.epochs, loss, value, left)
            self._run.progress(told)
            if self._run.should_stop():
                break
        best = self._checkpoint.restore_best(self.module)
        state = backend.weights_of(self.module)
        write_state(self._file, state)
        metrics = {"train.epochs": float(len(history)), "train.best_epoch": float(best + 1)}
        metrics |= {"train.rows": float(len(self.learn)), "train.loss": history[best][0]}
        return self._file, metrics | self._judged()

    def _over(self, history: Sequence[tuple[float, float]]) -> bool:
        values = [value for _, value in history]
        waited = len(values) - 1 - int(np.argmin(values)) if values else 0
        return len(values) >= self.how.epochs or waited >= self.how.patience

    def _epoch(self, epoch: int) -> float:
        """One pass; all its draws come from its number, so that it can be run again."""
        rng = np.random.default_rng([self.how.seed, self._member, 1, epoch])
        self._network.train()
        total = 0.0
        batches = list(_batches(rng.permutation(self.learn), self.how.batch_size))
        with backend.seeded(int(rng.integers(2**31)), self._run.device):
            for at, rows in enumerate(batches):
                self._set_rate((epoch * len(batches) + at) / (self.how.epochs * len(batches)))
                total += self._step(rows, rng) * len(rows)
        return total / len(self.learn)

    def _set_rate(self, share: float) -> None:
        warm = min(1.0, (share + 1e-3) / 0.1)
        rate = self.how.learning_rate * warm * 0.5 * (1.0 + np.cos(np.pi * share))
        for group in self._optimiser.param_groups:
            group["lr"] = rate

    def _step(self, rows: Rows, rng: np.random.Generator) -> float:
        batch = np.asarray(self._examples[rows])
        if self.how.augment is not None:
            batch = augmented(batch, self.how.augment, rng)
        self._optimiser.zero_grad()
        loss = self._loss(batch, rows)
        loss.backward()
        self._optimiser.step()
        return float(loss.detach())

    def _scores(self, batch: NDArray[Any]) -> Any:
        pt = backend.torch()
        return self._network(pt.as_tensor(np.ascontiguousarray(batch)).to(self._run.device))

    def _loss(self, batch: NDArray[Any], rows: Rows) -> Any:
        pt = backend.torch()
        scores = self._scores(batch)
        wanted = pt.as_tensor(self._targets.values[rows]).to(self._run.device)
        functional = pt.nn.functional
        if self._targets.weights is not None:
            if scores.ndim != 2 or scores.shape[1] != len(self._targets.weights):
                raise ShapeError(
                    f"the network gives scores of the shape {tuple(scores.shape)} for "
                    f"{len(self._targets.weights)} classes."
                )
            each = functional.cross_entropy(scores, wanted, reduction="none")
            weights = pt.as_tensor(self._targets.weights, dtype=each.dtype).to(each.device)
            return (each * weights[wanted]).mean()
        if scores.shape != wanted.shape:
            raise ShapeError(
                f"the network gives scores of the shape {tuple(scores.shape)} for labels of the "
                f"shape {tuple(wanted.shape)}."
            )
        if self._targets.task == "regression":
            return functional.mse_loss(scores, wanted)
        return functional.binary_cross_entropy_with_logits(scores, wanted)

    def _validation(self) -> float:
        self._network.eval()
        with backend.torch().no_grad():
            parts = [
                float(self._loss(np.asarray(self._examples[rows]), rows)) * len(rows)
                for rows in _batches(self.judge, 256)
            ]
        return sum(parts) / len(self.judge)

    def _judged(self) -> dict[str, float]:
        """Metrics of the rows set aside, by the best weights."""
        if not len(self.judge):
            return {}
        self._network.eval()
        with backend.torch().no_grad():
            scores = np.concatenate(
                [
                    self._scores(np.asarray(self._examples[rows])).float().cpu().numpy()
                    for rows in _batches(self.judge, 256)
                ]
            ).astype(float)
        wanted = self._targets.values[self.judge]
        if self._targets.task == "classification":
            return judged(softmax(scores), wanted, "validation")
        if self._targets.task == "regression":
            return {"validation.rmse": float(np.sqrt(((scores - wanted) ** 2).mean()))}
        right = np.equal(sigmoid(scores) > 0.5, wanted > 0.5)
        return {"validation.accuracy": float(right.mean())}


def _batches(rows: Rows, size: int) -> Iterator[Rows]:
    """Parts of rows; one that would be left alone joins its neighbours (batch norm needs two)."""
    count = max(1, -(-len(rows) // size))
    if count > 1 and len(rows) % size == 1:
        yield from np.array_split(rows, count - 1)
    else:
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


def augmented(batch: NDArray[Any], how: Augment, rng: np.random.Generator) -> NDArray[Any]:
    """``(n, h, w, c)`` images, changed a little, each in its own way.

    Raises:
        ShapeError: If they are no images.
    """
    if batch.ndim != 4:
        raise ShapeError(
            f"augmentation is of images (n, h, w, c), but got the shape {batch.shape}; leave "
            "'augment' out."
        )
    n, height, width = batch.shape[:3]
    if how.flip:
        flipped = np.less(rng.random(n), 0.5)
        batch = np.where(flipped[:, None, None, None], batch[:, :, ::-1], batch)
    if how.shift:
        pad = ((0, 0), (how.shift, how.shift), (how.shift, how.shift), (0, 0))
        wide = np.pad(batch, pad, mode="reflect")
        tops, lefts = rng.integers(0, 2 * how.shift + 1, (2, n, 1))
        down, right = tops + np.arange(height), lefts + np.arange(width)
        batch = wide[np.arange(n)[:, None, None], down[:, :, None], right[:, None, :]]
    if how.brightness:
        factor = 1.0 + rng.uniform(-how.brightness, how.brightness, (n, 1, 1, 1))
        brighter = batch * factor
        whole = batch.dtype == np.uint8
        batch = (np.clip(brighter, 0, 255) if whole else brighter).astype(batch.dtype)
    return batch
