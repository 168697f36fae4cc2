"""A model that can be differentiated by its inputs: a callable from a torch batch to logits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from querist.strategies import tensors
from querist.strategies.arrays import Array
from querist.strategies.errors import NeedError

# Of a row whose class does not change: farther than any other.
NEVER = float(np.finfo(np.float64).max)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """A module in evaluation mode meanwhile: dropout and batch statistics rest."""
    parts = model.modules() if callable(getattr(model, "modules", None)) else ()
    training = [part for part in parts if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


def batch_for(model: Any, block: Array) -> Any:
    """A block of inputs as a tensor of the type and on the device of a model's parameters.

    Raises:
        NeedError: If the model cannot be called.
    """
    if not callable(model):
        raise NeedError(
            "model is a callable from a torch batch to logits (k, C), such as a torch.nn.Module; "
            f"got {type(model).__name__}."
        )
    batch = tensors.torch().as_tensor(block)
    parameters = getattr(model, "parameters", None)
    first = next(iter(parameters()), None) if callable(parameters) else None
    if first is not None:
        batch = batch.to(device=first.device, dtype=first.dtype)
    return batch.detach().contiguous()


def logits_of(model: Any, batch: Any) -> Any:
    """``(k, C)`` logits of a batch, ready to be differentiated by it.

    Raises:
        NeedError: If the model gives something else.
    """
    try:
        found = model(batch)
    except RuntimeError as error:
        error.add_note(f"The batch was {batch.dtype}: the type of the model's parameters, and of a")
        error.add_note("function without parameters float64; give the torch.nn.Module itself.")
        raise
    if not tensors.is_tensor(found) or found.ndim != 2 or len(found) != len(batch):
        shape = tuple(getattr(found, "shape", ()))
        raise NeedError(
            f"model must give logits (k, C) of a batch of {len(batch)}, but it gave "
            f"{type(found).__name__} {shape}."
        )
    return found


def gradient(outputs: Any, batch: Any, more: bool = False) -> Any:
    """Gradient of the sum of some outputs by the batch, row for row.

    Args:
        outputs: ``(k,)``, each of its own row of the batch alone.
        batch: What they were computed of.
        more: Whether others will be asked for.

    Raises:
        NeedError: If the model cannot be differentiated.
    """
    if not outputs.requires_grad:
        raise NeedError(
            "model must be differentiable by its inputs, but its logits carry no gradient; "
            "call it with gradients enabled, and without detach."
        )
    (found,) = tensors.torch().autograd.grad(outputs.sum(), batch, retain_graph=more)
    return found


def lead(logits: Any, labels: Any) -> Any:
    """``(k,)`` by how much a class leads the best of the others; inf where there is no other."""
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -float("inf"))
    return own - others.amax(dim=1)


def lengths(rows: Any) -> Any:
    """``(k,)`` Euclidean norm of each row of ``(k, ...)``."""
    return rows.flatten(1).norm(dim=1)
