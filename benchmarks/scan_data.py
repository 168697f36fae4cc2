"""Files, pools and the trained network of the scan's benchmark."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from scan_network import CLASSES, MEAN, STD, trained

from querist.models.inference import open_inference
from querist.pool.pool import Pool
from querist.sources.transforms.image import Image


class Bench:
    """Where the benchmark keeps its things, and how large it is.

    Args:
        archive: CIFAR-10 as JPEG files, ``train/CLASS/NNNN.jpg`` in a tar archive.
        cache: A folder outside of the repository, for the unpacked files and the weights.
        quick: A tenth of everything.
        lean: Without the slowest peers.
        device: Where the network runs.
    """

    def __init__(
        self, archive: Path, cache: Path, quick: bool, lean: bool = False, device: str = "cpu"
    ) -> None:
        self.device, self.on_gpu = device, device.startswith("cuda")
        self.cache, self.quick, self.lean = cache, quick, lean
        self.threads = len(os.sched_getaffinity(0))
        cache.mkdir(parents=True, exist_ok=True)
        if not (cache / "train").exists():
            with tarfile.open(archive) as packed:
                packed.extractall(cache, filter="data")
        self.files = sorted((cache / "train").glob("*/*.jpg"), key=lambda path: path.name)
        self.weights = self._weights()

    def _weights(self) -> Path:
        path = self.cache / "resnet18-cifar10.safetensors"
        if not path.exists():
            labels = np.array([CLASSES.index(file.parent.name) for file in self.files])
            trained(self.decoded(self.files, 32), labels, path, device=self.device)
        return path

    def decoded(self, files: list[Path], size: int) -> np.ndarray:
        """(n, size, size, 3) bytes."""
        transform = Image(size=size)
        return np.stack([transform.decode(file.read_bytes()) for file in files])

    def folder(self, count: int) -> Path:
        """A flat folder with so many of the files, of all classes.

        Where there are too few, the same again with other last bytes: copies of an item would not
        be candidates, and what follows a picture's end, nobody shows.
        """
        folder = self.cache / f"flat-{count}"
        if not folder.exists():
            folder.mkdir()
            for number, file in enumerate(self.files[:count]):
                os.link(file, folder / f"{number:06}.jpg")
            for number in range(len(self.files), count):
                data = self.files[number % len(self.files)].read_bytes()
                (folder / f"{number:06}.jpg").write_bytes(data + f"{number:06}".encode())
        return folder

    def pool(self, uri: Path | str, size: int = 32, **settings: Any) -> Pool:
        """A new pool of a folder, without caches."""
        path = self.cache / "pool"
        shutil.rmtree(path, ignore_errors=True)
        told = {"transform": {"modality": "image", "size": size}, "classes": tuple(CLASSES)}
        pool = Pool.create(path, {**told, **settings})
        pool.add(uri)
        return pool

    def opened(self, precision: str, size: int = 32) -> Any:
        """The trained network, ready to be run."""
        return open_inference(self.model(precision, size), self.device, self.threads)

    def model(self, precision: str, size: int = 32) -> dict[str, Any]:
        """The trained network as a model of a pool."""
        return {
            "use": "torch",
            "builder": "scan_network:ResNet18",
            "weights": [str(self.weights)],
            "classes": CLASSES,
            "backend": "torch" if self.on_gpu else "openvino",
            "precision": precision,
            "normalise": {"mean": MEAN, "std": STD},
            "input": [size, size, 3],
        }
