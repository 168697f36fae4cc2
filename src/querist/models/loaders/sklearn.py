"""Scikit-learn: estimators in skops files (never pickles), or exported to ONNX."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, MissingExtra, RunError, ShapeError

from ..backends import skops
from ..heads import Head
from ..holdings import told_all
from ..inference_settings import OnnxSettings, SklearnSettings
from ..inferring import (
    Feeds,
    Inference,
    InferenceInfo,
    NetworkInference,
    Outputs,
    content_digest,
    digest_of,
)
from . import onnx

# Ensembles whose members are independent of each other; those of boosting are not.
COMMITTEES = ("RandomForest", "ExtraTrees", "Bagging", "Voting")
# Columns up to which sparse features are given as embeddings.
DENSE = 4096


def load(settings: SklearnSettings, device: str, threads: int) -> Inference:
    """The estimator of the file.

    Raises:
        ConfigError: If a file cannot be read, or an estimator lacks what the task wants.
        MissingExtra: If scikit-learn or skops is not installed.
        RunError: If it holds types that are not trusted.
    """
    if {Path(file).suffix for file in settings.file} == {".onnx"}:
        kept = settings.model_dump(include={"classes", "task", "file", "backend"})
        return onnx.load(OnnxSettings(**kept), device, threads)
    if settings.backend:
        raise ConfigError(
            f"{settings.backend} runs ONNX files, but got {', '.join(map(str, settings.file))}; "
            "export the estimator by skl2onnx.to_onnx, or leave 'backend' out."
        )
    estimators = [_read(Path(file), settings.trusted) for file in settings.file]
    if settings.task == "multi-label":
        raise ConfigError("a multi-label scikit-learn model is taken as an ONNX file only.")
    estimators = [_threaded(each, threads) for each in estimators]
    runner = SklearnRunner(estimators, settings.task, threads)
    classes = settings.classes or runner.classes
    head = Head(settings.task, "probabilities", classes, len(estimators) > 1, linear=runner.linear)
    told = settings.model_dump(mode="json", exclude={"file", "trusted"})
    digest = digest_of({**told, "file": [content_digest(file) for file in settings.file]})
    return NetworkInference(runner, head, digest, _columns)


def of_estimator(
    estimator: Any,
    threads: int,
    prepare: Callable[[Any], Feeds] | None = None,
    told: str = "",
    transform: Any = None,
) -> NetworkInference:
    """An estimator that was fitted in this process; it is not changed, its ``n_jobs`` neither.

    Args:
        estimator: A classifier that gives probabilities, or a regressor.
        threads: That it may use.
        prepare: Makes ``{"x": rows}`` of a batch, a frame where it was fitted to one; None gives it
            flattened.
        told: What else its outputs depend on.
        transform: How items are to be decoded for it, where not as the pool says.

    Raises:
        ConfigError: If it is not fitted, a class, a classifier that gives no probabilities, or one
            of several outputs.
        MissingExtra: If scikit-learn is not installed.
    """
    skops.require_fitted(estimator)
    task = "regression" if skops.regresses(estimator) else "classification"
    own = copy.copy(estimator)
    if prepare is None:
        vars(own).pop("feature_names_in_", None)  # it is shown arrays, and would warn at each
    runner = SklearnRunner([own], task, threads)
    head = Head(task, "probabilities", runner.classes, linear=runner.linear)
    digest = digest_of({"use": "sklearn", "live": _mark(estimator), "told": told})
    return NetworkInference(runner, head, digest, prepare or _columns, transform=transform)


def _mark(estimator: Any) -> str:
    """Of all that an estimator holds, functions among it."""
    total = hashlib.blake2b(digest_size=16)
    try:
        total.update(skops.dump(estimator).tobytes())
    except (RunError, MissingExtra):
        told_all([estimator], total.update)
    return total.hexdigest()


def _read(path: Path, trusted: Sequence[str]) -> Any:
    content_digest(path)
    try:
        return skops.parse(np.frombuffer(path.read_bytes(), np.uint8), trusted, str(path))
    except (ValueError, KeyError, OSError, BadZipFile) as error:  # no zip file, or none of skops
        raise ConfigError(
            f"{path} is no skops file ({error}); write one by skops.io.dump(estimator, path)."
        ) from error


def _columns(batch: Any) -> Feeds:
    """A batch as the rows of a table; texts as they are."""
    array = np.asarray(batch)
    return {"x": array.reshape(len(array), -1) if array.ndim > 2 else array}


class SklearnRunner:
    """Runs fitted estimators.

    Args:
        estimators: One, or a committee.
        task: "classification" or "regression".
        threads: That they may use.
    """

    def __init__(self, estimators: Sequence[Any], task: str, threads: int) -> None:
        self._estimators = list(estimators)
        self._classifies = task == "classification"
        self._steps = [_parted(each) for each in self._estimators]
        own = self._steps[0][1]
        self._check(own)
        self._members = list(getattr(own, "estimators_", ())) if _is_committee(own) else []
        count = len(estimators) if len(estimators) > 1 else max(1, len(self._members))
        self.info = InferenceInfo("sklearn", "sklearn", threads=threads, members=count)
        gives = {"scores"} if len(estimators) == 1 else set()
        gives |= {"member_scores"} if count > 1 else set()
        self._deviates = not self._classifies and count == 1 and _gives_std(own)
        self.gives = frozenset(gives | {"embeddings"} | ({"std"} if self._deviates else set()))
        self.linear = hasattr(own, "coef_") and len(estimators) == 1

    def _check(self, own: Any) -> None:
        wanted = "predict_proba" if self._classifies else "predict"
        if not hasattr(own, wanted):
            raise ConfigError(
                f"a scikit-learn model for this task wants {wanted}, which "
                f"{type(own).__name__} has not; wrap a classifier in CalibratedClassifierCV, or "
                "set task: regression."
            )
        if isinstance(getattr(own, "classes_", None), list):
            raise ConfigError(
                f"this {type(own).__name__} was fitted to several outputs at once; a query takes "
                "one, so fit one to the output that is asked about."
            )
        if not self._classifies and hasattr(own, "predict_proba"):
            raise ConfigError(f"{type(own).__name__} is a classifier, but the task is regression.")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty for a regressor."""
        found = getattr(self._steps[0][1], "classes_", ()) if self._classifies else ()
        return tuple(str(each) for each in found)

    def run(self, feeds: Feeds, names: Sequence[str]) -> Outputs:
        """Raw outputs of n items."""
        X = feeds["x"]
        try:
            with skops.threads(self.info.threads):
                return self._run(X, names)
        except ValueError as error:
            raise ShapeError(
                f"the estimator could not be run on a batch of the shape {X.shape}: {error}"
            ) from error

    def _run(self, X: NDArray[Any], names: Sequence[str]) -> dict[str, NDArray[Any]]:
        first, own = self._steps[0]
        features = X if first is None else first.transform(X)
        found: dict[str, NDArray[Any]] = {}
        if "scores" in names:
            found["scores"] = self._scores(own, features)
        if "std" in names:
            found["std"] = np.asarray(own.predict(features, return_std=True)[1])
        if "member_scores" in names:
            found["member_scores"] = self._member_scores(X, features)
        if "embeddings" in names:
            found["embeddings"] = _dense(features)
        return found

    def _scores(self, estimator: Any, X: Any) -> NDArray[Any]:
        if self._classifies:
            return np.asarray(estimator.predict_proba(X))
        made = np.asarray(estimator.predict(X))
        return made.reshape(len(made), -1)

    def _member_scores(self, X: NDArray[Any], features: Any) -> NDArray[Any]:
        if len(self._estimators) > 1:
            return np.stack([self._scores(each, X) for each in self._estimators])
        own = self._steps[0][1]
        chosen = getattr(own, "estimators_features_", [slice(None)] * len(self._members))
        width = len(getattr(own, "classes_", ()))
        made = []
        for member, columns in zip(self._members, chosen, strict=True):
            scores = self._scores(member, _seen_by(member, features, columns))
            made.append(_aligned(scores, member, width) if self._classifies else scores)
        return np.stack(made)

    def close(self) -> None:
        """Let go of the estimators."""
        self._estimators, self._steps, self._members = [], [], []


def _seen_by(member: Any, features: Any, columns: Any) -> Any:
    """What a member of an ensemble was fitted to: the frame as it is, or columns of an array."""
    if hasattr(member, "feature_names_in_"):
        return features
    return (np.asarray(features) if hasattr(features, "columns") else features)[:, columns]


def _aligned(scores: NDArray[Any], member: Any, width: int) -> NDArray[Any]:
    """A member's probabilities in the columns of all classes; it may have met fewer of them."""
    if scores.shape[1] == width:
        return scores
    whole = np.zeros((len(scores), width))
    whole[:, np.asarray(member.classes_, np.int64)] = scores
    return whole


def _parted(estimator: Any) -> tuple[Any, Any]:
    """What comes before the last step of a pipeline (None for nothing), and the last step."""
    steps = getattr(estimator, "steps", None)
    if not steps:
        return None, estimator
    return (estimator[:-1] if len(steps) > 1 else None), steps[-1][1]


def _is_committee(estimator: Any) -> bool:
    return type(estimator).__name__.startswith(COMMITTEES)


def _gives_std(estimator: Any) -> bool:
    import inspect

    return "return_std" in inspect.signature(estimator.predict).parameters


def _threaded(estimator: Any, threads: int) -> Any:
    """An estimator that uses so many threads, wherever it has a say."""
    params: Mapping[str, Any] = estimator.get_params() if hasattr(estimator, "get_params") else {}
    names = [name for name in params if name.rpartition("__")[2] == "n_jobs"]
    return estimator.set_params(**dict.fromkeys(names, threads)) if names else estimator


def _dense(features: Any) -> NDArray[np.float32]:
    """``(n, d)`` features.

    Raises:
        RunError: If they are sparse and have very many columns.
    """
    if hasattr(features, "toarray"):
        if features.shape[1] > DENSE:
            raise RunError(
                f"the features before the last step are sparse, with {features.shape[1]} columns, "
                "which is too many for embeddings; put a TruncatedSVD between, or take a strategy "
                "that needs probabilities only."
            )
        features = features.toarray()
    return np.asarray(features, np.float32)
