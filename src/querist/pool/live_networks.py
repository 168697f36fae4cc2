"""Torch modules of this process as the model of a query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from querist.core.errors import ConfigError
from querist.models.inferring import Inference
from querist.models.loaders.module import of_modules
from querist.pool.guessing import guess_transform
from querist.pool.pool import Pool

KEY = "module"


def is_network(model: Any) -> bool:
    """Whether it is a torch module, several, or settings that hold such."""
    if isinstance(model, Mapping):
        return KEY in model
    parts = model if isinstance(model, list | tuple) and model else [model]
    return all(hasattr(part, "state_dict") and hasattr(part, "forward") for part in parts)


def of_pool(model: Any, pool: Pool, threads: int, device: str | None = None) -> Inference:
    """A module, or a list of some as a committee, that looks at a pool's items.

    ``{"module": ...}`` takes further settings of ``use: torch``: ``normalise``, ``classes``,
    ``output``, ``mc_dropout``, ``embedding`` ... Without ``normalise`` images come as numbers from
    0 to 1, channels first, as torchvision's ``ToTensor`` makes them.

    Raises:
        ConfigError: If the items are no arrays, or images whose size nobody told.
    """
    told = dict(model) if isinstance(model, Mapping) else {KEY: model}
    given = told.pop(KEY)
    modules = list(given) if isinstance(given, list | tuple) else [given]
    _require_shape(pool)
    _require_plain(modules)
    return of_modules(modules, told, threads, device)


def _require_shape(pool: Pool) -> None:
    modality = guess_transform(pool)["modality"]
    if modality == "text":
        raise ConfigError(
            "a torch module is shown arrays, but this pool's items are texts. Give a function from "
            "a list of texts to probabilities, or {'use': 'huggingface', 'name': ...}."
        )
    if modality == "image" and "size" not in pool.settings.transform:
        raise ConfigError(
            "a network wants images of the size that it was trained with, which this pool does not "
            "say: Pool.create(folder, {'transform': {'modality': 'image', 'size': 224}})."
        )


def _require_plain(modules: list[Any]) -> None:
    """See that they take an array and give one: Hugging Face's take names and give a record."""
    for module in modules:
        if hasattr(module, "config") and hasattr(module, "main_input_name"):
            raise ConfigError(
                f"{type(module).__name__} gives a record, not scores. Save it with its "
                "preprocessor (save_pretrained), and give {'use': 'huggingface', 'name': folder}."
            )
