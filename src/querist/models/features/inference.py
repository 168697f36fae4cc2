"""Built-in features as a model of a pool: for a first query, before there is any model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.models.features.audio import audio_features
from querist.models.features.image import image_features
from querist.models.features.text import text_features
from querist.models.inferring import InferenceInfo, check_wanted

VERSION = 1
"""Raised when the same items come to have other features."""

Modality = Literal["auto", "image", "text", "table", "audio"]


class Features:
    """Gives embeddings, nothing else; needs no labels, no weights and no download.

    They see edges, colours, words and pitch, not what a picture or text is about: enough to
    spread a first query over a pool, and no replacement of a trained network.

    Args:
        modality: Of the items; "auto" takes texts for texts, (n, h, w, 3) for images and rows of
            numbers for a table.
    """

    provides = frozenset({"embeddings"})
    classes: tuple[str, ...] = ()

    def __init__(self, modality: Modality = "auto") -> None:
        self.modality = modality
        self.digest = f"features-{VERSION}-{modality}"
        self.info = InferenceInfo("features", "numpy")

    def infer(self, batch: Any, wanted: frozenset[str]) -> Mapping[str, NDArray[Any]]:
        """Embeddings of a batch, (n, d).

        Raises:
            ConfigError: If something else is wanted.
            ShapeError: If the items are none that it knows.
        """
        check_wanted(wanted, self.provides, "the built-in features (no model was named)")
        return {"embeddings": self._described(batch)} if wanted else {}

    def _described(self, batch: Any) -> NDArray[Any]:
        kind = self.modality if self.modality != "auto" else modality_of(batch)
        if kind == "text":
            return text_features(batch)
        if kind == "image":
            return image_features(np.asarray(batch))
        if kind == "audio":
            return audio_features(np.asarray(batch))
        return np.asarray(batch, np.float32).reshape(len(batch), -1)

    def close(self) -> None:
        """Nothing to let go of."""


def modality_of(batch: Any) -> str:
    """What a batch's items are.

    Raises:
        ShapeError: If that cannot be told.
    """
    if isinstance(batch, list) and all(isinstance(item, str) for item in batch):
        return "text"
    shape = np.shape(batch)
    if len(shape) == 4 and shape[3] == 3:
        return "image"
    if len(shape) == 2:
        return "table"
    raise ShapeError(
        "built-in features are of texts, images (n, h, w, 3), table rows (n, d) and, where the "
        f"modality is given as audio, of sounds (n, samples); got {shape}."
    )
