"""From a network's scores to what strategies need: softmax, members, last layer's gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, RunError

Array = NDArray[Any]

TASKS = ("classification", "multi-label", "regression")
OUTPUTS = ("logits", "probabilities", "")


@dataclass(frozen=True, slots=True)
class Head:
    """What the scores of a network mean.

    Attributes:
        task: One of :data:`TASKS`.
        output: Whether a classifier's scores are "logits" or "probabilities" already; "" for logits
            that nobody said to be such, and that are refused where they look like probabilities.
        classes: Names of the classes, or empty.
        averaged: Whether the prediction is the mean over the members, as of a committee; else it
            is the network's own, with members beside it (MC dropout).
        linear: Whether scores are a linear function of the embeddings, which gradients need.
    """

    task: str = "classification"
    output: str = "logits"
    classes: tuple[str, ...] = ()
    averaged: bool = False
    linear: bool = True

    def __post_init__(self) -> None:
        if self.task not in TASKS or self.output not in OUTPUTS:
            raise ConfigError(
                f"a model's task is one of {', '.join(TASKS)} and its output one of "
                f"{', '.join(OUTPUTS[:2])}; got {self.task!r} and {self.output!r}."
            )

    @property
    def _own(self) -> str:
        return {
            "classification": "probabilities",
            "multi-label": "label_probabilities",
            "regression": "predictions",
        }[self.task]

    def provides(self, gives: frozenset[str]) -> frozenset[str]:
        """Names of needs, of the raw outputs that there are."""
        found = {self._own} if "scores" in gives or "member_scores" in gives else set()
        if "member_scores" in gives and self.task == "classification":
            found |= {"member_probabilities"}
        if "member_scores" in gives and self.task == "regression":
            found |= {"member_predictions", "std"}
        if "embeddings" in gives:
            found |= {"embeddings"}
            differentiable = self.linear and found & {"probabilities", "predictions"}
            found |= {"gradients"} if differentiable else set()
        return frozenset(found | (gives & PASSED_ON))

    def raw(self, wanted: Iterable[str], gives: frozenset[str]) -> tuple[str, ...]:
        """The raw outputs that something takes."""
        wanted, names = set(wanted), set()
        members = {"member_probabilities", "member_predictions"} | (
            {"std"} if "std" not in gives else set()
        )
        if wanted & {self._own, "gradients"}:
            names |= {"member_scores" if self.averaged else "scores"}
        if wanted & members:
            names |= {"member_scores"}
        if wanted & {"embeddings", "gradients"}:
            names |= {"embeddings"}
        return tuple(sorted(names | (wanted & gives & PASSED_ON)))

    def finish(self, raw: Mapping[str, Array], wanted: Iterable[str]) -> dict[str, Array]:
        """What is wanted, of raw outputs.

        Raises:
            RunError: If the network gives another number of classes than were named, or scores
                that are not finite.
        """
        wanted = set(wanted)
        made = {name: raw[name] for name in wanted & PASSED_ON & set(raw)}
        members = self._activated(raw["member_scores"]) if "member_scores" in raw else None
        if wanted & {self._own, "gradients"}:
            mean = members.mean(axis=0) if members is not None and self.averaged else None
            made[self._own] = self._activated(raw["scores"]) if mean is None else mean
        if members is not None:
            made |= self._of_members(members)
        if "embeddings" in raw:
            made["embeddings"] = np.asarray(raw["embeddings"], np.float32)
        if "gradients" in wanted:
            made["gradients"] = self._gradients(made)
        if "predictions" in made:
            made["predictions"] = _squeezed(made["predictions"], 1)
        return {name: made[name] for name in wanted}

    def _activated(self, scores: Array) -> Array:
        """``(..., n, C)`` scores as probabilities or predictions, float32."""
        scores = np.asarray(scores, np.float32)
        if scores.ndim < 2:
            scores = scores[:, None]
        if self.classes and scores.shape[-1] != len(self.classes):
            raise RunError(
                f"the model was said to have {len(self.classes)} classes "
                f"({', '.join(self.classes[:5])}{', ...' if len(self.classes) > 5 else ''}), but "
                f"it gives {scores.shape[-1]} scores an item."
            )
        if self.task == "classification":
            self._check_classes(scores)
        if self.task == "regression" or self.output == "probabilities":
            return scores
        return softmax(scores) if self.task == "classification" else sigmoid(scores)

    def _check_classes(self, scores: Array) -> None:
        """See that scores are what a classifier gives: one a class, and of the kind that was told.

        Raises:
            RunError: If they are one an item, or logits that nobody told and that look otherwise.
        """
        if scores.shape[-1] == 1 and len(self.classes) != 1:
            raise RunError(
                "a classifier gives a score a class, but this model gives one an item. Of two "
                "classes let it give both: 0 beside a logit, 1 - p beside a probability p (with "
                "output: probabilities). Of a regressor say task: regression."
            )
        if self.output == "" and are_probabilities(scores):
            raise RunError(
                "the model's scores are probabilities already: all from 0 to 1, with the sum 1. "
                "Say output: probabilities, or output: logits if they are meant so."
            )

    def _of_members(self, members: Array) -> dict[str, Array]:
        by_item = np.swapaxes(members, 0, 1)
        if self.task != "regression":
            return {"member_probabilities": np.ascontiguousarray(by_item)}
        spread = by_item.std(axis=1, ddof=min(1, len(members) - 1))
        return {
            "member_predictions": np.ascontiguousarray(_squeezed(by_item, 2)),
            "std": _squeezed(spread, 1),
        }

    def _gradients(self, made: Mapping[str, Array]) -> Array:
        """``(n, g)`` of the loss by the weights of the last layer, at the likeliest label.

        For the cross-entropy this is the outer product of p - e_y and the layer's input h (Ash et
        al. 2020, eq. 1). A regression's squared loss has (f - y) h, of which only h is known.
        """
        h = made["embeddings"]
        if self.task == "regression":
            return h
        p = made["probabilities"].copy()
        p[np.arange(len(p)), p.argmax(axis=1)] -= 1.0
        return (p[:, :, None] * h[:, None, :]).reshape(len(p), -1)


# Raw outputs that need nothing done.
PASSED_ON = frozenset({"member_probabilities", "member_predictions", "std"})


def _squeezed(array: Array, axis: int) -> Array:
    """Without an axis of one number a row."""
    one = array.ndim > axis and array.shape[axis] == 1
    return np.ascontiguousarray(array.squeeze(axis) if one else array)


def are_probabilities(scores: Array) -> bool:
    """Whether all rows are from 0 to 1 and sum to 1, which logits never do but by chance."""
    many = scores.reshape(-1, scores.shape[-1])
    inside = len(many) > 0 and many.min() >= 0.0 and many.max() <= 1.0
    return bool(inside and np.abs(many.sum(axis=1) - 1.0).max() < _SUM)


_SUM = 1e-5  # how far sums of probabilities in float32 may be off


def softmax(scores: Array) -> Array:
    """Over the last axis, ``(..., C)``."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    total: Array = raised / raised.sum(axis=-1, keepdims=True)
    return total


def sigmoid(scores: Array) -> Array:
    """The logistic function of each number, without overflow."""
    half: Array = 0.5 * (1.0 + np.tanh(0.5 * scores))
    return half
