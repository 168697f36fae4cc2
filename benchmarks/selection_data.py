"""The arrays of the selection benchmark, the same for every tool, and the plain methods.

Imports nothing of Querist, so that peers can run it in an environment of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, Any]


def mixture(count: int, width: int, seed: int = 0) -> Any:
    """Embeddings as networks give them: 200 clusters, variances falling like 1/rank, float32."""
    rng = np.random.default_rng(seed)
    falling = np.arange(1, width + 1, dtype=np.float32) ** -0.5
    centres = 2.0 * falling * rng.standard_normal((200, width), dtype=np.float32)
    rows = falling * rng.standard_normal((count, width), dtype=np.float32)
    rows += centres[rng.integers(200, size=count)]
    return rows[:, rng.permutation(width)].copy()


def probabilities(count: int, classes: int, seed: int = 1) -> Any:
    """A classifier that is sure of most rows, float32."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((count, classes), dtype=np.float32)
    logits *= 1.0 + 4.0 * rng.random((count, 1), dtype=np.float32)
    np.exp(logits - logits.max(axis=1, keepdims=True), out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def members(count: int, members: int, classes: int, seed: int = 2) -> Any:
    """Dropout masks that agree on most rows, ``(n, T, C)``, float32."""
    rng = np.random.default_rng(seed)
    common = 2.0 * rng.standard_normal((count, 1, classes))
    apart = (
        0.5 * rng.gamma(1.0, size=(count, 1, 1)) * rng.standard_normal((count, members, classes))
    )
    raised = np.exp(common + apart)
    return (raised / raised.sum(axis=2, keepdims=True)).astype(np.float32)


def candidates(count: int, seed: int = 3) -> Arrays:
    """Candidates in eight dimensions, and sixty that have been measured, float64."""
    rng = np.random.default_rng(seed)
    pool, known = rng.random((count, 8)), rng.random((60, 8))
    level = np.sin(3.0 * known[:, 0]) + known[:, 1] * known[:, 2] + 0.05 * rng.normal(size=60)
    return {"embeddings": pool, "labelled_embeddings": known, "labels": level}


def labelled(count: int) -> Arrays:
    """A pool, and a hundred rows of it with a class of ten each, float32."""
    known = mixture(count + 100, 64)
    classes = np.random.default_rng(4).integers(10, size=100)
    return {
        "embeddings": known[100:],
        "labelled_embeddings": known[:100],
        "labelled_classes": classes,
    }


def arrays(case: str, quick: bool) -> Arrays:
    """The data of a case; a tenth of the rows when quick."""
    count = {
        "200k": 200_000,
        "1m": 1_000_000,
        "10k": 10_000,
        "20k": 20_000,
        "6k": 6_000,
        "1k": 1_000,
    }
    rows = count.get(case.rpartition("-")[2], 50_000) // (10 if quick else 1)
    if case == "kcenter-uniform":
        return {"embeddings": np.random.default_rng(0).random((rows, 512), dtype=np.float32)}
    if case.startswith(("kcenter", "lcmd", "kmeans")):
        return {"embeddings": mixture(rows, 512)}
    if case.startswith("badge"):
        classes = 1000 if case.endswith("classes") else 10
        return {"probabilities": probabilities(rows, classes), "embeddings": mixture(rows, 512)}
    if case.startswith("clue"):
        return {"probabilities": probabilities(rows, 10), "embeddings": mixture(rows, 64)}
    if case in ("mcpal-6k", "quire-1k"):
        return labelled(rows)
    if case.endswith("6k"):
        return {"embeddings": mixture(rows, 64)}
    if case.startswith("qlogei"):
        return candidates(200 if quick else 2_000)
    if case in ("bald-10k", "batchbald-10k"):
        return {"member_probabilities": members(rows, 20, 10)}
    return {"probabilities": probabilities(rows, 10)}


def maps(folder: Path, quick: bool) -> dict[str, Path]:
    """Write ten million rows of embeddings and of probabilities, 128 wide, a block at a time."""
    rows, block = (100_000 if quick else 10_000_000), 100_000
    paths = {"embeddings": folder / "embeddings.npy", "probabilities": folder / "probabilities.npy"}
    for name, path in paths.items():
        if path.exists():
            continue
        out = np.lib.format.open_memmap(path, "w+", np.float32, (rows, 128))
        make = mixture if name == "embeddings" else probabilities
        for start in range(0, rows, block):
            out[start : start + block] = make(block, 128, start // block)
        out.flush()
    return paths


def plain_k_center(embeddings: Any, budget: int, first: int) -> list[int]:
    """The plain greedy method, one matrix-vector product a pick."""
    norms = np.einsum("ij,ij->i", embeddings, embeddings)
    nearest = np.full(len(embeddings), np.inf, embeddings.dtype)
    picks = [first]
    while len(picks) < budget:
        row = picks[-1]
        distances = embeddings @ embeddings[row]
        distances *= -2.0
        distances += norms
        distances += norms[row]
        np.minimum(nearest, distances, out=nearest)
        nearest[row] = -1.0
        picks.append(int(nearest.argmax()))
    return picks


def plain_badge(probabilities: Any, embeddings: Any, budget: int) -> list[int]:
    """The factored method of Zhang et al. (arXiv 2306.09910), a pass over the pool a pick."""
    rng = np.random.default_rng(0)
    errors = probabilities.copy()
    errors[np.arange(len(errors)), errors.argmax(axis=1)] -= 1.0
    norms = np.einsum("ij,ij->i", errors, errors) * np.einsum("ij,ij->i", embeddings, embeddings)
    nearest = np.full(len(norms), np.inf)
    picks = [int(norms.argmax())]
    while len(picks) < budget:
        row = picks[-1]
        products = (errors @ errors[row]) * (embeddings @ embeddings[row])
        np.minimum(nearest, norms + norms[row] - 2.0 * products, out=nearest)
        nearest[picks] = 0.0
        sums = np.cumsum(np.maximum(nearest, 0.0))
        picks.append(int(np.searchsorted(sums, rng.random() * sums[-1], side="right")))
    return picks


def mean_distance(embeddings: Any, picks: list[int]) -> float:
    """Mean squared distance of the pool from the nearest pick, float64."""
    chosen = embeddings[sorted(set(picks))].astype(np.float64)
    norms, total = (chosen**2).sum(axis=1), 0.0
    for some in np.array_split(embeddings, 50):
        rows = some.astype(np.float64)
        total += float(((norms - 2.0 * rows @ chosen.T).min(axis=1) + (rows**2).sum(axis=1)).sum())
    return round(total / len(embeddings), 4)
