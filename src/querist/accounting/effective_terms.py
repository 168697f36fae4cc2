"""The arithmetic of effective speed-up: pure functions of counts and seconds.

Fox, Jha and others, *Learning Everywhere: Pervasive Machine Learning for Effective
High-Performance Computation*, 2019 (arXiv 1902.10810), and *Understanding ML driven HPC*, 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """What the published formula asks for; seconds for one of each.

    Attributes:
        t_seq: Of one simulation by itself.
        t_train: That a simulation which is learned from takes, run as it was (in parallel).
        t_learn: Of learning, for each simulation that is learned from.
        t_lookup: Of one look-up.
        n_train: Simulations that were learned from.
        n_lookup: Answers that were looked up instead of simulated.
    """

    t_seq: float
    t_train: float
    t_learn: float
    t_lookup: float
    n_train: float
    n_lookup: float

    def speed_up(self) -> float | None:
        """Tseq (Nlookup + Ntrain) / (Tlookup Nlookup + (Ttrain + Tlearn) Ntrain)."""
        learned = (self.t_train + self.t_learn) * self.n_train
        answers = self.n_lookup + self.n_train
        return ratio(self.t_seq * answers, self.t_lookup * self.n_lookup + learned)

    def no_learning(self) -> float | None:
        """Its limit when nothing is looked up or learned: the gain of running in parallel."""
        return ratio(self.t_seq, self.t_train)

    def all_lookups(self) -> float | None:
        """Its limit when nearly everything is looked up: it says nothing of how to get there."""
        return ratio(self.t_seq, self.t_lookup)


def ratio(upper: float, lower: float) -> float | None:
    """A quotient that is a finite positive number, or None."""
    if not (lower > 0 and upper >= 0):
        return None
    found = upper / lower
    return found if math.isfinite(found) else None


def break_even(t_seq: float, t_lookup: float, n_train: float, fixed: float) -> float | None:
    """Look-ups from which on learning has paid for itself.

    Args:
        t_seq: Seconds of a simulation.
        t_lookup: Seconds of all that a trusted look-up costs, rejected ones included.
        n_train: Simulations that were paid for and delivered; they had to be run anyhow.
        fixed: Seconds of everything that was paid except look-ups.

    Returns:
        The least number n with ``fixed + t_lookup n <= t_seq (n_train + n)``, not rounded; 0 where
        learning paid from the start; None where look-ups are no quicker than simulations.
    """
    owed = fixed - t_seq * n_train
    if owed <= 0:
        return 0.0
    gain = t_seq - t_lookup
    return owed / gain if gain > 0 else None


def exact_interval(hits: int, trials: int, level: float = 0.95) -> tuple[float, float] | None:
    """Clopper and Pearson's interval of a share (Biometrika 26, 404, 1934); None without trials."""
    from scipy.special import betaincinv

    if not trials:
        return None
    rest = (1.0 - level) / 2.0
    low = float(betaincinv(hits, trials - hits + 1, rest)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1.0 - rest)) if hits < trials else 1.0
    return low, high
