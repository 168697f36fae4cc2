"""Which run to trust, where results are noisy and the best of them was lucky."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from querist.tuning.trial import Problem, Trial

FEWEST = 8  # runs from which noise can be told from the function
NOISE = 0.05  # of the spread of all results: less of it is no luck worth a word


def recommended(problem: Problem, trials: Sequence[Trial]) -> Trial | None:
    """The trial that keeps all limits and is expected to be best; of several objectives, as best.

    The lowest of noisy results is mostly a lucky one, and the more runs the luckier. So the least
    expectation by the search's Gaussian process is taken, among points that were tried (as by
    Letham et al. 2019, arXiv 1706.07094, section 5, and BoTorch's tutorials). Where the process
    finds hardly any noise, or errors that are told are small, it is the best result. A limit whose
    errors are told is kept where that is expected.

    Args:
        problem: What is searched.
        trials: All of them.
    """
    best = problem.best(trials)
    good = [trial for trial in trials if not trial.failure and problem.counts(trial)]
    if best is None or problem.several or len(good) < FEWEST:
        return best
    from querist.tuning.searches.beliefs import keeping, likelier

    losses = np.array([problem.loss(trial) for trial in good])
    if not np.ptp(losses):
        return best
    X = problem.space.features([trial.settings for trial in good])
    process = likelier(X, losses, problem.variances(good, problem.output))
    noise, limits = float(process.held.noise.mean()), {limit.output for limit in problem.limits}
    if np.sqrt(noise) < NOISE and not limits & set(problem.errors):
        return best
    expected, kept = process(X)[0], keeping(problem, good, X)
    return good[int(np.where(kept, expected, np.inf).argmin())] if kept.any() else best
