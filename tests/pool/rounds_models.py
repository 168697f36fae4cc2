"""A trainer for rounds, and the model that it makes; imported by path."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from sklearn.linear_model import LogisticRegression

from querist.models.inference import open_inference


def train(embeddings, labels, classes, base, file):
    """Logistic regression on features, kept as arrays."""
    scale = np.abs(embeddings).max()
    fitted = LogisticRegression(C=10.0, max_iter=2000).fit(embeddings / scale, labels)
    weights, bias = np.zeros((len(classes), embeddings.shape[1])), np.full(len(classes), -50.0)
    rows = [classes.index(name) for name in fitted.classes_]
    weights[rows], bias[rows] = fitted.coef_ / scale, fitted.intercept_
    np.savez(file.with_suffix(".npz"), weights=weights, bias=bias)
    options = {"file": str(file.with_suffix(".npz")), "base": dict(base), "classes": list(classes)}
    settings = {"use": "python", "object": "rounds_models:Head", "options": options}
    return SimpleNamespace(settings=settings, metrics={"rows": len(labels)})


class Head:
    """Probabilities of features of another model."""

    provides = frozenset({"probabilities", "embeddings"})

    def __init__(self, file, base, classes) -> None:
        held = np.load(file)
        self._weights, self._bias = held["weights"], held["bias"]
        self._base, self.classes, self.digest = open_inference(base), tuple(classes), file

    def infer(self, batch, wanted):
        features = self._base.infer(batch, frozenset({"embeddings"}))["embeddings"]
        scores = features @ self._weights.T + self._bias
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        made = {"embeddings": features, "probabilities": odds / odds.sum(axis=1, keepdims=True)}
        return {name: made[name] for name in wanted}

    def close(self) -> None:
        self._base.close()


class Counting:
    """The pixels as features, and how many pictures were looked at."""

    provides = frozenset({"embeddings"})
    classes = ()
    digest = "counting-1"
    seen = 0

    def infer(self, batch, wanted):
        type(self).seen += len(batch)
        return {"embeddings": np.asarray(batch, np.float32).reshape(len(batch), -1)}

    def close(self) -> None:
        pass


def network():
    """A small convolutional network for digits of 8 pixels."""
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(16 * 16, 10),
    )
