"""BIM: rows whose class few small steps of the gradient's sign change."""

from __future__ import annotations

from typing import Any

from querist.core.errors import ConfigError
from querist.strategies import tensors
from querist.strategies.arrays import Array
from querist.strategies.contract import pointwise
from querist.strategies.differentiable import (
    NEVER,
    batch_for,
    evaluating,
    gradient,
    lead,
    lengths,
    logits_of,
)


@pointwise(
    paper="Kurakin, Goodfellow & Bengio 2017 (arXiv 1607.02533), eq. 2; as a query strategy "
    "Ducoffe & Precioso 2018 (arXiv 1802.09841)",
    cost="O(n) passes through the model an iteration; O(b) memory",
    use="As deepfool, one gradient an iteration whatever the classes, but coarser.",
    aliases=("bim",),
)
def adversarial_bim(
    inputs: Array, model: Any, *, step: float = 0.05, iterations: int = 100
) -> Array:
    """Minus the norm of the change that alters the predicted class, made of steps of one size.

    Each step adds ``step`` times the sign of the gradient of the predicted class's cross-entropy.
    Within the last step the boundary is found by linear interpolation of the logits, which tells
    apart rows of as many steps. Rows whose class does not change within ``iterations`` come last.
    """
    if iterations < 1 or not step > 0.0:
        raise ConfigError(f"iterations are at least 1 and step above 0: {iterations}, {step}.")
    start = batch_for(model, inputs)
    with evaluating(model), tensors.torch().enable_grad():
        return _distances(model, start, step, iterations)


def _distances(model: Any, start: Any, step: float, iterations: int) -> Any:
    torch = tensors.torch()
    change, last = torch.zeros_like(start), torch.zeros_like(start)
    found = torch.full((len(start),), -NEVER, dtype=torch.float64, device=start.device)
    before = torch.zeros(len(start), dtype=start.dtype, device=start.device)
    active = torch.arange(len(start), device=start.device)
    labels: Any = None
    for iteration in range(iterations + 1):
        batch = (start[active] + change[active]).requires_grad_()
        logits = logits_of(model, batch)
        labels = logits.detach().argmax(dim=1) if labels is None else labels
        ahead = lead(logits.detach(), labels[active])
        over = active[ahead <= 0.0]
        back = _back(before[over], ahead[ahead <= 0.0]).reshape(-1, *[1] * (start.ndim - 1))
        found[over] = -lengths(change[over] - back * last[over]).double()
        rest = ahead > 0.0
        if iteration == iterations or not bool(rest.any()):
            break
        loss = torch.nn.functional.cross_entropy(logits, labels[active], reduction="none")
        signs = gradient(loss, batch).sign()[rest]
        active = active[rest]
        before[active], last[active] = ahead[rest].to(start.dtype), step * signs
        change[active] += step * signs
    return found


def _back(before: Any, after: Any) -> Any:
    """Which share of the last step lies beyond the boundary; none before the first step."""
    return tensors.torch().where(before > 0.0, -after / (before - after), 0.0)
