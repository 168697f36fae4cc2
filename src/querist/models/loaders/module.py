"""PyTorch: a builder (import path) and its state in safetensors; several states are a committee."""

from __future__ import annotations

import copy
import difflib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from querist.core.errors import ConfigError, RunError
from querist.core.tasks import resolve

from ..backends import cuda
from ..backends import torch as backend
from ..backends.eager import EagerRunner
from ..backends.onnxruntime import OnnxRuntimeRunner
from ..backends.openvino import OpenVinoRunner
from ..code import code_of, files_in
from ..heads import Head
from ..holdings import held_by, told_all
from ..inference_settings import NetworkSettings, TorchSettings, named, parse
from ..inferring import Inference, NetworkInference, content_digest, digest_of
from ..networks import Network, network_of
from ..running import NetworkRunner

Set = TypeVar("Set", bound=NetworkSettings)
BACKENDS: dict[str, type[NetworkRunner]] = {
    "torch": EagerRunner,
    "onnxruntime": OnnxRuntimeRunner,
    "openvino": OpenVinoRunner,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a network runs, and by which backend unless its settings name one."""

    device: str
    threads: int
    backend: str = "torch"


def load(settings: TorchSettings, device: str, threads: int) -> Inference:
    """The module with its weights.

    Raises:
        ConfigError: If a file is missing or of another format, or a layer has another name.
        RunError: If the builder fails or the weights are of another architecture.
    """
    modules = modules_of(settings)
    settings = as_it_ends(settings, modules[0])
    network = network_of(modules, settings)
    state = digests(settings.weights) if settings.weights else [state_digest(modules[0])]
    read = digests(files_in(settings.options))
    told = {"builder": source_digest(settings.builder), "weights": state, "read": read}
    digest = network_digest(settings, told)
    return opened(network, settings, digest, Place(device, threads))


def of_modules(
    modules: Sequence[Any], told: Mapping[str, Any], threads: int, device: str | None = None
) -> NetworkInference:
    """Modules of this process, as they are now: they are copied, and so left alone.

    Args:
        modules: One, or a committee.
        told: Settings as of ``use: torch``, without what makes a module.
        threads: That they may use.
        device: Where they run; None for where the first has its weights.

    Raises:
        ConfigError: If one is no module or cannot be copied, or for what :func:`load` does.
    """
    nn = backend.torch().nn
    for module in modules:
        if isinstance(module, type):
            raise ConfigError(
                f"{module.__name__} is a class of modules; give one: {module.__name__}(...)."
            )
        if not isinstance(module, nn.Module):
            raise ConfigError(f"a committee is of torch modules, but one is {module!r:.80}.")
    made = parse({"use": "torch", **told, "builder": of_modules})
    assert isinstance(made, TorchSettings)
    if made.weights or made.options:
        raise ConfigError("a module has its weights and options; leave out what would make one.")
    own = [_copied(module) for module in modules]
    settings = as_it_ends(made, own[0])
    digest = network_digest(settings, {"modules": [module_digest(each) for each in own]})
    at = device or next((str(each.device) for each in own[0].parameters()), "cpu")
    cuda.check(at)
    return opened(network_of(own, settings), settings, digest, Place(at, threads))


def _copied(module: Any) -> Any:
    """A copy in evaluation mode; of a compiled module, of what was compiled.

    Raises:
        ConfigError: If it cannot be copied, or has layers without numbers.
    """
    module = backend.uncompiled(module)
    lazy = backend.torch().nn.parameter.UninitializedTensorMixin
    if any(isinstance(each, lazy) for each in (*module.parameters(), *module.buffers())):
        raise ConfigError(
            f"this {type(module).__name__} has lazy layers, which have no numbers yet; show it a "
            "batch first, and train it."
        )
    try:
        made = copy.deepcopy(module).eval()
        if not isinstance(made, backend.torch().jit.ScriptModule):  # whose numbers are no leaves
            made.requires_grad_(False)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"this {type(module).__name__} cannot be copied ({error}); save its state and give "
            "settings with 'builder' and 'weights'."
        ) from error
    return made


def as_it_ends(settings: Set, module: Any) -> Set:
    """Settings that say what the scores are, where nobody did and a last layer of a row tells."""
    nn = backend.torch().nn
    while isinstance(module, nn.Sequential) and len(module):
        module = module[-1]
    if settings.output is None and isinstance(module, nn.Softmax):
        return settings.model_copy(update={"output": "probabilities"})
    return settings


def modules_of(settings: TorchSettings) -> list[Any]:
    """A module for each file of weights; without any, one as its builder makes it."""
    build = _builder(settings)
    files = settings.weights or ()
    return [read_weights(build(), path) for path in files] or [build()]


def opened(
    network: Network, settings: NetworkSettings, digest: str, place: Place
) -> NetworkInference:
    """A network on its backend; compiled, where the shape of its items was told."""
    kind = BACKENDS[settings.backend or place.backend]
    runner = kind(network, settings.precision, place.device, place.threads)
    if settings.input is not None:
        dtype = np.uint8 if len(settings.input) == 3 else np.float32
        runner.warm({"x": np.zeros((3, *settings.input), dtype)})
    averaged = len(network.graphs) > 1
    output, linear = settings.output or "", settings.embedding == "auto"
    head = Head(settings.task, output, settings.classes, averaged, linear)
    return NetworkInference(runner, head, digest)


def digests(files: Sequence[Path]) -> list[str]:
    """A digest of the bytes of each file."""
    return [content_digest(file) for file in files]


def state_digest(module: Any) -> str:
    """A digest of the names, types, shapes and numbers of a module's state."""
    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        told_all([name, tensor], total.update)  # which may be more: packed weights, texts
    return total.hexdigest()


def module_digest(module: Any) -> str:
    """A digest of a module's numbers, of what else its layers hold, and of their code."""
    total = hashlib.sha256(state_digest(module).encode())
    for name, layer in module.named_modules():
        total.update(f"{name} {type(layer).__qualname__};".encode())
        held_by(layer, total.update)
    told_all(_kinds(module), total.update)
    return total.hexdigest()


def layers_digest(module: Any) -> str:
    """A digest of the code of a module's layers, but for those of PyTorch."""
    return digest_of({}, [part for kind in _kinds(module) for part in code_of(kind)])


def _kinds(module: Any) -> list[type[Any]]:
    """The classes of a module's layers, but for those of PyTorch."""
    kinds = sorted({type(layer) for layer in module.modules()}, key=repr)
    return [kind for kind in kinds if not kind.__module__.startswith("torch.")]


def network_digest(
    settings: NetworkSettings, parts: Mapping[str, Any], usual: str = "torch"
) -> str:
    """Of what the outputs depend on: settings without the places of files, and their contents."""
    told = settings.model_dump(mode="json", exclude={"weights", "file", "builder", "input"})
    return digest_of({**told, "backend": settings.backend or usual, **parts})


def source_digest(target: Any) -> list[str]:
    """The name of a builder, and digests of its file and of those that this imports."""
    return [named(target), *map(content_digest, code_of(target))]


def _builder(settings: TorchSettings) -> Callable[[], Any]:
    make = resolve(settings.builder) if isinstance(settings.builder, str) else settings.builder

    def build() -> Any:
        backend.torch()  # what is not installed is told in its own words
        try:
            with backend.seeded(0, "cpu"):
                made = make(**settings.options)
        except Exception as error:  # a user's code may raise anything
            raise RunError(
                f"{named(settings.builder)} could not make a module of the options "
                f"{settings.options}: {error!r}"
            ) from error
        if not isinstance(made, backend.torch().nn.Module):
            raise ConfigError(
                f"{named(settings.builder)} should make a torch.nn.Module, but it made "
                f"{type(made).__name__}."
            )
        return made

    return build


def read_weights(module: Any, path: Path) -> Any:
    """A module with the weights of a safetensors file.

    Raises:
        ConfigError: If the file is missing or no safetensors file.
        RunError: If its tensors are those of another architecture.
    """
    tensors = _tensors(path)
    wanted = module.state_dict()
    problems = [_near(name, tensors, "is missing") for name in wanted if name not in tensors]
    problems += [_near(name, wanted, "is unknown") for name in tensors if name not in wanted]
    problems += [
        f"{name} has the shape {tuple(tensors[name].shape)}, wanted {tuple(wanted[name].shape)}"
        for name in wanted
        if name in tensors and tensors[name].shape != wanted[name].shape
    ]
    if problems:
        more = f", and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise RunError(
            f"the weights in {path} are of another architecture than the builder's "
            f"{type(module).__name__}: {'; '.join(problems[:5])}{more}."
        )
    module.load_state_dict(tensors)
    return module


def _near(name: str, known: Mapping[str, Any], what: str) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"{name} {what}" + (f" (there is {close[0]})" if close else "")


def _tensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    content_digest(path)
    try:
        held: dict[str, Any] = load_file(path)
    except SafetensorError as error:
        raise ConfigError(
            f"{path} is not a safetensors file ({error}). A state that torch.save wrote is turned "
            "into one by safetensors.torch.save_file(torch.load(file, weights_only=True), new)."
        ) from error
    return held
