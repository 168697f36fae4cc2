"""Peers of the learning curves: the same strategy of another library, on the same arrays.

Started by ``learning_curves_bridge`` in an environment that has them. It reads requests from
standard input and answers on standard output, as pickles, until its input ends.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Data = dict[str, Any]
Peer = Callable[[Data, int, int], Any]


class _Fitted:
    """What modAL asks for probabilities."""

    def __init__(self, probabilities: Any) -> None:
        self.probabilities = probabilities

    def predict_proba(self, _: Any, **__: Any) -> Any:
        """The given ones."""
        return self.probabilities


def _modal_uncertainty(name: str) -> Peer:
    def choose(data: Data, budget: int, _: int) -> Any:
        from modAL import uncertainty

        found = data["probabilities"]
        return getattr(uncertainty, name)(_Fitted(found), found, n_instances=budget)[0]

    return choose


def _modal_density(data: Data, budget: int, _: int) -> Any:
    from modAL.density import information_density
    from modAL.uncertainty import classifier_entropy

    found = data["probabilities"]
    density = information_density(data["embeddings"], "cosine")
    return _top(classifier_entropy(_Fitted(found), found) * density, budget)


def _top(scores: Any, budget: int) -> Any:
    return np.argsort(-np.asarray(scores), kind="stable")[:budget]


def _votes(data: Data) -> Any:
    return data["member_probabilities"].argmax(axis=2)


def _kl(data: Data, budget: int, _: int) -> Any:
    from skactiveml.pool import average_kl_divergence

    return _top(average_kl_divergence(data["member_probabilities"].transpose(1, 0, 2)), budget)


def _vote_entropy(data: Data, budget: int, _: int) -> Any:
    from skactiveml.pool import vote_entropy

    classes = np.arange(data["member_probabilities"].shape[2])
    return _top(vote_entropy(_votes(data), classes), budget)


def _variation_ratios(data: Data, budget: int, _: int) -> Any:
    from skactiveml.pool import variation_ratios

    return _top(variation_ratios(_votes(data)), budget)


def _bald(data: Data, budget: int, _: int) -> Any:
    from baal.active.heuristics import BALD

    return BALD()(data["member_probabilities"].transpose(0, 2, 1))[:budget]


def _batchbald(data: Data, budget: int, seed: int) -> Any:
    from skactiveml.pool import batch_bald

    members = data["member_probabilities"].transpose(1, 0, 2)
    return _greedy(batch_bald(members, budget, n_MC_samples=2_000, random_state=seed))


def _greedy(utilities: Any) -> Any:
    """The best of each row, as its query does; what was picked before is NaN."""
    return [int(np.nanargmax(row)) for row in utilities]


def _together(data: Data) -> tuple[Any, Any, Any]:
    """All rows with the labelled ones last, their labels, and which may be picked."""
    known = data.get("labelled_embeddings", data["embeddings"][:0])
    rows = np.concatenate([data["embeddings"], known]).astype(float)
    labels = np.full(len(rows), np.nan)
    labels[len(rows) - len(known) :] = data.get("labels", np.zeros(len(known)))
    return rows, labels, np.arange(len(data["embeddings"]))


def _core_set(data: Data, budget: int, seed: int) -> Any:
    from skactiveml.pool import CoreSet

    rows, labels, _ = _together(data)
    return CoreSet(random_state=seed).query(rows, labels, batch_size=budget)


def _told(data: Data) -> Any:
    """A fitted classifier of scikit-activeml that gives what it was given."""
    from skactiveml.base import SkactivemlClassifier

    class Told(SkactivemlClassifier):  # type: ignore[misc]
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            return self

        def predict_proba(self, X: Any) -> Any:
            return data["probabilities"]

    return Told(classes=np.arange(data["probabilities"].shape[1]))


def _badge(data: Data, budget: int, seed: int) -> Any:
    from skactiveml.pool import Badge

    labels = np.full(len(data["embeddings"]), np.nan)
    found = Badge(random_state=seed)
    return found.query(data["embeddings"], labels, _told(data), fit_clf=False, batch_size=budget)


def _clue(data: Data, budget: int, seed: int) -> Any:
    from skactiveml.pool import Clue

    labels = np.full(len(data["embeddings"]), np.nan)
    found = Clue(random_state=seed, cluster_algo_dict={"n_init": 1, "random_state": seed})
    return found.query(
        data["embeddings"], labels, _told(data), fit_estimator=False, batch_size=budget
    )


def _typiclust(data: Data, budget: int, seed: int) -> Any:
    from skactiveml.pool import TypiClust

    rows, labels, _ = _together(data)
    found = TypiClust(random_state=seed, cluster_algo_dict={"n_init": 1, "random_state": seed})
    return found.query(rows, labels, batch_size=budget)


def _max_herding(data: Data, budget: int, seed: int) -> Any:
    from skactiveml.pool import MaxHerding

    rows, labels, _ = _together(data)
    return MaxHerding(random_state=seed).query(rows, labels, batch_size=budget)


def _prob_cover(data: Data, budget: int, seed: int) -> Any:
    from skactiveml.pool import ProbCover

    rows, labels, _ = _together(data)
    return ProbCover(random_state=seed).query(rows, labels, batch_size=budget)


def _greedy_target(method: str) -> Peer:
    def choose(data: Data, budget: int, seed: int) -> Any:
        from skactiveml.base import SkactivemlRegressor
        from skactiveml.pool import GreedySamplingTarget

        class Told(SkactivemlRegressor):  # type: ignore[misc]
            def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
                return self

            def predict(self, X: Any) -> Any:
                return data["predictions"][: len(X)]

        # GSy does not look at inputs, so any will do.
        inputs = data.get("embeddings", data["predictions"].reshape(-1, 1))
        zeros = np.zeros((len(data["labels"]), inputs.shape[1]))
        known = data.get("labelled_embeddings", zeros)
        rows, labels, _ = _together({**data, "embeddings": inputs, "labelled_embeddings": known})
        found = GreedySamplingTarget(method=method, random_state=seed)
        return found.query(rows, labels, Told(), fit_reg=False, batch_size=budget)

    return choose


def _modal_variance(data: Data, budget: int, _: int) -> Any:
    from modAL.disagreement import max_std_sampling

    class Committee:
        def predict(self, _: Any, return_std: bool = False) -> Any:
            found = data["member_predictions"]
            return found.mean(axis=1), found.std(axis=1)

    return max_std_sampling(Committee(), data["member_predictions"], n_instances=budget)[0]


def _features(rows: Any) -> Any:
    import torch
    from bmdal_reg.bmdal.feature_data import TensorFeatureData
    from bmdal_reg.bmdal.feature_maps import IdentityFeatureMap
    from bmdal_reg.bmdal.features import Features

    told = TensorFeatureData(torch.from_numpy(np.asarray(rows, float)))
    return Features(IdentityFeatureMap(rows.shape[1]), told).precompute()


def _bmdal(name: str, **options: Any) -> Peer:
    """A selection of bmdal_reg that knows the labelled rows; noise as the root of ours."""

    def choose(data: Data, budget: int, _: int) -> Any:
        setattr(np, "Inf", np.inf)  # noqa: B010 - NumPy 2 dropped the name, and says so to readers
        from bmdal_reg.bmdal import selection

        pool, known = _features(data["embeddings"]), _features(data["labelled_embeddings"])
        noise = float((0.01 * (data["embeddings"] ** 2).sum(axis=1).mean()) ** 0.5)
        given = {"noise_sigma": noise} if options.get("noise") else {}
        rest = {key: value for key, value in options.items() if key != "noise"}
        made = getattr(selection, name)(
            pool, known, sel_with_train=True, verbosity=0, **given, **rest
        )
        return made.select(budget).tolist()

    return choose


def _max_diag(data: Data, budget: int, _: int) -> Any:
    """bmdal_reg's posterior transform, then its MaxDiag."""
    from bmdal_reg.bmdal.selection import MaxDiagSelectionMethod

    noise = float((0.01 * (data["embeddings"] ** 2).sum(axis=1).mean()) ** 0.5)
    transform = _features(data["labelled_embeddings"]).posterior_tfm(sigma=noise)
    return MaxDiagSelectionMethod(transform(_features(data["embeddings"]))).select(budget).tolist()


def _kmeans_pp(data: Data, budget: int, seed: int) -> Any:
    """Without labelled rows, which scikit-learn's does not know."""
    from sklearn.cluster import kmeans_plusplus

    rows = np.asarray(data["embeddings"], float)
    return kmeans_plusplus(rows, budget, random_state=seed, n_local_trials=1)[1]


def _kmeans(data: Data, budget: int, seed: int) -> Any:
    """Lloyd's iterations, then the row nearest to each mean, which may repeat."""
    from sklearn.cluster import KMeans

    rows = np.asarray(data["embeddings"], float)
    made = KMeans(budget, n_init=1, max_iter=20, random_state=seed).fit(rows)
    taken: list[int] = []
    for away in made.transform(rows).T:
        away[taken] = np.inf
        taken.append(int(away.argmin()))
    return taken


PEERS: dict[str, tuple[str, Peer]] = {
    "least-confidence": ("modAL", _modal_uncertainty("uncertainty_sampling")),
    "margin": ("modAL", _modal_uncertainty("margin_sampling")),
    "entropy": ("modAL", _modal_uncertainty("entropy_sampling")),
    "information-density": ("modAL", _modal_density),
    "qbc-variance": ("modAL", _modal_variance),
    "consensus-kl": ("scikit-activeml", _kl),
    "vote-entropy": ("scikit-activeml", _vote_entropy),
    "variation-ratios": ("scikit-activeml", _variation_ratios),
    "k-center": ("scikit-activeml", _core_set),
    "badge": ("scikit-activeml", _badge),
    "clue": ("scikit-activeml", _clue),
    "typiclust": ("scikit-activeml", _typiclust),
    "maxherding": ("scikit-activeml", _max_herding),
    "probcover": ("scikit-activeml", _prob_cover),
    "gsy": ("scikit-activeml", _greedy_target("GSy")),
    "igs": ("scikit-activeml", _greedy_target("GSi")),
    "bald": ("baal", _bald),
    "batchbald": ("scikit-activeml", _batchbald),
    "lcmd": ("bmdal_reg", _bmdal("LargestClusterMaxDistSelectionMethod")),
    "max-dist": ("bmdal_reg", _bmdal("MaxDistSelectionMethod")),
    "max-det": ("bmdal_reg", _bmdal("MaxDetFeatureSpaceSelectionMethod", noise=True)),
    "bait": (
        "bmdal_reg",
        _bmdal("BaitFeatureSpaceSelectionMethod", noise=True, overselection_factor=2.0),
    ),
    "max-diag": ("bmdal_reg", _max_diag),
    "k-means++": ("scikit-learn", _kmeans_pp),
    "k-means": ("scikit-learn", _kmeans),
}
"""By strategy: the library, and how it is asked."""


def answer(name: str, budget: int, seed: int, data: Data) -> tuple[list[int], float, str]:
    """Picks, CPU seconds, and what went wrong."""
    begun = time.process_time()
    try:
        picks = np.asarray(PEERS[name][1](data, budget, seed)).ravel().tolist()
    except Exception as error:  # noqa: BLE001 - the other side reports it
        return [], 0.0, f"{type(error).__name__}: {error}"
    return picks, time.process_time() - begun, ""


def main() -> None:
    """Serve. What libraries print goes to standard error, out of the way of answers."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    warnings.simplefilter("ignore")
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(answer(*request), answers)
        answers.flush()


if __name__ == "__main__":
    main()
