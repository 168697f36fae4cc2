"""A latent space that is learned from pictures of what was seen, and where in it little was.

Each strategy is an uncertainty of its own of a frame (``gate: {output: ...}``):

- ``least_visited``: its cell is drawn in proportion to one over visits. Cells cover what was seen
  evenly (k-center).
- ``outliers``: drawn by the inverse squared density of the latent space, as the mean distance to
  the nearest ``neighbours`` frames tells it.
- ``uncertainty``: drawn by the squared variance of what the committee makes of its picture.
- ``random``: any frame alike.
"""

from __future__ import annotations

import os

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

from collections.abc import Mapping  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
from molecules import distance_images, molecule  # noqa: E402
from networks import Autoencoder, Images, Shape, torch, trained  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from problem import drawn, rarely, seen  # noqa: E402
from scipy.spatial import cKDTree  # noqa: E402

from querist import select  # noqa: E402
from querist.core.answers import Dataset  # noqa: E402
from querist.core.batch import Batch  # noqa: E402
from querist.core.prediction import Prediction  # noqa: E402
from querist.core.roles import FitRequest, FitResult, ModelState  # noqa: E402

FloatArray = NDArray[np.float64]
FORMAT = "latent_space/1"
AGAIN = 2  # passes over the pictures that go on from trained weights


class LatentSpace:
    """A committee of autoencoders; the first one's latent space is what is counted in.

    Args:
        system: Name of the molecule.
        members: Autoencoders.
        cells: Of the latent space.
        neighbours: See ``outliers``.
        most: Pictures trained on at most: half drawn from all, half evenly from cells.
        options: Of :class:`networks.Shape`.
    """

    def __init__(
        self,
        system: str = "alanine",
        members: int = 2,
        cells: int = 100,
        neighbours: int = 10,
        most: int = 600,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        torch()  # takes seconds to import: while the worker starts, not in its first task
        self._atoms = molecule(system).image
        self.shape = Shape(len(self._atoms), **dict(options or {}))
        self._members, self._cells, self._most = members, cells, most
        self._neighbours = neighbours

    def images(self, positions: NDArray[Any]) -> Images:
        """The pictures of frames (k, n, 3)."""
        return distance_images(positions, self._atoms)

    # ---------------------------------------------------------------------------------- fitting

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Train on pictures of all frames, go on from earlier weights, and count."""
        return self.fit_frames(seen(dataset), request)

    def fit_frames(self, frames: NDArray[np.float32], request: FitRequest) -> FitResult:
        """Likewise, of frames (m, n, 3)."""
        rng = np.random.default_rng(request.seed)
        images = self.images(frames)
        before = None if request.previous is None else self._loaded(request.previous)
        evenly = None if before is None else self._evenly(request.previous, before[0], images)
        chosen = images[
            rng.choice(len(images), min(self._most, len(images)), replace=False, p=evenly)
        ]
        arrays: dict[str, NDArray[Any]] = {}
        losses, nets = [], []
        for number in range(self._members):
            shape = self.shape
            if before is not None:
                shape = Shape(**{**_options(shape), "epochs": min(AGAIN, shape.epochs)})
            net, loss = trained(
                chosen,
                shape,
                int(rng.integers(2**31)),
                None if before is None else before[number],
                request.should_stop,
            )
            arrays |= {f"{number}/{name}": array for name, array in net.arrays().items()}
            nets.append(net)
            losses.append(loss)
        arrays |= self._counted(nets[0].encode(images), rng)
        return FitResult(ModelState(arrays, {"format": FORMAT}), {"loss": float(np.mean(losses))})

    def _evenly(self, state: ModelState | None, net: Autoencoder, images: Images) -> FloatArray:
        """Chances (m,) of pictures to be trained on: half alike, half even over earlier cells.

        A new basin is a thousandth of all frames, and is to be learned nevertheless.
        """
        assert state is not None
        centres = np.asarray(state.arrays["centres"], np.float64)
        cells = cKDTree(centres).query(net.encode(images))[1]
        rare = 1.0 / np.bincount(cells, minlength=len(centres))[cells]
        return np.asarray(0.5 / len(images) + 0.5 * rare / rare.sum())

    def _counted(self, places: FloatArray, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        count = min(self._cells, len(places))
        centres = places[select("k-center", count, embeddings=places, rng=rng).indices]
        nearest = cKDTree(centres).query(places)[1]
        counts = np.bincount(nearest, minlength=count)
        return {"places": places.astype(np.float32), "centres": centres, "counts": counts}

    # ------------------------------------------------------------------------------- predicting

    def _loaded(self, state: ModelState) -> list[Autoencoder]:
        parts: list[dict[str, NDArray[Any]]] = [{} for _ in range(self._members)]
        for name, array in state.arrays.items():
            number, _, rest = name.partition("/")
            if rest:
                parts[int(number)][rest] = np.asarray(array)
        return [Autoencoder.of(self.shape, part) for part in parts]

    def load(self, state: ModelState) -> None:
        """Use these networks and counts."""
        self.nets = self._loaded(state)
        self.counts = np.asarray(state.arrays["counts"])
        self.centres = np.asarray(state.arrays["centres"], np.float64)
        self._cells_tree = cKDTree(self.centres)
        self._places_tree = cKDTree(np.asarray(state.arrays["places"], np.float64))

    def cells_of(self, places: FloatArray) -> NDArray[np.int64]:
        """The cell (k,) of each place (k, d)."""
        return np.asarray(self._cells_tree.query(places)[1], np.int64)

    def predict(self, batch: Batch) -> Prediction:
        """Places in the latent space, and how much one would like to begin at each frame."""
        images = self.images(np.asarray(batch["positions"], np.float32))
        places = self.nets[0].encode(images)
        near = min(self._neighbours, self._places_tree.n)
        away = np.asarray(self._places_tree.query(places, k=near)[0]).reshape(len(places), -1)
        doubt = Batch.stack(
            least_visited=rarely(self.counts[self.cells_of(places)], batch),
            outliers=drawn(away.mean(axis=1) ** (2 * places.shape[1]), batch),
            uncertainty=drawn(self._variance(images) ** 2, batch),
            random=drawn(np.ones(len(batch)), batch),
        )
        return Prediction(Batch.stack(latent=places), doubt)

    def _variance(self, images: Images) -> FloatArray:
        """Of what the committee makes of pictures (k,); one member is never in doubt."""
        if len(self.nets) == 1:
            return np.zeros(len(images))
        made = np.stack([net.decode(net.encode(images)) for net in self.nets])
        return np.asarray(made.var(axis=0).mean(axis=(1, 2)))


def _options(shape: Shape) -> dict[str, Any]:
    return {name: getattr(shape, name) for name in Shape.__dataclass_fields__}
