"""Hugging Face: image and text classifiers and embedders, by name or from a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.errors import ConfigError, ShapeError

from ..backends import torch as backend
from ..backends.transformers import Pretrained, folder_of, read
from ..inference_settings import HuggingFaceSettings
from ..inferring import Feeds, Inference, as_feeds
from ..networks import Network, Tap, prepared, tapped, wrapped_network
from .module import Place, digests, network_digest, opened

# Lengths of texts are rounded up to this, so that graphs meet few different ones.
TOKENS = 8


def load(settings: HuggingFaceSettings, device: str, threads: int) -> Inference:
    """The model of the name.

    Raises:
        ConfigError: If it is in another format, or has no safetensors.
        MissingExtra: If the library is not installed.
        RunError: If it cannot be had.
    """
    folder = folder_of(settings.name, settings.revision, settings.offline)
    found = read(folder)
    settings = _completed(settings, found)
    network = _network(found, settings)
    digest = network_digest(
        settings.model_copy(update={"name": "", "revision": None, "offline": False}),
        {"files": digests(_files(folder))},
    )
    model = opened(network, settings, digest, Place(device, threads))
    model.prepare = _texts(found, settings.max_length) if found.tokenizer else _images(found)
    return model


def _files(folder: Path) -> list[Path]:
    """What the outputs depend on."""
    ends = ("json", "model", "safetensors", "txt")
    return sorted(file for end in ends for file in folder.glob(f"*.{end}"))


def _completed(settings: HuggingFaceSettings, found: Pretrained) -> HuggingFaceSettings:
    """Settings with what the model itself says, where nobody said otherwise."""
    told = settings.model_fields_set
    if not found.classifies and settings.mc_dropout:
        raise ConfigError(f"{settings.name} has no classifier, so mc_dropout has no scores.")
    update: dict[str, Any] = {} if "task" in told else {"task": found.task}
    update |= {} if settings.classes else {"classes": found.classes}
    update |= {} if settings.normalise else {"normalise": found.normalise}
    return settings.model_copy(update=update)


def _network(found: Pretrained, settings: HuggingFaceSettings) -> Network:
    if not found.classifies:
        module = embedder(found, settings)
        return Network([module], embeds=True, use="huggingface", scores=False)
    wrap = _wrap_text if found.tokenizer else _wrap_images(settings)
    return wrapped_network([found.model], settings, "huggingface", wrap)


def _wrap_images(settings: HuggingFaceSettings) -> Callable[[Any, Tap | None], Any]:
    from ..inference_settings import Normalise

    normalise = settings.normalise or Normalise()
    return lambda model, tap: prepared(_logits(model), normalise, tap)


def _logits(model: Any) -> Any:
    """A module from images to logits."""
    base: Any = backend.torch().nn.Module

    class Logits(base):  # type: ignore[misc]  # its base is only known where torch is installed
        """The model's logits alone."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: Any) -> Any:
            """``(n, C)`` of ``(n, 3, h, w)``."""
            return self.model(pixel_values=x).logits

    return Logits()


def _wrap_text(model: Any, tap: Tap | None) -> Any:
    base: Any = backend.torch().nn.Module

    class Tokens(base):  # type: ignore[misc]  # its base is only known where torch is installed
        """The model of tokens: logits, and embeddings where they are tapped."""

        takes_tokens = True

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            """``(n, C)`` of ``(n, length)`` tokens."""

            def run() -> Any:
                return self.model(input_ids=input_ids, attention_mask=attention_mask).logits

            return tapped(run, tap)

    return Tokens().eval()


def embedder(found: Pretrained, settings: HuggingFaceSettings) -> Any:
    """A module that gives embeddings alone, as the second of two outputs."""
    pt = backend.torch()
    base: Any = pt.nn.Module
    first = settings.pooling == "first"

    def pooled(hidden: Any, mask: Any) -> Any:
        if first:
            made = hidden[:, 0]
        else:
            weights = mask[:, :, None].to(hidden.dtype)
            made = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1.0)
        return made[:, :1], made

    class OfTokens(base):  # type: ignore[misc]  # its base is only known where torch is installed
        """Texts."""

        takes_tokens = True

        def __init__(self) -> None:
            super().__init__()
            self.model = found.model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            """``(n, d)`` of ``(n, length)`` tokens."""
            made = self.model(input_ids=input_ids, attention_mask=attention_mask)
            return pooled(made.last_hidden_state, attention_mask)

    class OfPixels(base):  # type: ignore[misc]  # as above
        """Images; places of a map of features, or patches, are averaged."""

        def __init__(self) -> None:
            super().__init__()
            self.model = found.model

        def forward(self, x: Any) -> Any:
            """``(n, d)`` of ``(n, 3, h, w)``."""
            hidden = self.model(pixel_values=x).last_hidden_state
            if hidden.ndim == 4:
                hidden = hidden.flatten(2).transpose(1, 2)
            return pooled(hidden, pt.ones_like(hidden[:, :, 0]))

    if found.tokenizer:
        return OfTokens().eval()
    from ..inference_settings import Normalise

    return prepared(OfPixels(), settings.normalise or Normalise(), None, plain=False)


def _texts(found: Pretrained, max_length: int) -> Callable[[Any], Feeds]:
    """Makes tokens of a list of texts."""
    longest = min(max_length, int(found.tokenizer.model_max_length))
    positions = getattr(found.model.config, "max_position_embeddings", longest)
    longest = min(longest, int(positions))

    def prepare(batch: Any) -> Feeds:
        texts = list(batch)
        wrong = next((text for text in texts if not isinstance(text, str)), None)
        if wrong is not None:
            raise ShapeError(
                f"this model takes texts, but got {type(wrong).__name__}; use the transform "
                "{modality: text}."
            )
        made = found.tokenizer(
            [str(text) for text in texts],
            padding=True,
            truncation=True,
            max_length=longest,
            pad_to_multiple_of=TOKENS if longest % TOKENS == 0 else None,
            return_tensors="np",
        )
        names = ("input_ids", "attention_mask")
        return {name: np.asarray(made[name], np.int64) for name in names}

    return prepare


def _images(found: Pretrained) -> Callable[[Any], Feeds]:
    """Checks the size of images."""

    def prepare(batch: Any) -> Feeds:
        feeds = as_feeds(batch)
        shape = feeds["x"].shape
        if len(shape) != 4 or (found.size and shape[1:3] != found.size):
            size = f"{found.size[0]} x {found.size[1]} pixels" if found.size else "any size"
            raise ShapeError(
                f"this model takes images of {size} as (n, height, width, 3), but got {shape}; "
                "set the transform's size."
            )
        return feeds

    return prepare
