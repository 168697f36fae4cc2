"""DeepFool: rows that the least change moves over a decision boundary."""

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
    paper="Ducoffe & Precioso 2018 (arXiv 1802.09841), algorithm 1; Moosavi-Dezfooli et al. 2016 "
    "(arXiv 1511.04599), algorithm 2",
    cost="O(n K) passes through the model an iteration, K classes looked at; O(b) memory",
    use="Distance to the boundary in the space of inputs; a differentiable torch model.",
    aliases=("dfal", "adversarial-deepfool"),
)
def deepfool(
    inputs: Array,
    model: Any,
    *,
    iterations: int = 50,
    overshoot: float = 0.02,
    classes: int = 10,
) -> Array:
    """Minus the norm of the smallest change found that alters the predicted class.

    Each iteration goes to the nearest boundary of the model made linear, between the predicted and
    any other of the ``classes`` likeliest classes; the class is looked at a little beyond,
    ``1 + overshoot`` times the change. The change is exact for a linear model. Rows whose class
    does not change within ``iterations`` come last.
    """
    if iterations < 1 or not overshoot > 0.0 or classes < 2:
        raise ConfigError("iterations are at least 1, overshoot above 0, classes at least 2.")
    start = batch_for(model, inputs)
    with evaluating(model), tensors.torch().enable_grad():
        return _distances(model, start, iterations, 1.0 + overshoot, classes)


def _distances(model: Any, start: Any, iterations: int, beyond: float, classes: int) -> Any:
    torch = tensors.torch()
    change = torch.zeros_like(start)
    found = torch.full((len(start),), -NEVER, dtype=torch.float64, device=start.device)
    active = torch.arange(len(start), device=start.device)
    likeliest: Any = None
    for iteration in range(iterations + 1):
        batch = (start[active] + beyond * change[active]).requires_grad_()
        logits = logits_of(model, batch)
        if likeliest is None:
            likeliest = logits.detach().topk(min(classes, logits.shape[1]), dim=1).indices
        over = lead(logits.detach(), likeliest[active, 0]) <= 0.0
        found[active[over]] = -lengths(change[active[over]]).double()
        rest = ~over
        if iteration == iterations or not bool(rest.any()) or likeliest.shape[1] < 2:
            break
        step = _step(logits.gather(1, likeliest[active]), batch)
        active = active[rest]
        change[active] += step[rest]
    return found


def _step(logits: Any, batch: Any) -> Any:
    """The way to the nearest boundary of the linear model; the first class is the predicted.

    Args:
        logits: ``(k, K)``.
        batch: ``(k, ...)`` of which they are.
    """
    torch = tensors.torch()
    count = logits.shape[1]
    own = gradient(logits[:, 0], batch, more=True)
    nearest = torch.full_like(logits[:, 0].detach(), float("inf"))
    way = torch.zeros_like(batch)
    for other in range(1, count):
        slope = gradient(logits[:, other], batch, more=other + 1 < count) - own
        steepness = lengths(slope)
        gap = (logits[:, 0] - logits[:, other]).detach().abs()
        distance = torch.where(steepness > 0.0, gap / steepness, float("inf"))
        nearer = distance < nearest
        nearest = torch.where(nearer, distance, nearest)
        unit = slope.flatten(1) * (distance / steepness)[:, None]
        way[nearer] = unit.reshape(slope.shape)[nearer]
    return way
