"""Where a model of a pool comes from and how it runs: checked settings."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from querist.core.errors import ConfigError

Names = tuple[str, ...]


class _Base(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Normalise(_Base):
    """What is done to numbers before the network sees them: ``(x / scale - mean) / std``.

    Attributes:
        scale: None: 255 for uint8, else 1.
        mean: By channel (the last axis of the batch), or one for all.
        std: Likewise.
        layout: How the network takes images; batches have their channels last.
    """

    scale: float | None = Field(default=None, gt=0.0)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    layout: Literal["channels-first", "channels-last"] = "channels-first"

    @field_validator("mean", "std", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, int | float) else value


class Dropout(_Base):
    """Members by dropout that stays on (Gal & Ghahramani 2016), its masks drawn once.

    Attributes:
        passes: Number T of masks.
        seed: That they are drawn from.
    """

    passes: int = Field(default=20, ge=2)
    seed: int = 0


class ModelSettings(_Base):
    """What all models have.

    Attributes:
        classes: Names, in the order of the scores.
        task: What the scores are for.
    """

    classes: Names = ()
    task: Literal["classification", "multi-label", "regression"] = "classification"


class FeaturesSettings(ModelSettings):
    """Built-in features, for a first query without a model.

    Attributes:
        modality: Of the items.
    """

    use: Literal["features"] = "features"
    modality: Literal["auto", "image", "text", "table", "audio"] = "auto"


class PythonSettings(ModelSettings):
    """A Python object.

    Attributes:
        object: Import path of an object with ``infer``, or of a class or function that makes one
            or makes a function of a batch.
        function: Import path of a function from a batch to an array, or to arrays by name.
        options: Arguments, of the maker or of the function.
        provides: What a function gives.
        version: Enters the digest; change it when the weights change.
    """

    use: Literal["python"] = "python"
    object: Any = None
    function: Any = None
    options: dict[str, Any] = {}
    provides: Names = ()
    version: str = ""

    @model_validator(mode="after")
    def _one_of_two(self) -> PythonSettings:
        if (self.object is None) == (self.function is None):
            raise ValueError("a model of Python names either 'object' or 'function'")
        return self


class NetworkSettings(ModelSettings):
    """What all networks have.

    Attributes:
        output: Whether a classifier gives logits or probabilities.
        normalise: What is done to its inputs.
        embedding: "auto" for the input of the last linear layer, or the name of a layer, whose
            output is taken; empty for none.
        mc_dropout: Members by dropout.
        backend: What runs it; None for the usual one.
        precision: Of its arithmetic.
        input: Shape of one item; given, the network is compiled when it is opened.
    """

    output: Literal["logits", "probabilities"] = "logits"
    normalise: Normalise = Normalise()
    embedding: str = "auto"
    mc_dropout: Dropout | None = None
    backend: Literal["torch", "onnxruntime", "openvino"] | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    input: tuple[int, ...] | None = None


class TorchSettings(NetworkSettings):
    """A torch module.

    Attributes:
        builder: Import path of what makes the module.
        options: Its arguments.
        weights: Its state as a safetensors file; several are a committee.
    """

    use: Literal["torch"] = "torch"
    builder: Any
    options: dict[str, Any] = {}
    weights: tuple[Path, ...]

    @field_validator("weights", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | Path) else value

    @field_validator("weights")
    @classmethod
    def _some(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        if not value:
            raise ValueError("wants at least one safetensors file")
        return value


Kind = TypeVar("Kind", bound=ModelSettings)


def suggest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known name, or else all of them."""
    listed = [str(each) for each in known]
    close = difflib.get_close_matches(name, listed, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(listed) or 'none'}."


def parse(settings: Mapping[str, Any], kinds: Mapping[str, type[ModelSettings]]) -> ModelSettings:
    """Settings of the kind that ``use`` names.

    Raises:
        ConfigError: With every problem found.
    """
    use = str(settings.get("use", ""))
    if use not in kinds:
        raise ConfigError(
            f"a model's 'use' says where it is from, but it is {use!r}. {suggest(use, kinds)}"
        )
    try:
        return kinds[use].model_validate(dict(settings))
    except ValidationError as error:
        problems = tuple(dict.fromkeys(_problems(error, kinds[use])))
        raise ConfigError(f"the model ({use}) cannot be used:", problems) from error


def _problems(error: ValidationError, kind: type[BaseModel]) -> Iterator[str]:
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"]) or "settings"
        if item["type"] == "extra_forbidden":
            yield f"{where}: unknown key. {suggest(str(item['loc'][-1]), _known(item, kind))}"
        elif item["type"] == "missing":
            yield f"{where}: is required but missing."
        else:
            message = item["msg"].removeprefix("Value error, ")
            got = "" if item["type"] == "value_error" else f", got {item['input']!r}"
            yield f"{where}: {message.replace('Input should be', 'should be')}{got}."


def _known(item: Any, kind: type[BaseModel]) -> list[str]:
    inner: dict[str, type[BaseModel]] = {"normalise": Normalise, "mc_dropout": Dropout}
    first = str(item["loc"][0]) if len(item["loc"]) > 1 else ""
    return list(inner.get(first, kind).model_fields)


def named(target: Any) -> str:
    """How a digest names a function or class."""
    if isinstance(target, str):
        return target
    return f"{getattr(target, '__module__', '')}:{getattr(target, '__qualname__', repr(target))}"
