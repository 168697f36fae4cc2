"""The training of a round: from the pool's labels to a model that asks the next one."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, QueristError
from querist.core.tasks import resolve
from querist.models.trainers.trained import Trained, judged
from querist.pool.choosing import choose_model
from querist.pool.guessing import guess_transform, has_learned_on, learned_on
from querist.pool.pool import Pool
from querist.pool.rounds_features import Decoded, Given, outputs_of
from querist.pool.rounds_settings import RoundsSettings
from querist.pool.settings import PoolSettings
from querist.sources.nearest import nearest
from querist.sources.transforms.opening import open_transform

BUILT_IN: Mapping[str, tuple[str, str]] = {
    "linear_head": ("querist.models.trainers.linear_head", "LinearHead"),
    "fine_tune": ("querist.models.trainers.fine_tune", "FineTune"),
}
FINE_TUNE = "fine_tune"
_HEAD = "querist.models.trainers.linear_head:train_linear_head"

Rows = NDArray[np.int64]


class Training(NamedTuple):
    """How far a training is, as progress is shown."""

    stage: str
    done: int
    total: int | None = None


class Watch(NamedTuple):
    """Who hears of a training, and may stop it."""

    tell: Callable[[Any], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False


class Lesson(NamedTuple):
    """What is learned from.

    Attributes:
        rows: ``(n,)`` labelled items.
        values: n labels: names of classes, or numbers.
        classes: Of the pool.
    """

    rows: Rows
    values: list[Any]
    classes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Of items and labels: equal lessons may go on from each other's checkpoints."""
        told = json.dumps([self.rows.tolist(), self.values, self.classes])
        return hashlib.blake2b(told.encode(), digest_size=6).hexdigest()

    @property
    def teaches(self) -> bool:
        """Whether there is a difference to be learned."""
        return len(set(map(str, self.values))) > 1


class Learned(NamedTuple):
    """A model made of labels.

    Attributes:
        model: Settings that open it; None where there was no difference to be learned yet.
        metrics: By name; those that begin with "holdout." are of items drawn at random.
        labels: How many were learned from.
        unread: Labelled items that could not be read any more.
    """

    model: Mapping[str, Any] | None
    metrics: Mapping[str, float]
    labels: int
    unread: int = 0


def check_trainer(settings: RoundsSettings, pool: PoolSettings) -> None:
    """Refuse a trainer that cannot be, or does not suit the pool.

    Raises:
        ConfigError: With the reason.
    """
    use = str(settings.trainer.get("use", ""))
    if use in BUILT_IN:
        _how(settings.trainer)
    elif ":" not in use:
        hint = nearest(use, BUILT_IN) or f" Known: {', '.join(BUILT_IN)}, or package.module:name."
        raise ConfigError(f"trainer: there is no trainer {use!r}.{hint}")
    else:
        try:
            resolve(use)
        except QueristError as error:
            raise ConfigError(f"trainer: {error}") from error
    if use == FINE_TUNE:
        _check_network(settings, pool)
    elif pool.task != "classification":
        raise ConfigError(
            f"rounds learn one class an item, but the task of this pool is {pool.task}. Train "
            "outside, and ask with `querist query run --model`."
        )


def _check_network(settings: RoundsSettings, pool: PoolSettings) -> None:
    if (settings.model or {}).get("use") != "torch":
        raise ConfigError(
            "trainer: fine_tune trains a torch module, so it needs one as model: "
            "{use: torch, builder: package.module:function}."
        )
    if pool.task not in ("classification", "regression"):
        raise ConfigError(f"fine_tune learns classes or numbers, but the pool's task: {pool.task}.")
    if pool.task == "classification" and pool.classes is None:
        raise ConfigError(
            "fine_tune wants to know all classes beforehand; name them where the pool is made "
            "(classes)."
        )


def _how(trainer: Mapping[str, Any]) -> Any:
    """The options of a built-in trainer.

    Raises:
        ConfigError: For unknown ones, with the nearest known, and for values that cannot be.
    """
    module, name = BUILT_IN[str(trainer["use"])]
    kind = resolve(f"{module}:{name}")
    options = {key: value for key, value in trainer.items() if key != "use"}
    known = [field.name for field in dataclasses.fields(kind)]
    for key in options:
        if key not in known:
            hint = nearest(key, known) or f" Known: {', '.join(known)}."
            raise ConfigError(f"trainer: {trainer['use']} has no option {key!r}.{hint}")
    if isinstance(options.get("augment"), Mapping):
        options["augment"] = resolve(f"{module}:Augment")(**options["augment"])
    try:
        return kind(**options)
    except TypeError as error:
        raise ConfigError(f"trainer: {error}.") from error


def lesson_of(pool: Pool, without: Rows) -> Lesson:
    """The labels of a pool that can be learned from, those of the hold-out aside."""
    aside = set(without.tolist())
    kind = (int, float) if pool.settings.task == "regression" else (str,)
    found = [one for one in pool.labels() if isinstance(one.value, kind) and one.row not in aside]
    rows = np.array([one.row for one in found], np.int64)
    return Lesson(rows, [one.value for one in found], pool.classes)


def train(
    pool: Pool,
    lesson: Lesson,
    settings: RoundsSettings,
    folder: Path,
    name: str,
    watch: Watch,
) -> Learned | None:
    """Make a model of labels; None if it was stopped, and goes on where it was when called again.

    Args:
        pool: Whose items.
        lesson: What is learned from.
        settings: Of the rounds.
        folder: For the model's files.
        name: Of these.
        watch: Who hears of it.
    """
    if not lesson.teaches:
        return Learned(None, {}, len(lesson.rows))
    use = str(settings.trainer["use"])
    folder.mkdir(parents=True, exist_ok=True)
    if use == FINE_TUNE:
        return _tuned(pool, lesson, settings, folder / f"{name}-{lesson.digest}", watch)
    transform = guess_transform(pool)
    base = choose_model(settings.model, str(transform["modality"]))
    base = learned_on(base, open_transform(transform))

    def tell(done: int) -> None:
        watch.tell(Training("features", done, len(lesson.rows)))

    given = outputs_of(pool, lesson.rows, base, frozenset({"embeddings"}), tell)
    given, values = _finite(given, lesson)
    if watch.should_stop():
        return None
    watch.tell(Training("training", 0, len(values)))
    arguments: list[Any] = [
        given.outputs["embeddings"],
        values,
        lesson.classes,
        base,
        folder / f"{name}.safetensors",
    ]
    options = {key: value for key, value in settings.trainer.items() if key != "use"}
    if use in BUILT_IN:
        made = resolve(_HEAD)(*arguments, _how(settings.trainer))
    else:
        made = resolve(use)(*arguments, **options)
    return _learned(made, len(values), len(lesson.rows) - len(values))


def is_outdated(pool: Pool, model: Mapping[str, Any] | None) -> bool:
    """Whether a head learned on other features of a table than its rows show by now."""
    if model is None or model.get("use") != "head":
        return False
    return not has_learned_on(model["base"], open_transform(guess_transform(pool)))


def _finite(given: Given, lesson: Lesson) -> tuple[Given, list[Any]]:
    """Features that can be learned from, and their labels."""
    labels = dict(zip(lesson.rows.tolist(), lesson.values, strict=True))
    if not len(given.rows):
        raise ConfigError("none of the labelled items can be read, so there is nothing to learn.")
    good = np.isfinite(given.outputs["embeddings"]).all(axis=1)
    kept = {name: values[good] for name, values in given.outputs.items()}
    rows = given.rows[good]
    return given._replace(rows=rows, outputs=kept), [labels[row] for row in rows.tolist()]


def _tuned(
    pool: Pool, lesson: Lesson, settings: RoundsSettings, folder: Path, watch: Watch
) -> Learned | None:
    from querist.engines.machine import usable_cores
    from querist.models.trainers.fine_tune import Run, fine_tune

    total = len(lesson.rows)
    examples = Decoded(pool, lesson.rows).readable(
        lambda done: watch.tell(Training("reading", done, total))
    )
    if not len(examples):
        raise ConfigError("none of the labelled items can be read, so there is nothing to learn.")
    labels = dict(zip(lesson.rows.tolist(), lesson.values, strict=True))
    values = [labels[row] for row in examples.rows.tolist()]
    model = dict(settings.model or {})
    if pool.settings.task == "classification":
        model["classes"] = list(lesson.classes)
    device = str(settings.engine.get("device") or "cpu")
    run = Run(folder, device, usable_cores(), lambda said: _told(watch, said), watch.should_stop)
    made = fine_tune(model, examples, values, run, _how(settings.trainer))
    if watch.should_stop():
        return None  # these are the best weights so far; the checkpoint goes on
    return _learned(made, len(values), total - len(values))


def _told(watch: Watch, said: Any) -> None:
    watch.tell(Training(f"training, loss {said.validation:.3g}", said.epoch, said.epochs))


def _learned(made: Trained, labels: int, unread: int) -> Learned:
    metrics = {name: float(value) for name, value in made.metrics.items()}
    return Learned(dict(made.settings), metrics, labels, unread)


def judge(pool: Pool, model: Mapping[str, Any], rows: Rows) -> dict[str, float]:
    """How well a model does on the labelled ones of some items that it has not learned from."""
    labels = {item.row: item.label for item in pool.fetch(rows)}
    known = np.array([row for row in rows.tolist() if labels.get(row) is not None], np.int64)
    if not len(known):
        return {}
    if pool.settings.task == "regression":
        given = outputs_of(pool, known, model, frozenset({"predictions"}))
        wanted = np.array([float(labels[row]) for row in given.rows.tolist()])
        said = given.outputs["predictions"].reshape(len(wanted), -1)[:, 0]
        return {"holdout.rmse": float(np.sqrt(((said - wanted) ** 2).mean()))}
    given = outputs_of(pool, known, model, frozenset({"probabilities"}))
    names: Sequence[str] = given.classes or pool.classes
    numbers = {name: number for number, name in enumerate(names)}
    # A class that nobody had labelled when the model was made is an answer that it cannot give.
    wanted = np.array([numbers.get(labels[row], -1) for row in given.rows.tolist()], np.int64)
    seen = wanted >= 0
    metrics = judged(given.outputs["probabilities"][seen], wanted[seen], "holdout")
    if not seen.all():
        metrics["holdout.accuracy"] = metrics.get("holdout.accuracy", 0.0) * float(seen.mean())
        metrics["holdout.rows"] = float(len(seen))
    return metrics
