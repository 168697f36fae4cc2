"""A script for tests: ridge regression on random features, in files; and ways to go wrong."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import querist_side


def features(rows, seed):
    X = np.array([np.concatenate([np.ravel(row[name]) for name in sorted(row)]) for row in rows])
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(X.shape[1], 300))
    return np.cos(X @ W + rng.uniform(0.0, 6.3, 300))


def fit(samples, labels, request):
    print("words for people")  # must not disturb the messages
    how = request["options"]
    if how.get("fail") == "raise":
        raise ValueError("no such functional")
    if how.get("fail") == "die":
        print("out of memory, said the driver", file=sys.stderr)
        os._exit(3)
    if how.get("fail") == "wait":
        time.sleep(600)
    folder = Path(request["folder"])
    shapes = {name: np.shape(labels[0][name]) for name in labels[0]}
    Y = np.array([np.concatenate([np.ravel(row[name]) for name in shapes]) for row in labels])
    rng = np.random.default_rng(request["seed"])
    drawn = rng.integers(0, len(Y), len(Y))
    F = features(samples, request["seed"])[drawn]
    weights = np.linalg.solve(F.T @ F + 0.01 * np.eye(F.shape[1]), F.T @ Y[drawn])
    if how.get("fail") != "write":
        (folder / "deep").mkdir()
        np.save(folder / "deep" / "weights.npy", weights)
        seen = 0
        if request["previous"] is not None:
            seen = json.loads((Path(request["previous"]) / "about.json").read_text())["fits"]
        about = {"seed": request["seed"], "shapes": shapes, "fits": seen + 1}
        (folder / "about.json").write_text(json.dumps(about))
    return {"fits": 1.0}


def load(folder):
    about = json.loads((Path(folder) / "about.json").read_text())
    weights = np.load(Path(folder) / "deep" / "weights.npy")

    def predict(samples):
        if any(np.isnan(np.ravel(row["x"])).any() for row in samples if "x" in row):
            os._exit(9)
        found = features(samples, about["seed"]) @ weights
        rows, at = [{} for _ in samples], 0
        for name, shape in about["shapes"].items():
            size = int(np.prod(shape))
            for row, values in zip(rows, found[:, at : at + size], strict=True):
                row[name] = values.reshape(shape)
            at += size
        return rows

    return predict


if __name__ == "__main__":
    querist_side.main(fit, load)
