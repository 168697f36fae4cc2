"""What texts are told apart by: weighted words, and the directions in which they occur together."""

import csv
import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline

SIZE = 100


class Lsa:
    """Latent semantic analysis (Deerwester et al. 1990) of all texts of the pool, without labels.

    Args:
        file: The CSV file of the pool, with a column text.
    """

    provides, classes = frozenset({"embeddings"}), ()

    def __init__(self, file: str) -> None:
        self._file = Path(file)
        self.digest = hashlib.sha256(self._file.read_bytes()).hexdigest()  # its outputs are kept by

    @cached_property
    def _fitted(self) -> Pipeline:
        """Fitted when first used: a round whose outputs are all kept needs the digest only."""
        with self._file.open(encoding="utf-8", newline="") as rows:
            texts = [row["text"] for row in csv.DictReader(rows)]
        words = TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english")
        return make_pipeline(words, TruncatedSVD(SIZE, random_state=0)).fit(texts)

    def infer(self, batch: list[str], wanted: frozenset[str]) -> Mapping[str, np.ndarray]:
        """``(n, 100)`` embeddings of unit length."""
        found = self._fitted.transform(batch)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return {"embeddings": (found / np.maximum(lengths, 1e-9)).astype(np.float32)}

    def close(self) -> None:
        """Nothing."""
