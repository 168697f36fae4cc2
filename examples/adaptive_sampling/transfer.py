"""A latent space on trajectories that it was not trained on: does it still tell torsions?"""

from __future__ import annotations

from functools import cache

import numpy as np
from dynamics import Segments
from latent import LatentSpace
from molecules import dihedrals, molecule
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.spatial import cKDTree

from querist.core.roles import FitRequest

FloatArray = NDArray[np.float64]
NEIGHBOURS = 5


def torsion_error(
    known: tuple[FloatArray, FloatArray], asked: tuple[FloatArray, FloatArray]
) -> float:
    """How far off torsions are when they are read from neighbours in the latent space.

    Args:
        known: Places (k, d) and torsions (k, t) in degrees, from which is read.
        asked: Places and torsions of other frames.

    Returns:
        Mean absolute error in degrees of the neighbours' circular mean.
    """
    near = cKDTree(known[0]).query(asked[0], k=NEIGHBOURS)[1]
    mean = np.exp(1j * np.radians(known[1][near])).mean(axis=1)
    away = np.angle(np.exp(1j * np.radians(asked[1])) / mean)
    return float(np.degrees(np.abs(away)).mean())


def blind_error(torsions: FloatArray, asked: FloatArray) -> float:
    """The same of a guess that knows no more than the mean of all frames."""
    mean = np.exp(1j * np.radians(torsions)).mean(axis=0)
    return float(np.degrees(np.abs(np.angle(np.exp(1j * np.radians(asked)) / mean))).mean())


def clusters_of(places: FloatArray, count: int, seed: int) -> NDArray[np.int64]:
    """The k-means cluster of each place."""
    scaled = places / places.std(axis=0)
    return np.asarray(kmeans2(scaled, count, seed=seed, minit="++")[1], np.int64)


def unseen(segments: Segments, frames: int, seed: int) -> NDArray[np.float32]:
    """Plain dynamics with a seed that no campaign has."""
    return segments.long(frames, seed)


@cache
def trajectory(frames: int, seed: int) -> NDArray[np.float32]:
    """Plain dynamics of alanine dipeptide, a frame each 0.5 ps."""
    return Segments("alanine", 1.0, 0.5).long(frames, seed)


def quality(
    channels: int, beta: float, learning_rate: float, epochs: int, seed: int = 1
) -> dict[str, float]:
    """What a latent space with these options of :class:`networks.Shape` is worth.

    It is trained on one trajectory of plain dynamics, and judged on another.
    """
    atoms = molecule("alanine").torsions
    first, other = trajectory(800, 11), trajectory(400, 12)
    options = {"channels": channels, "beta": beta, "epochs": epochs}
    options["learning_rate"] = learning_rate
    model = LatentSpace("alanine", members=1, most=len(first), options=options)
    model.load(model.fit_frames(first, FitRequest(seed=int(seed))).state)
    places, places_other = (model.nets[0].encode(model.images(x)) for x in (first, other))
    made = model.nets[0].decode(places_other)
    missed = float(np.sqrt(((made - model.images(other)) ** 2).mean()))
    known = places, dihedrals(first, atoms)
    return {
        "torsion_error": torsion_error(known, (places_other, dihedrals(other, atoms))),
        "picture_error": missed,
    }
