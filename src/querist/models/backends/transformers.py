"""Models of the Hugging Face hub and folders in its format (extra ``huggingface``).

Only safetensors are read and no code of a repository is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError, RunError, require

from ..inference_settings import Normalise
from . import torch as backend

FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
CLASSIFIERS = {"ForSequenceClassification": "text", "ForImageClassification": "image"}


def transformers() -> Any:
    """Hugging Face's library.

    Raises:
        MissingExtra: If it is not installed.
    """
    return require("transformers", "huggingface", "a model of Hugging Face")


@dataclass(frozen=True, slots=True, eq=False)
class Pretrained:
    """A model as it was found.

    Attributes:
        model: A torch module.
        modality: "text" or "image".
        classifies: Whether it has a head for classes or numbers.
        task: What that is for.
        classes: Names of the classes; empty where they are only numbered.
        tokenizer: Of texts; None for images.
        normalise: Of images, as its preprocessor says; None where it says nothing.
        size: Height and width that images must have; None for any.
    """

    model: Any
    modality: str
    classifies: bool
    task: str
    classes: tuple[str, ...]
    tokenizer: Any
    normalise: Normalise | None
    size: tuple[int, int] | None


def folder_of(name: str, revision: str | None, offline: bool) -> Path:
    """The folder of a model, downloaded unless it is there already.

    Raises:
        RunError: If it is neither here nor can be had.
    """
    if Path(name).is_dir():
        return Path(name)
    hub = require("huggingface_hub", "huggingface", "a model of the Hugging Face hub")
    try:
        found = hub.snapshot_download(
            name, revision=revision, allow_patterns=FILES, local_files_only=offline
        )
    except Exception as error:  # its own errors, those of HTTP and of the network
        how = "is not in the local cache" if offline else "could not be had from the hub"
        raise RunError(
            f"the model {name!r} {how}, and there is no folder of that name here "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}). "
            "Download it where there is a network and give the folder's path as 'name'."
        ) from error
    return Path(found)


def read(folder: Path) -> Pretrained:
    """The model of a folder.

    Raises:
        ConfigError: If the folder is in another format, or has no safetensors.
    """
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{folder} has no config.json, so it is no model of Hugging Face.")
    if not list(folder.glob("*.safetensors")):
        raise ConfigError(
            f"{folder} has no weights in safetensors; other formats may hold code and are not "
            "read. Save the model again by save_pretrained."
        )
    library = transformers()
    with _quiet(library):
        config = _tried(folder, lambda: library.AutoConfig.from_pretrained(folder))
        names = list(config.architectures or [""])
        ending = next((end for end in CLASSIFIERS if names[0].endswith(end)), "")
        modality = CLASSIFIERS.get(ending) or _modality(config)
        kind = getattr(library, f"AutoModel{ending}")
        model = _tried(
            folder,
            lambda: kind.from_pretrained(
                folder, use_safetensors=True, dtype=backend.torch().float32
            ),
        )
        text = modality == "text"
        tokenizer = (
            _tried(folder, lambda: library.AutoTokenizer.from_pretrained(folder)) if text else None
        )
    task, classes = _meaning(config)
    normalise = None if text else _normalise(folder)
    size = None if text else _size(config)
    return Pretrained(
        model.eval(), modality, bool(ending), task, classes, tokenizer, normalise, size
    )


def _tried(folder: Path, make: Any) -> Any:
    try:
        return make()
    except Exception as error:  # the library's own many kinds
        raise ConfigError(f"the model in {folder} could not be read: {error}") from error


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Without bars and advice meanwhile."""
    log = library.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def _modality(config: Any) -> str:
    return "image" if hasattr(config, "image_size") or hasattr(config, "num_channels") else "text"


def _meaning(config: Any) -> tuple[str, tuple[str, ...]]:
    """The task of a head, and names of its classes where they have names."""
    problem = getattr(config, "problem_type", None)
    if problem == "regression" or (problem is None and config.num_labels == 1):
        return "regression", ()
    names = tuple(str(config.id2label[at]) for at in sorted(config.id2label))
    told = any(name != f"LABEL_{at}" for at, name in enumerate(names))
    task = "multi-label" if problem == "multi_label_classification" else "classification"
    return task, names if told else ()


def _normalise(folder: Path) -> Normalise | None:
    """What the preprocessor does to colours; sizes are the transform's affair."""
    import json

    file = folder / "preprocessor_config.json"
    if not file.is_file():
        return None
    told = json.loads(file.read_text(encoding="utf-8"))
    scale = 1.0 / told.get("rescale_factor", 1.0 / 255.0) if told.get("do_rescale", True) else 1.0
    if not told.get("do_normalize", True):
        return Normalise(scale=scale)
    mean, std = told.get("image_mean") or (), told.get("image_std") or ()
    return Normalise(scale=scale, mean=tuple(mean), std=tuple(std))


def _size(config: Any) -> tuple[int, int] | None:
    """What a network of patches insists on; convolutions take any size."""
    size = getattr(config, "image_size", None)
    if size is None or not hasattr(config, "patch_size"):
        return None
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width)
