"""Models of the learning curves: fitted in milliseconds, with members for committees.

Every model offers what strategies may need, by the names of ``querist.strategies.needs``.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Matrix = NDArray[np.float64]
MEMBERS = 10
# Of the Gaussian kernel, in units of the root of the number of (standardised) inputs.
WIDTH = 1.5


class Model(Protocol):
    """What a learner fits again in every round."""

    def fit(self, inputs: NDArray[Any], targets: NDArray[Any], rng: np.random.Generator) -> None:
        """Forget what was learned, and learn from these."""
        ...

    def told(self, inputs: NDArray[Any], wanted: set[str]) -> dict[str, NDArray[Any]]:
        """Those of the wanted kinds of data that it has, a row for each input."""
        ...


def softmax(logits: Matrix) -> Matrix:
    """Along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


class SoftmaxRegression:
    """Multinomial logistic regression with an L2 penalty; embeddings are the inputs.

    Members are draws from the Laplace approximation whose precision is the Hessian's diagonal
    blocks, one a class. A class without labels has a column too.
    """

    def __init__(self, classes: int, penalty: float) -> None:
        self.classes, self.penalty = classes, penalty

    def fit(self, inputs: NDArray[Any], targets: NDArray[Any], rng: np.random.Generator) -> None:
        """L-BFGS from zero."""
        rows, wanted = _with_one(inputs), np.eye(self.classes)[targets]

        def loss(flat: Matrix) -> tuple[float, Matrix]:
            weights = flat.reshape(self.classes, -1)
            chances = softmax(rows @ weights.T)
            miss = -np.log(np.maximum((chances * wanted).sum(axis=1), 1e-300)).sum()
            slope = (chances - wanted).T @ rows + self.penalty * weights
            return float(miss + 0.5 * self.penalty * (weights**2).sum()), slope.ravel()

        begin = np.zeros(self.classes * rows.shape[1])
        found = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": 100})
        self.weights = found.x.reshape(self.classes, -1)
        self._rows, self._rng = rows, rng

    def told(self, inputs: NDArray[Any], wanted: set[str]) -> dict[str, NDArray[Any]]:
        """Probabilities, members' probabilities and embeddings."""
        found: dict[str, NDArray[Any]] = {"embeddings": inputs}
        if "probabilities" in wanted:
            found["probabilities"] = softmax(_with_one(inputs) @ self.weights.T)
        if "member_probabilities" in wanted:
            logits = np.einsum("nd,tcd->ntc", _with_one(inputs), self._draws(), optimize=True)
            found["member_probabilities"] = softmax(logits)
        return {name: value for name, value in found.items() if name in wanted}

    def logits(self, batch: Any) -> Any:
        """``(k, C)`` of a torch batch of inputs, with gradients by it."""
        weights = batch.new_tensor(self.weights)
        return batch @ weights[:, :-1].T + weights[:, -1]

    def _draws(self) -> Matrix:
        """``(T, C, d + 1)`` weights."""
        chances = softmax(self._rows @ self.weights.T)
        normal = self._rng.standard_normal((MEMBERS, *self.weights.shape))
        for one, chance in enumerate(chances.T):
            curved = (self._rows.T * (chance * (1.0 - chance))) @ self._rows
            curved[np.diag_indices_from(curved)] += self.penalty
            root = np.linalg.cholesky(curved)
            normal[:, one] = np.linalg.solve(root.T, normal[:, one].T).T
        return np.asarray(self.weights + normal)


def _with_one(inputs: NDArray[Any]) -> Matrix:
    return np.concatenate([np.asarray(inputs, float), np.ones((len(inputs), 1))], axis=1)


class FourierRidge:
    """Ridge regression on random Fourier features of a Gaussian kernel (Rahimi & Recht 2007).

    Embeddings are those features, so their distances are the kernel's. Members are fits to
    bootstrap samples, or with ``posterior`` draws from the posterior, as acquisitions want.
    Features are the same in every round.
    """

    def __init__(self, inputs: int, seed: int, noise: float, *, posterior: bool = False) -> None:
        rng, count = np.random.default_rng([seed, 77]), 200
        self.noise, self.posterior = noise, posterior
        self._waves = rng.normal(size=(inputs, count)) / (WIDTH * inputs**0.5)
        self._phases = rng.uniform(0.0, 2.0 * np.pi, count)
        self._height = (2.0 / count) ** 0.5

    def _features(self, inputs: Matrix) -> Matrix:
        return np.asarray(np.cos(inputs @ self._waves + self._phases) * self._height)

    def fit(self, inputs: NDArray[Any], targets: NDArray[Any], rng: np.random.Generator) -> None:
        """In closed form."""
        count = len(self._phases)
        rows = self._features(inputs)
        self.mean = float(targets.mean())
        self.root = np.linalg.cholesky(rows.T @ rows + self.noise * np.eye(count))
        self.weights = self._solved(self.root, rows.T @ (targets - self.mean))
        self._seen = rows, targets - self.mean, rng

    @staticmethod
    def _solved(root: Matrix, right: Matrix) -> Matrix:
        return np.asarray(np.linalg.solve(root.T, np.linalg.solve(root, right)))

    def _members(self, rows: Matrix, targets: Matrix, rng: np.random.Generator) -> Matrix:
        """``(features, T)`` weights."""
        count = rows.shape[1]
        if self.posterior:
            normal = rng.standard_normal((count, 3 * MEMBERS))
            return self.weights[:, None] + self.noise**0.5 * np.linalg.solve(self.root.T, normal)
        found = []
        for _ in range(MEMBERS):
            some = rng.integers(len(rows), size=len(rows))
            ridge = rows[some].T @ rows[some] + self.noise * np.eye(count)
            found.append(np.linalg.solve(ridge, rows[some].T @ targets[some]))
        return np.stack(found, axis=1)

    def told(self, inputs: NDArray[Any], wanted: set[str]) -> dict[str, NDArray[Any]]:
        """Predictions, their standard deviations, members' predictions, embeddings."""
        rows = self._features(inputs)
        found = {
            "embeddings": rows,
            "predictions": rows @ self.weights + self.mean,
        }
        if "member_predictions" in wanted:
            found["member_predictions"] = rows @ self._members(*self._seen) + self.mean
        if "std" in wanted:
            spread = np.linalg.solve(self.root, rows.T)
            found["std"] = np.sqrt(self.noise * (spread**2).sum(axis=0))
        return {name: value for name, value in found.items() if name in wanted}


class SmallNetwork:
    """A convolutional network on the pixels, trained anew in every round.

    Two convolutions of stride 2 on 16 x 16 pixels (means of 2 x 2), dropout, a hidden layer of 64,
    which are the embeddings. Members are passes with dropout (Gal & Ghahramani 2016).
    """

    def __init__(self, classes: int, epochs: int = 20) -> None:
        self.classes, self.epochs = classes, epochs

    def fit(self, inputs: NDArray[Any], targets: NDArray[Any], rng: np.random.Generator) -> None:
        """AdamW with mirrored images."""
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(int(rng.integers(2**31)))
        self.torch, nn = torch, torch.nn
        self.body = nn.Sequential(
            nn.Conv2d(3, 24, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(24, 48, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Dropout(0.3), nn.Linear(48 * 16, 64), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(64, self.classes))
        both = nn.Sequential(self.body, self.head)
        images, labels = self._small(inputs), torch.from_numpy(targets)
        optimiser = torch.optim.AdamW(both.parameters(), lr=3e-3, weight_decay=1e-2)
        for _ in range(self.epochs):
            for some in torch.randperm(len(images)).split(32):
                batch = images[some].flip(3) if torch.rand(()) < 0.5 else images[some]
                loss = nn.functional.cross_entropy(both(batch), labels[some])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()

    def _small(self, inputs: NDArray[Any]) -> Any:
        from learning_curves_features import as_tensor

        return self.torch.nn.functional.avg_pool2d(as_tensor(inputs), 2)

    def told(self, inputs: NDArray[Any], wanted: set[str]) -> dict[str, NDArray[Any]]:
        """Probabilities, members' probabilities and embeddings."""
        with self.torch.no_grad():
            images = self._small(inputs)
            hidden = self.body.eval()(images)
            found = {
                "embeddings": hidden.numpy(),
                "probabilities": _sure(self.head.eval()(hidden)),
            }
            if "member_probabilities" in wanted:
                self.body.train(), self.head.train()
                passes = [_sure(self.head(self.body(images))) for _ in range(MEMBERS)]
                found["member_probabilities"] = np.stack(passes, axis=1)
        return {name: value for name, value in found.items() if name in wanted}


def _sure(logits: Any) -> Matrix:
    return softmax(logits.double().numpy())
