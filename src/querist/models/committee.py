"""A committee over any regressor or classifier with ``fit`` and ``predict``.

Members differ by the bootstrap of their rows (bagging, Breiman 1996; query by bagging, Abe &
Mamitsuka 1998), by their ``random_state``, or by both. Fitted members are kept through skops as
bytes (extra ``sklearn``), never pickled.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset
from querist.core.batch import Array, Batch, Column
from querist.core.errors import ConfigError, ContractError, RunError, ShapeError
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState
from querist.core.tasks import Factory

from .backends import skops
from .members import (
    bootstrap,
    check_format,
    check_members,
    member_rng,
    not_loaded,
    rejoin,
    same,
    stop_between,
    wanted_members,
)
from .table import Fields, Matrix, refuse_not_finite, training_rows

FORMAT = "querist.committee/1"
WHO = "Committee"
KINDS = ("auto", "regressor", "classifier")


@dataclass(frozen=True, slots=True, eq=False)
class _Targets:
    """What a member learns: ``(n, q)`` numbers, or ``(n,)`` codes of classes."""

    values: Array
    data: Mapping[str, Any]
    classes: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    inputs: Fields
    outputs: Fields
    estimators: tuple[Any, ...]
    classes: tuple[Array, ...]


@dataclass(eq=False)
class Committee:
    """A committee over any scikit-learn-like regressor or classifier.

    A regressor predicts the mean and standard deviation over its members. A classifier of the
    output "y" predicts two fields:

    - ``y``: the most probable class; its "standard deviation" is the probability that this is
      wrong, 1 - max p, of the mean probabilities.
    - ``y.proba``: ``(n, classes)`` mean probabilities, classes in sorted order (:attr:`classes`);
      its standard deviation over the members is their disagreement.

    Attributes:
        estimator: An unfitted estimator (copied for each member), a class or function that makes
            one, or its import path such as ``"sklearn.ensemble:ExtraTreesRegressor"``.
        inputs: Input fields, numeric and of one shape each, flattened side by side; None for all.
        outputs: Output fields; None for all. A classifier wants one, with one class a sample.
        members: Size of the committee.
        bootstrap: Whether each member draws its rows with replacement.
        options: Options for an import path.
        kind: "regressor", "classifier" or "auto": what the estimator says of itself.
        trusted: Dotted names of types that skops may load besides scikit-learn's.
    """

    estimator: Any
    inputs: Sequence[str] | None = None
    outputs: Sequence[str] | None = None
    members: int = 8
    bootstrap: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "auto"
    trusted: Sequence[str] = ()
    _loaded: _Loaded | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"{WHO} wants a kind of {list(KINDS)}, but got {self.kind!r}.")
        if self.members < 1:
            raise ConfigError(f"{WHO} wants at least 1 member, but got {self.members}.")

    def _make(self, rng: np.random.Generator) -> Any:
        """An unfitted estimator with every ``random_state`` in it set."""
        made = self.estimator
        if isinstance(made, str | Factory):
            made = Factory.of(made, **self.options).create()
        elif isinstance(made, type) or not hasattr(made, "fit"):
            made = made() if callable(made) else made
        missing = [name for name in ("fit", "predict") if not callable(getattr(made, name, None))]
        if missing:
            raise ContractError(
                f"{WHO} wants an estimator with fit and predict, but {made!r} lacks {missing}."
            )
        made = copy.deepcopy(made)
        names = made.get_params() if hasattr(made, "get_params") else {}
        seeded = [name for name in names if name.rpartition("__")[2] == "random_state"]
        if not seeded and not self.bootstrap and self.members > 1:
            raise ConfigError(
                f"the members of a {WHO} of {type(made).__name__} would all be the same: it has no "
                "random_state, and bootstrap is off."
            )
        seed = int(rng.integers(2**31 - 1))
        return made.set_params(**dict.fromkeys(seeded, seed)) if seeded else made

    def _classifies(self, estimator: Any) -> bool:
        if self.kind != "auto":
            return self.kind == "classifier"
        tags = getattr(estimator, "__sklearn_tags__", None)
        said = tags().estimator_type if tags else None
        return said == "classifier" or (said is None and hasattr(estimator, "predict_proba"))

    @property
    def classifies(self) -> bool:
        """Whether it predicts classes."""
        return self._classifies(self._make(member_rng(0, 0)))

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Fit to the rows of purpose "train", from scratch.

        Raises:
            MissingExtra: If skops is not installed.
            RunError: If there is nothing to fit, the fit was stopped, or a fitted estimator cannot
                be kept without pickle.
            ShapeError: If a field is missing, ragged or of a wrong dtype.
            UnsupportedSample: If a value is not finite.
        """
        chosen = wanted_members(request, self.members)
        rows = training_rows(dataset, WHO)
        inputs = Fields.of(rows.inputs, self.inputs, WHO)
        X = inputs.matrix(rows.inputs, WHO)
        classifies = self._classifies(self._make(member_rng(request.seed, 0)))
        targets = self._classes(rows) if classifies else self._numbers(rows)
        arrays: dict[str, Array] = {}
        data: dict[str, Any] = {"format": FORMAT, "members": self.members}
        shared = {"inputs": inputs.metadata(), **targets.data, "versions": skops.versions()}
        for done, member in enumerate(chosen):
            stop_between(request, done, len(chosen))
            fitted = self._fit_member(X, targets, member_rng(request.seed, member))
            arrays[f"m{member}.skops"] = skops.dump(fitted, self.trusted)
            data[f"m{member}"] = shared
        return FitResult(ModelState(arrays, data), {"train.rows": float(len(X))})

    def _labels(self, rows: Dataset) -> tuple[Fields, Batch]:
        labels = Batch(rows.outputs.columns, rows.inputs.ids)
        return Fields.of(labels, self.outputs, WHO), labels

    def _numbers(self, rows: Dataset) -> _Targets:
        outputs, labels = self._labels(rows)
        return _Targets(outputs.matrix(labels, WHO), {"outputs": outputs.metadata()})

    def _classes(self, rows: Dataset) -> _Targets:
        outputs, labels = self._labels(rows)
        if outputs.shapes != ((),):
            raise ShapeError(
                f"a classifier wants one output with one class a sample, but got "
                f"{dict(zip(outputs.names, outputs.shapes, strict=True))}; give each its own "
                f"{WHO}, or name one in 'outputs'."
            )
        values = labels[outputs.names[0]]
        if values.dtype.kind == "f":
            column = np.asarray(values, np.float64)[:, None]
            refuse_not_finite(column, outputs.names[0], labels, WHO)
        classes, codes = np.unique(values, return_inverse=True)
        told = {"classes": classes.tolist(), "dtype": classes.dtype.str}
        return _Targets(codes, {"outputs": outputs.metadata(), **told}, classes)

    def _fit_member(self, X: Matrix, targets: _Targets, rng: np.random.Generator) -> Any:
        estimator, values = self._make(rng), targets.values
        chosen = bootstrap(rng, len(X)) if self.bootstrap else np.arange(len(X))
        if targets.classes is not None and len(targets.classes) == 1:
            return skops.constant(X, values)  # many classifiers need two classes
        if targets.classes is not None:
            chosen = _with_all_classes(chosen, values)
            estimator.fit(X[chosen], values[chosen])
            return estimator
        one = values.shape[1] == 1
        try:
            estimator.fit(X[chosen], values[chosen, 0] if one else values[chosen])
        except ValueError as error:
            if one:
                raise
            raise ShapeError(
                f"{type(estimator).__name__} could not be fitted to {values.shape[1]} numbers a "
                "sample; if it takes one only, wrap it in sklearn.multioutput."
                f"MultiOutputRegressor. It said: {error}"
            ) from error
        return estimator

    def load(self, state: ModelState) -> None:
        """Use this state from the next prediction on.

        Raises:
            MissingExtra: If skops is not installed.
            RunError: If it is of another kind, a member is missing, or a type is not trusted.
        """
        check_format(state, FORMAT, WHO)
        count = check_members(state, ".skops", WHO)
        told = [state.data[f"m{i}"] for i in range(count)]
        same(([one["inputs"], one["outputs"]] for one in told), "fields", WHO)
        arrays = [np.asarray(state.arrays[f"m{i}.skops"], np.uint8) for i in range(count)]
        self._loaded = _Loaded(
            Fields.from_metadata(told[0]["inputs"]),
            Fields.from_metadata(told[0]["outputs"]),
            tuple(skops.parse(array, self.trusted) for array in arrays),
            tuple(np.array(one["classes"], one["dtype"]) for one in told if "classes" in one),
        )

    @property
    def classes(self) -> Array:
        """The loaded classifier's ``(classes,)`` in the order of the probabilities.

        Raises:
            RunError: If no classifier is loaded.
        """
        if self._loaded is None or not self._loaded.classes:
            raise RunError(f"this {WHO} has no classes: load the state of a classifier first.")
        return np.unique(np.concatenate(self._loaded.classes))

    def predict(self, batch: Batch) -> Prediction:
        """Mean, standard deviation and members.

        Raises:
            RunError: Before :meth:`load`.
            ShapeError: If a field is missing or has another shape than in training.
            UnsupportedSample: If a value is not finite.
        """
        return self.combine(batch, self.predict_members(batch, range(len(self._held.estimators))))

    @property
    def loaded_members(self) -> int:
        """How many members predict."""
        return len(self._held.estimators)

    def predict_members(self, batch: Batch, members: Sequence[int]) -> tuple[Batch, ...]:
        """The outputs of some members; as :meth:`predict`."""
        held = self._held
        X = held.inputs.matrix(batch, WHO)
        if held.classes:
            classes, name = self.classes, held.outputs.names[0]
            pairs = [(held.estimators[m], held.classes[m]) for m in members]
            proba = (_probabilities(*pair, classes, X) for pair in pairs)
            return tuple(_decoded(name, classes, each) for each in proba)
        shape = len(X), held.outputs.width
        said = (_call(held.estimators[m].predict, X, shape[1:]).reshape(shape) for m in members)
        return tuple(held.outputs.split(np.asarray(each, np.float64)) for each in said)

    def combine(self, batch: Batch, outputs: Sequence[Batch]) -> Prediction:
        """The prediction from the outputs of all members."""
        held = self._held
        if held.classes:
            return self._class_prediction(held.outputs.names[0], tuple(outputs))
        return rejoin(outputs, held.outputs, WHO)

    @property
    def _held(self) -> _Loaded:
        if self._loaded is None:
            raise not_loaded(WHO)
        return self._loaded

    def _class_prediction(self, name: str, members: tuple[Batch, ...]) -> Prediction:
        by_member = np.stack([np.asarray(m[f"{name}.proba"], np.float64) for m in members])
        mean = by_member.mean(axis=0)
        std = by_member.std(axis=0, ddof=min(1, len(by_member) - 1))
        doubt = 1.0 - mean.max(axis=1)
        spread = {name: Column.stack(doubt, name), f"{name}.proba": Column.stack(std, name)}
        return Prediction(_decoded(name, self.classes, mean), Batch(spread), members)


def _with_all_classes(chosen: NDArray[np.int64], codes: Array) -> NDArray[np.int64]:
    """Add the first row of each class that the bootstrap left out; many classifiers need it."""
    first = np.unique(codes, return_index=True)[1]
    left_out = ~np.isin(codes[first], codes[chosen])
    return np.concatenate([chosen, first[left_out]])


def _call(method: Callable[[Matrix], Any], X: Matrix, width: tuple[int, ...]) -> Array:
    """Call an estimator, which need not take an empty matrix."""
    return np.asarray(method(X)) if len(X) else np.zeros((0, *width))


def _probabilities(estimator: Any, own: Array, classes: Array, X: Matrix) -> Matrix:
    """``(n, classes)`` probabilities of one member; a vote where it gives none.

    Args:
        estimator: Fitted to codes, which count the classes of ``own``.
        own: The classes in its training data, sorted.
        classes: The classes of the whole committee, sorted.
        X: ``(n, d)`` inputs.
    """
    codes = np.asarray(getattr(estimator, "classes_", np.arange(len(own))), np.int64)
    columns = np.searchsorted(classes, own[codes])
    probabilities = np.zeros((len(X), len(classes)))
    if hasattr(estimator, "predict_proba"):
        probabilities[:, columns] = _call(estimator.predict_proba, X, (len(codes),))
    elif len(X):
        voted = np.searchsorted(classes, own[np.asarray(estimator.predict(X), np.int64)])
        probabilities[np.arange(len(X)), voted] = 1.0
    return probabilities


def _decoded(name: str, classes: Array, probabilities: Matrix) -> Batch:
    most = classes[probabilities.argmax(axis=1)]
    return Batch(
        {name: Column.stack(most, name), f"{name}.proba": Column.stack(probabilities, name)}
    )
