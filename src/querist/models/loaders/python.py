"""Python: an object with ``infer``, or a function of a batch."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, ContractError, RoleFailed, RunError
from querist.core.tasks import resolve

from ..code import code_of, files_in
from ..inference_settings import PythonSettings, named
from ..inferring import Inference, InferenceInfo, check_rows, check_wanted, digest_of

USUAL = {
    "classification": "probabilities",
    "multi-label": "label_probabilities",
    "regression": "predictions",
}


AXES = {
    "probabilities": 2,
    "label_probabilities": 2,
    "member_probabilities": 3,
    "embeddings": 2,
    "gradients": 2,
}


def load(settings: PythonSettings, device: str, threads: int) -> Inference:
    """The model that the settings name.

    Raises:
        ConfigError: If a made object lacks something.
        RoleFailed: If there is no such name.
    """
    if settings.function is not None:
        function = _found(settings.function)
        return _of_function(function, settings, device, threads)
    target = _found(settings.object)
    made = target if hasattr(target, "infer") and not isinstance(target, type) else None
    if made is None:
        made = target(**_arguments(target, settings.options, device, threads))
    if hasattr(made, "infer"):
        return PythonInference(made, settings, _info(device, threads))
    if not callable(made):
        raise ContractError(
            f"{named(settings.object)} should make an object with infer(batch, wanted), or a "
            f"function of a batch, but it made {type(made).__name__}."
        )
    return _of_function(made, settings.model_copy(update={"options": {}}), device, threads)


def _found(target: Any) -> Any:
    return resolve(target) if isinstance(target, str) else target


def _info(device: str, threads: int) -> InferenceInfo:
    return InferenceInfo("python", "python", device=device, threads=threads)


def _arguments(
    target: Any, options: Mapping[str, Any], device: str, threads: int
) -> dict[str, Any]:
    """Options, with device and threads for those that take them."""
    try:
        taken = set(inspect.signature(target).parameters)
    except (TypeError, ValueError):  # some built-in types have no signature
        taken = set()
    offered = {"device": device, "threads": threads}
    return {**{key: offered[key] for key in offered if key in taken}, **options}


def _of_function(
    function: Callable[..., Any], settings: PythonSettings, device: str, threads: int
) -> Inference:
    provides = settings.provides or (USUAL[settings.task],)
    called = _Function(function, settings.options, provides)
    return PythonInference(called, settings, _info(device, threads))


@dataclass(frozen=True, slots=True, eq=False)
class _Function:
    """A function of a batch as an object with ``infer``."""

    function: Callable[..., Any]
    options: Mapping[str, Any]
    given: tuple[str, ...]

    @property
    def provides(self) -> frozenset[str]:
        return frozenset(self.given)

    def infer(self, batch: Any, wanted: frozenset[str]) -> Mapping[str, Any]:
        made = self.function(batch, **self.options)
        if isinstance(made, Mapping):
            return made
        if len(self.given) > 1:
            raise RunError(
                f"{named(self.function)} provides {', '.join(self.given)}, so it should give a "
                f"mapping with these names, but it gave {type(made).__name__}."
            )
        return {self.given[0]: made}


class PythonInference:
    """A user's object with everything that an :class:`Inference` has, and its outputs checked.

    Args:
        model: Has ``infer(batch, wanted)`` and ``provides``; ``digest``, ``classes``, ``info`` and
            ``close`` are used where it has them.
        settings: What it was opened with.
        info: How it runs, where it does not say.
    """

    def __init__(self, model: Any, settings: PythonSettings, info: InferenceInfo) -> None:
        target = settings.object or settings.function
        self._model, self._who = model, named(type(model) if target is model else target)
        provides = getattr(model, "provides", None) or settings.provides
        if not provides:
            raise ConfigError(
                f"{self._who} does not say what it provides; give it an attribute 'provides', or "
                "the model a key 'provides', such as [probabilities]."
            )
        self.provides = frozenset(provides)
        self.classes = tuple(settings.classes or getattr(model, "classes", ()))
        self.info: InferenceInfo = getattr(model, "info", info)
        self.digest = _digest(model, settings, self._who)

    def infer(self, batch: Any, wanted: frozenset[str]) -> Mapping[str, NDArray[Any]]:
        """As :meth:`Inference.infer`."""
        check_wanted(wanted, self.provides, self._who)
        made = self._model.infer(batch, frozenset(wanted))
        missing = sorted(set(wanted) - set(made))
        if missing:
            raise RunError(
                f"{self._who} was asked for {', '.join(missing)}, but gave {list(made)}."
            )
        return {
            n: check_rows(n, _numbers(made[n], n, self._who), len(batch), self._who) for n in wanted
        }

    def close(self) -> None:
        """Close the object, where it can be."""
        getattr(self._model, "close", lambda: None)()


def _numbers(made: Any, name: str, who: str) -> NDArray[Any]:
    """What a user's code gave, as an array; of torch wherever it is, with a gradient or without.

    Raises:
        RoleFailed: If it holds no numbers, or not as many axes as it has to.
    """
    if hasattr(made, "detach"):
        made = made.detach().cpu()
        made = made.float() if made.is_floating_point() else made
    array = np.asarray(made)
    if array.dtype.kind not in "biuf" and array.ndim:
        raise RoleFailed(f"{who} should give {name} as numbers, but it gave {array.dtype}.")
    wanted = AXES.get(name, array.ndim)
    if array.ndim not in (0, wanted):
        both = "; of two classes give both columns" if name == "probabilities" else ""
        raise RoleFailed(
            f"{who} should give {name} with {wanted} axes, a row an item, but it gave the shape "
            f"{array.shape}{both}."
        )
    return array


def _digest(model: Any, settings: PythonSettings, who: str) -> str:
    """The model's own digest; without one, of the options, the version and the code behind it.

    Options that name files (weights, say) count by the bytes of these.
    Of a function or an object that was given itself nobody can see what it holds or looks up:
    unless it has a digest or a version, each time it is opened it is another model.
    """
    told = {"use": "python", "name": who, "options": settings.options, "version": settings.version}
    own = getattr(model, "digest", None)
    if own:
        return digest_of({**told, "digest": str(own)})
    target = settings.object or settings.function
    if not isinstance(target, str) and not settings.version:
        return digest_of({**told, "opened": uuid.uuid4().hex})
    return digest_of(told, [*code_of(target), *files_in(settings.options)])
