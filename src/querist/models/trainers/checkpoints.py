"""Checkpoints of a training: weights, the best weights, the optimiser's state; no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError

from ..backends import torch as backend
from .trained import read_state, write_state

History = list[tuple[float, float]]


class Checkpoint:
    """The checkpoint of one training.

    Args:
        path: Of the file.
        key: Of what the training is of; a file of another key is refused.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        self._best: dict[str, Any] = {}
        self._best_epoch = 0

    def resume(self, module: Any, optimiser: Any) -> History:
        """Load what is there; the losses so far, empty for a new training.

        Raises:
            ConfigError: If it is of another training.
        """
        if not self._path.exists():
            return []
        held = read_state(self._path)
        told = json.loads(bytes(held.pop("told")).decode())
        if told["key"] != self._key:
            raise ConfigError(
                f"{self._path} is a checkpoint of another training (other labels, settings or "
                "model); give a new folder, or delete it."
            )
        tensors = {name: backend.torch().as_tensor(array) for name, array in held.items()}
        module.load_state_dict(_under(tensors, "model/"))
        self._best, self._best_epoch = _under(tensors, "best/"), int(told["best"])
        _load_optimiser(optimiser, _under(tensors, "optimiser/"))
        return [(float(loss), float(value)) for loss, value in told["history"]]

    def write(self, module: Any, optimiser: Any, history: Sequence[tuple[float, float]]) -> None:
        """After an epoch; its weights are kept as the best if their loss is."""
        state = {name: tensor.detach().cpu() for name, tensor in module.state_dict().items()}
        values = [value for _, value in history]
        if not self._best or values[-1] < min(values[:-1], default=float("inf")):
            self._best = {name: tensor.clone() for name, tensor in state.items()}
            self._best_epoch = len(history) - 1
        told = {"key": self._key, "history": list(history), "best": self._best_epoch}
        text = json.dumps(told).encode()
        arrays = {"told": backend.torch().tensor(list(text), dtype=backend.torch().uint8).numpy()}
        parts = {"model/": state, "best/": self._best, "optimiser/": _optimiser(optimiser)}
        for prefix, tensors in parts.items():
            arrays |= {f"{prefix}{name}": tensor.numpy() for name, tensor in tensors.items()}
        write_state(self._path, arrays)

    def restore_best(self, module: Any) -> int:
        """Give a module the best weights; returns their epoch, from 0."""
        module.load_state_dict(self._best)
        return self._best_epoch


def _under(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)
    }


def _optimiser(optimiser: Any) -> dict[str, Any]:
    """The tensors of each parameter's state, by number and name."""
    state = optimiser.state_dict()["state"]
    return {
        f"{number}/{name}": tensor.detach().cpu()
        for number, held in state.items()
        for name, tensor in held.items()
    }


def _load_optimiser(optimiser: Any, tensors: Mapping[str, Any]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition("/")
        state.setdefault(int(number), {})[key] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
