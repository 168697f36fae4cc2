"""What texts are told apart by: weighted words, and the directions in which they occur together."""

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

SIZE = 100


class Lsa:
    """Latent semantic analysis (Deerwester et al. 1990) of all texts of the pool, without labels.

    Args:
        file: The CSV file of the pool, with a column text.
    """

    provides, classes = frozenset({"embeddings"}), ()

    def __init__(self, file: str) -> None:
        content = Path(file).read_bytes()
        self.digest = hashlib.sha256(content).hexdigest()  # what its outputs are kept under
        with Path(file).open(encoding="utf-8", newline="") as rows:
            texts = [row["text"] for row in csv.DictReader(rows)]
        self._words = TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english")
        self._directions = TruncatedSVD(SIZE, random_state=0)
        self._directions.fit(self._words.fit_transform(texts))

    def infer(self, batch: list[str], wanted: frozenset[str]) -> Mapping[str, np.ndarray]:
        """``(n, 100)`` embeddings of unit length."""
        found = self._directions.transform(self._words.transform(batch))
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return {"embeddings": (found / np.maximum(lengths, 1e-9)).astype(np.float32)}

    def close(self) -> None:
        """Nothing."""
