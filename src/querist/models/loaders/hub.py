"""torch.hub: a function of a repository's hubconf.py makes the model, with its weights."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError, RunError

from ..backends import torch as backend
from ..code import files_in
from ..inference_settings import HubSettings, suggest
from ..inferring import Inference
from ..networks import network_of
from .module import (
    Place,
    digests,
    layers_digest,
    network_digest,
    opened,
    read_weights,
    state_digest,
)


def load(settings: HubSettings, device: str, threads: int) -> Inference:
    """The model of the repository.

    Raises:
        ConfigError: If its code is not trusted, or the folder has no hubconf.py.
        RunError: If it cannot be had, or its function fails.
    """
    local = Path(settings.repo).is_dir()
    if local and not (Path(settings.repo) / "hubconf.py").is_file():
        raise ConfigError(
            f"{settings.repo} has no hubconf.py, so it is no repository of torch.hub."
        )
    if not local and not settings.trust:
        raise ConfigError(
            f"the code of {settings.repo} on GitHub would run here; if you trust it, say trust: "
            "true. A local folder with a hubconf.py is taken as it is."
        )
    module = _made(settings, local)
    if settings.weights:
        module = read_weights(module, settings.weights)
    network = network_of([module], settings, "hub")
    told = settings.model_copy(update={"repo": "" if local else settings.repo, "weights": None})
    code = sorted(Path(settings.repo).rglob("*.py")) if local else []
    parts = {
        "state": state_digest(module),
        "type": str(module),
        "layers": layers_digest(module),
        "read": digests([*code, *files_in(settings.options)]),
    }
    digest = network_digest(told, parts)
    return opened(network, settings, digest, Place(device, threads))


def _made(settings: HubSettings, local: bool) -> Any:
    pt = backend.torch()
    source = "local" if local else "github"
    try:
        with backend.seeded(0, "cpu"):
            made = pt.hub.load(
                settings.repo,
                settings.model,
                source=source,
                trust_repo=True,
                verbose=False,
                **settings.options,
            )
    except OSError as error:  # among them those of the network
        raise RunError(
            f"the repository {settings.repo} could not be had from GitHub ({error}); clone it "
            "where there is a network and give the folder's path as 'repo'."
        ) from error
    except Exception as error:  # the repository's own code runs here
        raise RunError(
            f"{settings.model!r} of {settings.repo} could not be made of the options "
            f"{settings.options}: {error}. {_entries(settings, local)}"
        ) from error
    if not isinstance(made, pt.nn.Module):
        raise ConfigError(
            f"{settings.model!r} of {settings.repo} should make a torch.nn.Module, but it made "
            f"{type(made).__name__}."
        )
    return made


def _entries(settings: HubSettings, local: bool) -> str:
    """What a local repository offers, for errors."""
    if not local:
        return ""
    tree = ast.parse((Path(settings.repo) / "hubconf.py").read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return suggest(settings.model, [name for name in names if not name.startswith("_")])
