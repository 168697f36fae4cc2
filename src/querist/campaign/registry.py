"""Short names for what comes with Querist, so that a configuration reads well."""

from __future__ import annotations

from querist.campaign.nearest import suggest

BUILT_IN: dict[str, dict[str, str]] = {
    "generator": {
        "ask_tell": "querist.generators.ask_tell:AskTell",
        "basin_hopping": "querist.generators.basin_hopping:BasinHopping",
        "candidates": "querist.generators.candidates:Candidates",
        "cut_and_splice": "querist.generators.cut_and_splice:CutAndSplice",
        "langevin": "querist.generators.langevin:LangevinWalkers",
        "random_walk": "querist.generators.random_walk:RandomWalk",
        "strained_cells": "querist.generators.strained_cells:StrainedCells",
        "stream": "querist.generators.stream:Stream",
        "surface_hopping": "querist.generators.surface_hopping:SurfaceHopping",
        "uniform": "querist.generators.uniform:Uniform",
    },
    "model": {
        "avoiding": "querist.models.avoiding:Avoiding",
        "committee": "querist.models.committee:Committee",
        "external": "querist.models.external.model:External",
        "gaussian_process": "querist.models.gaussian_process:GaussianProcess",
        "gradient_domain": "querist.models.gradient_domain.model:GradientDomain",
        "local_potential": "querist.models.local.model:LocalPotential",
        "mc_dropout": "querist.models.mc_dropout:MCDropout",
        "promising": "querist.models.promising:Promising",
        "random_features": "querist.models.random_features:RandomFeatures",
        "torch_classifier": "querist.models.torch_classifier:TorchClassifier",
        "torch_ensemble": "querist.models.torch_ensemble:TorchEnsemble",
    },
    "oracle": {
        "calculator": "querist.oracles.calculator:CalculatorOracle",
        "command": "querist.oracles.command:CommandOracle",
        "executor": "querist.oracles.executor:ExecutorOracle",
        "function": "querist.oracles.function:FunctionOracle",
        "human": "querist.oracles.human:Human",
        "parallel": "querist.oracles.parallel:ParallelCommand",
        "queue": "querist.oracles.queued:QueuedCommand",
        "xtb": "querist.oracles.xtb:xtb",
        "hartree_fock": "querist.oracles.pyscf:HartreeFock",
    },
    "filter": {
        "finite": "querist.control.filters:Finite",
        "max_distance": "querist.control.filters:MaxDistance",
        "min_distance": "querist.control.filters:MinDistance",
        "within": "querist.control.filters:Within",
    },
    "policy": {},
    "validator": {},
}


def target_of(role: str, use: str) -> str:
    """The import path behind a short name; an import path stays as it is.

    Raises:
        ValueError: If it is neither; the sentence names the nearest short name.
    """
    if ":" in use:
        return use
    known = BUILT_IN[role]
    if use in known:
        return known[use]
    hint = suggest(use, known)
    raise ValueError(
        f"{use!r} is neither a built-in {role} ({', '.join(known) or 'there are none'}) "
        f"nor an import path such as 'package.module:Name'.{hint}"
    )
