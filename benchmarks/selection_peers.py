"""Peers of the selection benchmark; run by it, in an environment that has them.

    python benchmarks/selection_peers.py CASE BUDGET [--quick]

Prints one JSON object: what ran, its CPU seconds, extra memory and picks.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from selection_data import Arrays, arrays, mean_distance, plain_badge, plain_k_center
from selection_measure import measure

Peer = Callable[[Arrays, int, int], Any]


def scikit_activeml(data: Arrays, budget: int, first: int) -> Any:
    """CoreSet, told of the first pick so that all begin alike."""
    from skactiveml.pool import CoreSet

    labels = np.full(len(data["embeddings"]), np.nan)
    labels[first] = 0.0
    return CoreSet(random_state=0).query(data["embeddings"], labels, batch_size=budget - 1)


def plain_greedy(data: Arrays, budget: int, first: int) -> Any:
    """NumPy, one matrix-vector product a pick."""
    return plain_k_center(data["embeddings"], budget, first)


def factored_badge(data: Arrays, budget: int, _: int) -> Any:
    """NumPy, the factored distances of the authors' program."""
    return plain_badge(data["probabilities"], data["embeddings"], budget)


class _Fitted:
    """What modAL asks for its probabilities."""

    def __init__(self, probabilities: Any) -> None:
        self.probabilities = probabilities

    def predict_proba(self, _: Any, **__: Any) -> Any:
        """The given ones."""
        return self.probabilities


def modal_entropy(data: Arrays, budget: int, _: int) -> Any:
    """modAL, entropy_sampling."""
    from modAL.uncertainty import entropy_sampling

    return entropy_sampling(_Fitted(data["probabilities"]), data["probabilities"], budget)[0]


def modal_margin(data: Arrays, budget: int, _: int) -> Any:
    """modAL, margin_sampling."""
    from modAL.uncertainty import margin_sampling

    return margin_sampling(_Fitted(data["probabilities"]), data["probabilities"], budget)[0]


def baal(data: Arrays, budget: int, _: int) -> Any:
    """baal, BALD."""
    from baal.active.heuristics import BALD

    return BALD()(data["member_probabilities"].transpose(0, 2, 1))[:budget]


def batchbald_redux(data: Arrays, budget: int, _: int) -> Any:
    """batchbald_redux with 10,000 samples, float64 as its examples."""
    import torch
    from batchbald_redux.batchbald import get_batchbald_batch

    logs = torch.from_numpy(data["member_probabilities"]).double().log()
    return get_batchbald_batch(logs, budget, 10_000, dtype=torch.double).indices


def bmdal_reg(data: Arrays, budget: int, _: int) -> Any:
    """bmdal_reg, LCMD on the features as they are; np.Inf is put back for it."""
    setattr(np, "Inf", np.inf)  # noqa: B010 - NumPy 2 dropped the name, and says so to readers
    import torch
    from bmdal_reg.bmdal.feature_data import TensorFeatureData
    from bmdal_reg.bmdal.feature_maps import IdentityFeatureMap
    from bmdal_reg.bmdal.features import Features
    from bmdal_reg.bmdal.selection import LargestClusterMaxDistSelectionMethod

    rows = torch.from_numpy(data["embeddings"])
    pool = Features(IdentityFeatureMap(rows.shape[1]), TensorFeatureData(rows)).precompute()
    method = LargestClusterMaxDistSelectionMethod(pool, pool, sel_with_train=False, verbosity=0)
    return method.select(budget).tolist()


def faiss(data: Arrays, budget: int, _: int) -> Any:
    """faiss, 20 iterations on all rows, then the row nearest to each centroid."""
    import faiss as library

    library.omp_set_num_threads(1)
    rows = data["embeddings"]
    means = library.Kmeans(
        rows.shape[1], budget, niter=20, seed=0, max_points_per_centroid=len(rows)
    )
    means.train(rows)
    index = library.IndexFlatL2(rows.shape[1])
    index.add(rows)
    return index.search(means.centroids, 1)[1].ravel()


def _unlabelled(data: Arrays) -> Any:
    return np.full(len(data["embeddings"]), np.nan)


def activeml_clue(data: Arrays, budget: int, _: int) -> Any:
    """scikit-activeml, Clue with one start."""
    from skactiveml.base import SkactivemlClassifier
    from skactiveml.pool import Clue

    class Told(SkactivemlClassifier):  # type: ignore[misc]
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            self.classes_ = np.arange(10)
            return self

        def predict_proba(self, X: Any) -> Any:
            return data["probabilities"]

    made = Clue(random_state=0, cluster_algo_dict={"n_init": 1, "random_state": 0})
    told = Told(classes=list(range(10))).fit(None, None)
    return made.query(
        data["embeddings"], _unlabelled(data), told, fit_estimator=False, batch_size=budget
    )


def activeml_typiclust(data: Arrays, budget: int, _: int) -> Any:
    """scikit-activeml, TypiClust with one start."""
    from skactiveml.pool import TypiClust

    made = TypiClust(random_state=0, cluster_algo_dict={"n_init": 1, "random_state": 0})
    return made.query(data["embeddings"], _unlabelled(data), batch_size=budget)


def activeml_probcover(data: Arrays, budget: int, _: int) -> Any:
    """scikit-activeml, ProbCover with the same radius."""
    from skactiveml.pool import ProbCover

    made = ProbCover(random_state=0, deltas=[2.5], alpha=1e-9)
    return made.query(data["embeddings"], _unlabelled(data), batch_size=budget)


def activeml_maxherding(data: Arrays, budget: int, _: int) -> Any:
    """scikit-activeml, MaxHerding with the same kernel."""
    from skactiveml.pool import MaxHerding

    made = MaxHerding(random_state=0, metric_dict={"gamma": 1.0})
    return made.query(data["embeddings"], _unlabelled(data), batch_size=budget)


def _answered(data: Arrays) -> tuple[Any, Any]:
    rows = np.concatenate([data["labelled_embeddings"], data["embeddings"]]).astype(float)
    unknown = np.full(len(data["embeddings"]), np.nan)
    return rows, np.concatenate([data["labelled_classes"].astype(float), unknown])


def activeml_mcpal(data: Arrays, budget: int, _: int) -> Any:
    """scikit-activeml, ProbabilisticAL with the same kernel."""
    from skactiveml.classifier import ParzenWindowClassifier
    from skactiveml.pool import ProbabilisticAL

    window = ParzenWindowClassifier(
        classes=list(range(10)), metric="rbf", metric_dict={"gamma": 0.05}
    )
    made = ProbabilisticAL(random_state=0)
    return made.query(*_answered(data), window, batch_size=budget) - len(data["labelled_classes"])


def activeml_quire(data: Arrays, budget: int, _: int) -> Any:
    """scikit-activeml, Quire with the same kernel."""
    from skactiveml.pool import Quire

    made = Quire(classes=list(range(10)), metric_dict={"gamma": 0.05}, random_state=0)
    return made.query(*_answered(data), batch_size=budget) - len(data["labelled_classes"])


def botorch(data: Arrays, budget: int, _: int) -> Any:
    """BoTorch, optimize_acqf_discrete of qLogExpectedImprovement on the same process."""
    import torch
    from botorch.acquisition.logei import qLogExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf_discrete
    from botorch.sampling.normal import SobolQMCNormalSampler
    from gpytorch.mlls import ExactMarginalLogLikelihood

    known, answers = data["labelled_embeddings"], data["labels"]
    low, wide = known.min(axis=0), np.ptp(known, axis=0)
    inputs, pool = (torch.tensor((rows - low) / wide) for rows in (known, data["embeddings"]))
    outputs = torch.tensor((answers - answers.mean()) / answers.std())[:, None]
    model = SingleTaskGP(inputs, outputs, outcome_transform=None)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    sampler = SobolQMCNormalSampler(torch.Size([128]), seed=0)
    function = qLogExpectedImprovement(model, outputs.max(), sampler=sampler)
    picked, _values = optimize_acqf_discrete(function, budget, choices=pool, unique=True)
    return [int((pool == row).all(dim=1).nonzero()[0, 0]) for row in picked]


PEERS: dict[str, Peer] = {
    "kcenter-50k": scikit_activeml,
    "kcenter-200k": plain_greedy,
    "kcenter-uniform": plain_greedy,
    "badge-50k": factored_badge,
    "badge-1000-classes": factored_badge,
    "entropy-1m": modal_entropy,
    "margin-1m": modal_margin,
    "bald-10k": baal,
    "batchbald-10k": batchbald_redux,
    "lcmd-20k": bmdal_reg,
    "kmeans-50k": faiss,
    "clue-20k": activeml_clue,
    "typiclust-6k": activeml_typiclust,
    "probcover-6k": activeml_probcover,
    "maxherding-6k": activeml_maxherding,
    "mcpal-6k": activeml_mcpal,
    "quire-1k": activeml_quire,
    "qlogei-2k": botorch,
}


def main() -> None:
    """Run the peer of a case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("budget", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    peer = PEERS[chosen.case]
    data = arrays(chosen.case, chosen.quick)
    peer({key: value[:200] for key, value in data.items()}, 5, 0)  # imports are not counted
    short = chosen.case in ("entropy-1m", "margin-1m", "bald-10k")
    picks, found = measure(lambda: peer(data, chosen.budget, chosen.first), 5 if short else 1)
    picks = np.asarray(picks).ravel().tolist()
    if peer is scikit_activeml:
        picks = [chosen.first, *picks]
    if peer is faiss:
        found["unique"] = len(set(picks))
        found["cover"] = mean_distance(data["embeddings"], picks)
    print(json.dumps({"peer_name": (peer.__doc__ or "").strip(), "picks": picks, **found}))


if __name__ == "__main__":
    main()
