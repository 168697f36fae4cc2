"""Fitted scikit-learn estimators as bytes, without pickle: skops (extra ``sklearn``)."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, MissingExtra, RunError, require

# Types of scikit-learn that only hold data and that skops leaves to its user to trust. Whole
# modules are never trusted: a module also holds what it imports.
TRUSTED = frozenset(
    {
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.DotProduct",
        "sklearn.gaussian_process.kernels.Matern",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.gaussian_process.kernels.RationalQuadratic",
        "sklearn.gaussian_process.kernels.Sum",
        "sklearn.gaussian_process.kernels.WhiteKernel",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
    }
)


_SCHEMA = "schema.json"
_ESTIMATOR = "a query with an estimator"
_PURPOSE = "keeping a fitted estimator without pickle"


def _skops() -> Any:
    return require("skops.io", "sklearn", _PURPOSE)


def constant(X: NDArray[np.float64], codes: NDArray[Any]) -> Any:
    """A fitted classifier of ``(n,)`` codes that are all the same: it says that one."""
    dummies = require("sklearn.dummy", "sklearn", "a classifier of one class")
    return dummies.DummyClassifier(strategy="most_frequent").fit(X, codes)


def require_fitted(estimator: Any) -> None:
    """See that an estimator was fitted.

    Raises:
        ConfigError: If it was not.
        MissingExtra: If scikit-learn is not installed.
    """
    try:
        require("sklearn.utils.validation", "sklearn", _ESTIMATOR).check_is_fitted(estimator)
    except require("sklearn.exceptions", "sklearn", _ESTIMATOR).NotFittedError as error:
        raise ConfigError(f"{type(estimator).__name__} is not fitted yet; fit it first.") from error


def regresses(estimator: Any) -> bool:
    """Whether it is a regressor, by what it says of itself."""
    return bool(require("sklearn.base", "sklearn", _ESTIMATOR).is_regressor(estimator))


def versions() -> dict[str, str]:
    """What wrote a state: fitted estimators are only sure to work in the same version.

    Raises:
        MissingExtra: If scikit-learn or skops is not installed.
    """
    sklearn, skops = require("sklearn", "sklearn", _PURPOSE), require("skops", "sklearn", _PURPOSE)
    return {"scikit-learn": str(sklearn.__version__), "skops": str(skops.__version__)}


def _check(data: bytes, trusted: Sequence[str], what: str) -> list[str]:
    """The types in ``data`` that skops asks about, all of which are trusted.

    Raises:
        RunError: If one is not.
    """
    asked = set(_skops().get_untrusted_types(data=data))
    refused = sorted(asked - TRUSTED - set(trusted))
    if refused:
        raise RunError(
            f"{what} holds types that are not trusted: {', '.join(refused)}. If you wrote or read "
            "their code, give their names as 'trusted'; otherwise do not load it."
        )
    return sorted(asked)


def dump(estimator: Any, trusted: Sequence[str] = ()) -> NDArray[np.uint8]:
    """A fitted estimator as ``(bytes,)`` uint8.

    Args:
        estimator: Fitted.
        trusted: Dotted names of further types that may be loaded back.

    Raises:
        MissingExtra: If skops is not installed.
        RunError: If it could not be loaded back.
    """
    name = type(estimator).__name__
    try:
        data = _skops().dumps(estimator)
    except (MissingExtra, MemoryError):
        raise
    except Exception as error:  # the estimator's own code runs here
        raise RunError(
            f"a fitted {name} cannot be kept without pickle: skops says {error!r}. Use a "
            "scikit-learn estimator, or write a Model whose state is arrays."
        ) from error
    _check(data, trusted, f"a fitted {name}")
    return np.frombuffer(canonical(data), np.uint8)


def canonical(data: bytes) -> bytes:
    """The same archive with nothing in it that changes from run to run.

    skops names objects by their addresses in memory, and zip files hold the time; with both gone,
    equal estimators have equal bytes, so that weights have a digest that means something.
    """
    numbers: dict[str, str] = {}

    def renamed(node: Any, key: str = "") -> Any:
        if isinstance(node, dict):
            return {name: renamed(value, name) for name, value in node.items()}
        if isinstance(node, list):
            return [renamed(value) for value in node]
        if key == "__id__":
            return int(numbers.setdefault(str(node), str(len(numbers) + 1)))
        if key == "file":
            return _renamed_file(node, numbers)
        return node

    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        schema = renamed(json.loads(old.read(_SCHEMA)))
        files = {_renamed_file(name, numbers): name for name in old.namelist() if name != _SCHEMA}
        parts = {name: old.read(files[name]) for name in sorted(files)}
        for name, part in {**parts, _SCHEMA: json.dumps(schema).encode()}.items():
            new.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _renamed_file(name: str, numbers: dict[str, str]) -> str:
    stem, dot, suffix = name.partition(".")
    return numbers.setdefault(stem, str(len(numbers) + 1)) + dot + suffix


def parse(array: NDArray[np.uint8], trusted: Sequence[str] = (), what: str = "this state") -> Any:
    """The estimator that :func:`dump` was given; nothing is unpickled.

    Args:
        array: What :func:`dump` gave, or a file of skops.
        trusted: Dotted names of further types that may be loaded.
        what: For the sentence that refuses others.

    Raises:
        MissingExtra: If skops is not installed.
        RunError: If it holds a type that is not trusted; nothing of it is made then.
    """
    data = np.ascontiguousarray(array).tobytes()
    return _skops().loads(data, trusted=_check(data, trusted, what))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Within it, estimators and linear algebra use so many threads, and no processes.

    Raises:
        MissingExtra: If what scikit-learn brings along is not installed.
    """
    what = "keeping to a number of threads"
    limits = require("threadpoolctl", "sklearn", what).threadpool_limits
    config = require("joblib", "sklearn", what).parallel_config
    with limits(limits=count), config(backend="threading", n_jobs=count):
        yield
