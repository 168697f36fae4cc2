"""Kernel, transforms, selection: batch methods for regression put together by names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies import kernels
from querist.strategies.composing import split, value_of
from querist.strategies.conditioning import Conditioned, matrix
from querist.strategies.contract import Picks, batchwise
from querist.strategies.errors import NeedError
from querist.strategies.kernel_space import KernelPool
from querist.strategies.kernels import Features
from querist.strategies.ranking import ranked
from querist.strategies.regression.bait import prune
from querist.strategies.regression.lcmd import lcmd
from querist.strategies.regression.max_det import greedy
from querist.strategies.regression.max_dist import max_dist
from querist.strategies.representation.k_means_pp import k_means_pp
from querist.strategies.rows import Rows

KERNELS = ("linear", "last-layer", "nngp")
TRANSFORMS = ("scale", "posterior", "sketch", "acs-rf", "ensemble")
# Whether labelled rows are where the selection begins, unless the scheme says p or tp.
SELECTIONS = {
    "max-diag": False,
    "max-det": False,
    "bait": False,
    "max-dist": True,
    "k-means++": True,
    "lcmd": True,
}
# Without numbers.
PLAIN = ("scale", "ensemble", "max-diag", "max-dist", "k-means++", "lcmd")


@dataclass(frozen=True, slots=True)
class Step:
    """One name of a scheme with its arguments."""

    name: str
    values: tuple[Any, ...] = ()

    def numbers(self, *defaults: float) -> tuple[float, ...]:
        """Its numbers, defaults where there are fewer.

        Raises:
            ConfigError: If there are more, or other things.
        """
        given = [one for one in self.values if one not in ("p", "tp")]
        if len(given) > len(defaults) or not all(isinstance(one, int | float) for one in given):
            raise ConfigError(
                f"{self.name} takes up to {len(defaults)} numbers, got {list(self.values)}."
            )
        return (*given, *defaults[len(given) :])


def read(scheme: str) -> tuple[Step, list[Step], Step]:
    """Kernel, transforms and selection of a text such as ``"linear -> scale -> lcmd"``.

    Raises:
        ConfigError: If a name is unknown, or in the wrong place.
    """
    steps = [_step(part.strip()) for part in scheme.split("->")]
    first, last = steps[0], steps[-1]
    for step, known in ((first, KERNELS), (last, SELECTIONS)):
        if step.name not in known:
            raise ConfigError(
                f"a scheme goes from a kernel ({', '.join(KERNELS)}) over transforms "
                f"({', '.join(TRANSFORMS)}) to a selection ({', '.join(SELECTIONS)}); "
                f"{step.name!r} of {scheme!r} is not where it belongs."
            )
    for step in steps[1:-1]:
        if step.name not in TRANSFORMS:
            raise ConfigError(f"{step.name!r} is no transform; there are {', '.join(TRANSFORMS)}.")
    for step in steps:
        if step.name in PLAIN:
            step.numbers()
    return first, steps[1:-1], last


def _step(text: str) -> Step:
    name, arguments = split(text) if "(" in text else (text, [])
    return Step(name, tuple(map(value_of, arguments)))


@batchwise(
    paper="Holzmüller, Zaverkin, Kästner & Steinwart 2023 (arXiv 2203.09410), sections 4.1 and 4.2",
    cost="that of the selection (lcmd, max-det, bait ...) and O(n d p) a pass for transforms to p "
    "features that do not fit into 64 MB; nngp: O(n b^2 d) time, for lcmd O(n b (m + 1) d)",
    use="Batches in regression: every combination of the paper, with the picks of bmdal_reg.",
)
def bmdal(
    embeddings: Rows,
    labelled_embeddings: Rows | None = None,
    *,
    budget: int,
    rng: np.random.Generator | None = None,
    scheme: str = "linear -> lcmd",
) -> Picks:
    """A kernel, transforms of it, and how it selects, as in ``"linear -> scale -> max-det"``.

    Kernels: ``linear`` (give gradients, or their sketch, as embeddings), ``last-layer`` (with a one
    for the bias), ``nngp(layers, weight_gain, sigma_b)``; ``linear(k)`` of k models' features side
    by side. Transforms: ``scale``, ``posterior(sigma)``, ``sketch(p)``, ``acs-rf(p, sigma)``,
    ``ensemble``. Selections: ``max-diag``, ``max-det(sigma)``, ``bait(sigma, oversample)``,
    ``max-dist``, ``k-means++``, ``lcmd``; with ``tp`` or ``p`` inside they begin with the labelled
    rows or do not, by default as in the paper. What is random needs ``rng``. Scores are those of
    the selection.
    """
    kernel, transforms, selection = read(scheme)
    begin = SELECTIONS[selection.name]
    for word in selection.values:
        begin = {"p": False, "tp": True}.get(word, begin)
    labelled = matrix(labelled_embeddings, embeddings)
    if kernel.name == "nngp":
        pool = KernelPool(kernels.nngp(*kernel.numbers(3, 0.25, 0.0)), embeddings, labelled)  # type: ignore[arg-type]
        return _in_kernel_space(pool, transforms, selection, begin, (budget, rng))
    features = transformed(Features(embeddings, labelled), kernel, transforms, rng).settled()
    return _in_features(features, selection, begin, budget, rng)


def transformed(
    features: Features,
    kernel: Step,
    transforms: Sequence[Step],
    rng: np.random.Generator | None,
) -> Features:
    """Features of the kernel after all transforms, members by themselves up to ``ensemble``."""
    members = features.members(int(kernel.numbers(1)[0]))
    if kernel.name == "last-layer":
        members = [kernels.with_bias(one) for one in members]
    for step in transforms:
        if step.name == "ensemble":
            members = [kernels.ensemble(members)]
        else:
            members = [_transform(one, step, rng) for one in members]
    if len(members) > 1:
        raise ConfigError("features of several members want a step named ensemble.")
    return members[0]


def _transform(features: Features, step: Step, rng: np.random.Generator | None) -> Features:
    if step.name == "scale":
        return kernels.scale(features)
    if step.name == "posterior":
        return kernels.posterior(features, step.numbers(0.1)[0])
    if step.name == "sketch":
        return kernels.sketch(features, int(step.numbers(512)[0]), _drawing(rng, step))
    width, sigma = step.numbers(512, 0.1)
    return kernels.random_features(features, int(width), sigma, _drawing(rng, step))


def _drawing(rng: np.random.Generator | None, step: Step) -> np.random.Generator:
    if rng is None:
        raise NeedError(f"{step.name} draws at random: give rng=, a seed or a generator.")
    return rng


def _in_features(
    features: Features, selection: Step, begin: bool, budget: int, rng: np.random.Generator | None
) -> Picks:
    pool, train = features.pool, features.train()
    start = train if begin else None
    if selection.name == "lcmd":
        return lcmd.function(pool, start, budget=budget)  # type: ignore[no-any-return]
    if selection.name == "max-dist":
        return max_dist.function(pool, start, budget=budget)  # type: ignore[no-any-return]
    if selection.name == "k-means++":
        drawing = _drawing(rng, selection)
        return k_means_pp.function(pool, start, budget=budget, rng=drawing)  # type: ignore[no-any-return]
    if selection.name == "max-diag":
        known = Conditioned(pool, np.zeros((0, pool.shape[1])), 0.0, 0)
        return ranked(known.variances, budget, rng)
    if selection.name == "max-det":
        return greedy(pool, start, budget, selection.numbers(0.0)[0] ** 2)
    sigma, oversample = selection.numbers(0.1, 1.0)
    options = (kernels.positive("bait", sigma) ** 2, oversample)
    return prune(pool, train, budget, options, seen=begin)


def _in_kernel_space(
    pool: KernelPool,
    transforms: Sequence[Step],
    selection: Step,
    begin: bool,
    more: tuple[int, np.random.Generator | None],
) -> Picks:
    budget, rng = more
    for step in transforms:
        if step.name == "scale":
            pool.scale()
        elif step.name == "posterior":
            pool.observe(pool.labelled, kernels.positive(step.name, step.numbers(0.1)[0]) ** 2)
        else:
            raise ConfigError(f"{step.name} wants features, which nngp does not have.")
    if selection.name == "bait":
        raise ConfigError("bait wants features, which nngp does not have; max-det goes with it.")
    if selection.name == "max-diag":
        return ranked(pool.diagonal(), budget, rng)
    if selection.name == "max-det":
        return pool.max_det(budget, selection.numbers(0.0)[0] ** 2, begin)
    if selection.name == "k-means++":
        drawing = _drawing(rng, selection)
        return pool.by_distance(budget, begin, lambda nearest, _: nearest.drawn(drawing))
    largest = selection.name == "lcmd"
    return pool.by_distance(
        budget,
        begin,
        lambda nearest, own: nearest.largest_cluster(own) if largest else nearest.farthest(own),
    )
