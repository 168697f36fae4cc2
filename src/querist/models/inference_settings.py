"""Where a model of a pool comes from and how it runs: checked settings."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

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

    passes: int = Field(default=20, ge=2, le=1000)
    seed: int = 0


class Settings(_Base):
    """Settings of any model; their ``use`` says which."""


class ModelSettings(Settings):
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
        items: Of a head's base: the digest of how the rows of a table were decoded that it learned
            from; empty where that cannot change.
    """

    use: Literal["features"] = "features"
    modality: Literal["auto", "image", "text", "table", "audio"] = "auto"
    items: str = ""


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
        output: Whether a classifier gives logits (None) or probabilities.
        normalise: What is done to its inputs; None for :class:`Normalise` as it is.
        embedding: "auto" for the input of the linear layer that makes the scores, or the name of a
            layer, whose output is taken; empty for none.
        mc_dropout: Members by dropout.
        backend: What runs it; None for the usual one.
        precision: Of its arithmetic.
        input: Shape of one item; given, the network is compiled when it is opened.
    """

    output: Literal["logits", "probabilities"] | None = None
    normalise: Normalise | None = None
    embedding: str = "auto"
    mc_dropout: Dropout | None = None
    backend: Literal["torch", "onnxruntime", "openvino"] | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    input: tuple[int, ...] | None = None


def _listed(value: Any) -> Any:
    """One file as a list of one."""
    return (value,) if isinstance(value, str | Path) else value


Files = Annotated[tuple[Path, ...], BeforeValidator(_listed), Field(min_length=1)]


class TorchSettings(NetworkSettings):
    """A torch module.

    Attributes:
        builder: Import path of what makes the module.
        options: Its arguments.
        weights: Its state as a safetensors file; several are a committee. Without, the network is
            as the builder makes it.
    """

    use: Literal["torch"] = "torch"
    builder: Any
    options: dict[str, Any] = {}
    weights: Files | None = None


class SklearnSettings(ModelSettings):
    """A fitted scikit-learn estimator.

    Attributes:
        file: A skops file, or an ONNX file (``.onnx``); several are a committee.
        trusted: Dotted names of types that skops may load besides scikit-learn's.
    """

    use: Literal["sklearn"] = "sklearn"
    file: Files
    trusted: Names = ()
    backend: Literal["onnxruntime", "openvino"] | None = None


class OnnxSettings(NetworkSettings):
    """An ONNX file.

    Attributes:
        file: Several are a committee.
        output: None: probabilities where a softmax makes them or their name says so.
        scores: Name of the output that is meant; empty for the first of numbers by item.
        embedding: "auto" for the input of the last matrix product with weights, or the name of a
            node or of a tensor; empty for none.
    """

    use: Literal["onnx"] = "onnx"
    file: Files
    scores: str = ""
    mc_dropout: None = None


class HuggingFaceSettings(NetworkSettings):
    """A model of the Hugging Face hub, or of a folder in its format. Only safetensors are read.

    Attributes:
        name: "owner/name", or a local folder.
        revision: Branch, tag or commit.
        offline: Whether only what is there already is used.
        max_length: Tokens of a text; what is longer is cut.
        pooling: How a model without a classifier gives embeddings of its tokens.
        normalise: None for what the model's own preprocessor says.
    """

    use: Literal["huggingface"] = "huggingface"
    name: str
    revision: str | None = None
    offline: bool = False
    max_length: int = Field(default=256, ge=2)
    pooling: Literal["mean", "first"] = "mean"


class HubSettings(NetworkSettings):
    """A model of torch.hub.

    Attributes:
        repo: "owner/name" or "owner/name:branch" on GitHub, or a local folder with a hubconf.py.
        model: The function in its hubconf.py.
        options: That function's arguments.
        weights: A safetensors file; None for those that the function gives the model.
        trust: That its code may run; must be true for a repository on GitHub.
    """

    use: Literal["hub"] = "hub"
    repo: str
    model: str
    options: dict[str, Any] = {}
    weights: Path | None = None
    trust: bool = False


class RemoteSettings(ModelSettings):
    """A model behind a server of the Open Inference Protocol v2: Triton, MLServer, KServe.

    Attributes:
        url: Of the server: "http://host:8000".
        model: Its name there.
        version: Of the model; empty for the one that the server prefers.
        output: Whether a classifier gives logits or probabilities.
        input: Name of the input; empty for the first.
        scores: Name of the output with scores; empty for the first. None for none.
        embeddings: Name of the output with ``(n, d)`` embeddings; empty for none.
        members: Name of the output with ``(n, T, C)`` scores by member; empty for none.
        normalise: What is done here where the server takes floats; None leaves numbers alone.
        encoding: Of tensors; "auto" is binary where the server offers it, else JSON.
        rows: Most items of one request; None for what the server says, else 64.
        connections: Requests at a time.
        timeout: Seconds for a batch, retries included.
        tries: Of a request that fails for a reason that may pass.
        token_from: Environment variable whose value is sent as a bearer token.
        backend: Only "triton": what this is.
    """

    use: Literal["remote"] = "remote"
    url: str
    model: str
    version: str = ""
    output: Literal["logits", "probabilities"] = "logits"
    input: str = ""
    scores: str | None = ""
    embeddings: str = ""
    members: str = ""
    normalise: Normalise | None = None
    encoding: Literal["auto", "binary", "json"] = "auto"
    rows: int | None = Field(default=None, ge=1, le=65_536)
    connections: int = Field(default=4, ge=1, le=256)
    timeout: float = Field(default=60.0, gt=0.0, le=86_400.0)
    tries: int = Field(default=4, ge=1, le=10_000)
    token_from: str = ""
    backend: Literal["triton"] = "triton"


class HeadSettings(Settings):
    """A linear head on another model, as :mod:`querist.models.trainers.linear_head` makes it.

    Attributes:
        base: Settings of the model that gives embeddings.
        weights: The head's file.
        classes: Names, in the order of the scores.
        task: Only "classification".
    """

    use: Literal["head"] = "head"
    base: dict[str, Any]
    weights: Path
    classes: Names = ()
    task: Literal["classification"] = "classification"


KINDS: dict[str, type[Settings]] = {
    "features": FeaturesSettings,
    "head": HeadSettings,
    "python": PythonSettings,
    "torch": TorchSettings,
    "sklearn": SklearnSettings,
    "onnx": OnnxSettings,
    "huggingface": HuggingFaceSettings,
    "hub": HubSettings,
    "remote": RemoteSettings,
}


def suggest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known name, or else all of them."""
    listed = [str(each) for each in known]
    close = difflib.get_close_matches(name, listed, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(listed) or 'none'}."


def parse(settings: Mapping[str, Any]) -> Settings:
    """Settings of the kind that ``use`` names.

    Raises:
        ConfigError: With every problem found.
    """
    use = str(settings.get("use", ""))
    if use not in KINDS:
        raise ConfigError(
            f"a model's 'use' says where it is from, but it is {use!r}. {suggest(use, KINDS)}"
        )
    try:
        return KINDS[use].model_validate(dict(settings))
    except ValidationError as error:
        problems = tuple(dict.fromkeys(_problems(error, KINDS[use])))
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
