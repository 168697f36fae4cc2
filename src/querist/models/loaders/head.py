"""A linear head on the embeddings of another model; several are a committee."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, RunError

from ..heads import Head
from ..inference_settings import HeadSettings, parse
from ..inferring import (
    Inference,
    InferenceInfo,
    check_rows,
    check_wanted,
    content_digest,
    digest_of,
)
from ..trainers.trained import read_state

EMBEDDINGS = frozenset({"embeddings"})


def load(
    settings: HeadSettings, open_base: Callable[[Mapping[str, Any]], Inference]
) -> HeadInference:
    """The head on its base.

    Raises:
        ConfigError: If the file is no head, or the base gives no embeddings.
    """
    held = read_state(settings.weights)
    if {"weight", "bias"} - set(held) or held["weight"].ndim != 3:
        raise ConfigError(
            f"{settings.weights} is no linear head: it should have weight (members, d, C) and bias "
            f"(members, C), but it has {', '.join(sorted(held)) or 'nothing'}."
        )
    base = open_base(settings.base)
    if "embeddings" not in base.provides:
        base.close()
        raise ConfigError(
            f"a linear head wants a base that provides embeddings, but this one provides "
            f"{', '.join(sorted(base.provides))}."
        )
    return HeadInference(base, held["weight"], held["bias"], settings)


def open_head(settings: Mapping[str, Any]) -> HeadInference:
    """The head alone, for who has embeddings already: only :meth:`HeadInference.of_embeddings`.

    Its digest is that of the head, whatever the base.

    Raises:
        ConfigError: If the settings cannot be used, or the file is no head.
    """
    checked = parse(settings)
    assert isinstance(checked, HeadSettings)
    return load(checked, lambda _: cast("Inference", _Absent()))


class _Absent:
    """In place of a base that is not opened."""

    provides, digest = EMBEDDINGS, ""

    def close(self) -> None:
        """Nothing."""


class HeadInference:
    """An :class:`Inference` that asks another one for embeddings.

    Args:
        base: Gives embeddings; what is cached of it serves every head on it.
        weight: ``(T, d, C)``.
        bias: ``(T, C)``.
        settings: Of the head.
    """

    def __init__(
        self,
        base: Inference,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32],
        settings: HeadSettings,
    ) -> None:
        self.base, self._weight, self._bias = base, weight, bias
        several = len(weight) > 1
        self._head = Head("classification", "logits", settings.classes, several)
        gives = {"embeddings", "member_scores" if several else "scores"}
        self._gives = frozenset(gives)
        self.provides = self._head.provides(self._gives)
        self.classes = settings.classes
        told = {"use": "head", "classes": settings.classes, "base": base.digest}
        self.digest = digest_of({**told, "weights": content_digest(Path(settings.weights))})

    @property
    def info(self) -> InferenceInfo:
        """How it runs: as its base."""
        return replace(self.base.info, use="head", members=len(self._weight))

    def infer(self, batch: Any, wanted: frozenset[str]) -> Mapping[str, NDArray[Any]]:
        """As :meth:`Inference.infer`."""
        check_wanted(wanted, self.provides, "this head")
        if not wanted:
            return {}
        made = self.of_embeddings(self.base.infer(batch, EMBEDDINGS)["embeddings"], wanted)
        return {name: check_rows(name, made[name], len(batch), "the head") for name in wanted}

    def of_embeddings(
        self, embeddings: NDArray[Any], wanted: frozenset[str]
    ) -> Mapping[str, NDArray[Any]]:
        """What is wanted of ``(n, d)`` embeddings of the base.

        Raises:
            RunError: If they have another number of columns than the head was fitted to.
        """
        h = np.asarray(embeddings, np.float32)
        if h.ndim != 2 or h.shape[1] != self._weight.shape[1]:
            raise RunError(
                f"the head was fitted to {self._weight.shape[1]} features an item, but its base "
                f"gives the shape {h.shape}; train it again on this base."
            )
        raw: dict[str, NDArray[Any]] = {"embeddings": h}
        asked = self._head.raw(wanted, self._gives)
        if {"scores", "member_scores"} & set(asked):
            # One row at a time would round otherwise than many at once: sums in float64 hide it.
            by_member = np.einsum("nd,tdc->tnc", h, self._weight, dtype=np.float64, optimize=True)
            by_member += self._bias[:, None, :]
            raw |= {"member_scores": by_member} if "member_scores" in asked else {}
            raw |= {"scores": by_member[0]} if "scores" in asked else {}
        return self._head.finish({name: raw[name] for name in asked}, wanted)

    def close(self) -> None:
        """Close the base."""
        self.base.close()
