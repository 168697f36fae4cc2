"""Basins of phi and psi, and free energies without the bias of restarts, by a Markov state model.

Where walkers begin is chosen, so that frames are not distributed as in equilibrium. What follows a
beginning is not biased: transition probabilities are right wherever there are enough of them, and
so is the stationary distribution of the model (Bowman, Ensign and Pande, J. Chem. Theory Comput. 6,
787, 2010). The estimator is deeptime's, reversible and of the largest likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import require

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BASINS = ("beta", "polyproline II", "right-handed helix", "left-handed helix", "C7 axial")
BINS = 18  # of each angle
EDGES = np.linspace(-180.0, 180.0, BINS + 1)


def is_left(torsions: FloatArray) -> NDArray[np.bool_]:
    """Whether phi is that of the left-handed side (0 to 120 degrees) (..., 2) -> (...)."""
    return (torsions[..., 0] > 0.0) & (torsions[..., 0] < 120.0)


def basins_of(torsions: FloatArray) -> IntArray:
    """Numbers in ``BASINS`` of rows of phi, psi in degrees (k, 2)."""
    phi, psi = torsions[:, 0], torsions[:, 1]
    up = (psi > 60.0) | (psi < -140.0)
    found = np.where(up, np.where((phi < -100.0) | (phi > 120.0), 0, 1), 2)
    helix = (psi > -30.0) & (psi < 120.0)
    return np.where(is_left(torsions), np.where(helix, 3, 4), found).astype(np.int64)


def bins_of(torsions: FloatArray) -> IntArray:
    """The bin of each row of phi, psi (..., 2) in a map of ``BINS`` by ``BINS``, phi first."""
    whole = np.clip(((torsions + 180.0) / 360.0 * BINS).astype(np.int64), 0, BINS - 1)
    return np.asarray(whole[..., 0] * BINS + whole[..., 1])


@dataclass(frozen=True, slots=True, eq=False)
class Landscape:
    """Weights of the bins of a map.

    Attributes:
        weights: ``(BINS * BINS,)``, of sum one; zero where nothing is known.
        frames: How many were counted.
    """

    weights: FloatArray
    frames: int

    @property
    def free_energy(self) -> FloatArray:
        """In kT, phi by psi, lowest zero; infinite where nothing is known."""
        with np.errstate(divide="ignore"):
            found = -np.log(self.weights)
        return np.asarray((found - found.min()).reshape(BINS, BINS))

    @property
    def left(self) -> float:
        """Share of the left-handed side (0 to 120 degrees of phi)."""
        middle = 0.5 * (EDGES[1:] + EDGES[:-1])
        inside = (middle > 0.0) & (middle < 120.0)
        return float(self.weights.reshape(BINS, BINS)[inside].sum())


def counted(torsions: FloatArray) -> Landscape:
    """Of frames as they are."""
    counts = np.bincount(bins_of(torsions).ravel(), minlength=BINS * BINS)
    return Landscape(counts / counts.sum(), int(counts.sum()))


def transitions(segments: Sequence[FloatArray], lag: int) -> FloatArray:
    """How often bins (BINS^2, BINS^2) follow each other, a lag in frames apart, in a segment.

    Args:
        segments: Phi and psi (k, 2) each.
        lag: In frames.
    """
    count = BINS * BINS
    pairs = [np.zeros(0, np.int64)]
    for one in segments:
        path = bins_of(np.asarray(one))
        pairs.append(path[:-lag] * count + path[lag:])
    found = np.bincount(np.concatenate(pairs), minlength=count * count)
    return found.reshape(count, count).astype(np.float64)


def stationary(counts: FloatArray) -> Landscape:
    """The stationary distribution of the Markov model with these transitions.

    Bins that are not connected with most of the others, there and back, have no weight.
    """
    msm = require("deeptime.markov", "sampling", "the Markov state model")
    model = require("deeptime.markov.msm", "sampling", "the Markov state model")
    seen = msm.TransitionCountModel(counts, counting_mode="sliding").submodel_largest()
    fitted = model.MaximumLikelihoodMSM(reversible=True, allow_disconnected=True).fit_fetch(seen)
    weights = np.zeros(BINS * BINS)
    weights[seen.state_symbols] = fitted.stationary_distribution
    return Landscape(weights / weights.sum(), int(counts.sum()))


def markov(segments: Sequence[FloatArray], lag: int) -> Landscape:
    """The stationary distribution of a Markov model of segments (k, 2), at a lag in frames."""
    return stationary(transitions(segments, lag))


def difference(one: Landscape, other: Landscape, below: float = 5.0) -> float:
    """Root mean square difference in kT of bins that both know, up to ``below`` in the second."""
    a, b = one.free_energy, other.free_energy
    both = np.isfinite(a) & (b < below)
    apart = a[both] - b[both]
    return float(apart.std()) if both.any() else float("inf")


def shortfall(one: Landscape, other: Landscape, below: float = 5.0) -> float:
    """The same of all bins up to ``below`` in the second; one that the first lacks is so far off.

    Maps are laid over each other where the second has its weight.
    """
    a, b = one.free_energy.ravel(), other.free_energy.ravel()
    where = b < below
    apart, weights = a[where] - b[where], other.weights[where] * np.isfinite(a[where])
    apart = apart - np.average(np.nan_to_num(apart, posinf=0.0), weights=weights)
    apart = np.where(np.isfinite(apart), np.clip(apart, -below, below), below)
    return float(np.sqrt((apart**2).mean()))
