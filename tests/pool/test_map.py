"""Maps: the same as an exact decomposition, in chunks; what cannot be read is not on them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.errors import ConfigError
from querist.pool import map as maps
from querist.pool.errors import PoolError
from querist.pool.map import Drawing, Features, chosen_rows, map_of, principal
from querist.pool.pool import Pool

ANIMALS, TOOLS = ("cat", "dog", "horse"), ("saw", "drill", "hammer")


@pytest.fixture
def pool(tmp_path: Path) -> Any:
    with Pool.create(tmp_path / "pool", {"transform": {"modality": "text"}}) as made:
        words = [(word, kind) for kind in (ANIMALS, TOOLS) for word in kind]
        made.add_items(
            {"id": f"{word}-{n}", "text": f"the {word} {word} {word} number {n}"}
            for word, _ in words
            for n in range(15)
        )
        yield made


def features_of(values: np.ndarray, chunk: int) -> Features:
    made = Features(io.BytesIO())
    for start in range(0, len(values), chunk):
        made.add(values[start : start + chunk])
    return made


@given(st.integers(0, 9), st.integers(2, 60), st.integers(1, 8), st.integers(1, 70))
def test_components_are_those_of_the_whole_matrix(seed, rows, width, chunk) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, width)) * (1 + np.arange(width)) + 1000
    values = values.astype(np.float32).astype(np.float64)
    scores, shares = principal(features_of(values, chunk), 2)
    centred = values - values.mean(axis=0)
    sizes = np.linalg.svd(centred, compute_uv=False)
    wanted = np.zeros(2)
    wanted[: min(2, len(sizes))] = sizes[:2]
    assert np.allclose(np.linalg.norm(scores, axis=0), wanted, rtol=1e-6, atol=1e-6)
    assert np.allclose(shares, wanted**2 / (sizes**2).sum(), rtol=1e-6, atol=1e-9)


def test_reading_in_pieces_gives_the_same(monkeypatch) -> None:
    values = np.random.default_rng(1).normal(size=(200, 5))
    whole, _ = principal(features_of(values, 200), 2)
    monkeypatch.setattr(maps, "_CHUNK", 7)
    pieces, _ = principal(features_of(values, 3), 2)
    assert np.allclose(whole, pieces)


def test_many_features_are_squeezed_and_hardly_anything_is_lost(monkeypatch) -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 400)) * 10
    values += rng.normal(size=values.shape) * 0.01
    exact, _ = principal(features_of(values, 64), 2)
    monkeypatch.setattr(maps, "_WIDEST", 100)
    close, _ = principal(features_of(values, 64), 2)
    apart = [np.linalg.norm(some[:150] - some[150:], axis=1) for some in (exact, close)]
    assert np.corrcoef(*apart)[0, 1] > 0.97


def test_groups_lie_apart_and_what_cannot_be_read_is_left_out(pool, tmp_path: Path) -> None:
    pool.add_items([{"uri": str(tmp_path / "missing.txt")}])
    told: list[int] = []
    found = map_of(pool, tell=told.append)
    assert (len(found.rows), found.left_out, told[-1]) == (90, 1, 91)
    assert 0 < found.shares[1] <= found.shares[0] < 1
    words = np.array([item.id.split("-")[0] for item in pool.fetch(found.rows)])
    centres = np.array([found.places[words == word].mean(axis=0) for word in sorted({*words})])
    spreads = [found.places[words == word].std(axis=0).mean() for word in sorted({*words})]
    assert centres.std(axis=0).mean() > 2 * np.mean(spreads)
    again = map_of(pool)
    assert np.array_equal(found.places, again.places)


def test_named_then_labelled_items_come_first(pool) -> None:
    pool.label({"saw-3": "tool", "cat-1": "animal"})
    at = {item.id: item.row for item in pool.items()}
    first = np.array([at["dog-2"], 10**9])  # one of them was forgotten
    few = chosen_rows(pool, Drawing(limit=3, first=first))
    assert few.tolist() == sorted((at["dog-2"], at["saw-3"], at["cat-1"]))
    more = chosen_rows(pool, Drawing(limit=40, first=first))
    assert len(more) == len(set(more.tolist())) == 40
    assert set(few.tolist()) <= set(more.tolist())
    assert len(chosen_rows(pool, Drawing())) == 90


def test_what_cannot_be_drawn_is_a_sentence(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "one", {"transform": {"modality": "text"}}) as pool:
        pool.add_items(["alone"])
        with pytest.raises(PoolError, match="needs two items"):
            map_of(pool)
    with pytest.raises(ConfigError, match="from 1 to 20,000"):
        Drawing(limit=0)
    with pytest.raises(ConfigError, match="pca, umap"):
        Drawing(method="tsne")  # type: ignore[arg-type]


def test_a_kept_map_loses_who_is_forgotten(tmp_path: Path) -> None:
    rows, places = np.array([3, 5, 9]), np.arange(6, dtype=np.float32).reshape(3, 2)
    maps.write_map(tmp_path / "map.npy", maps.PoolMap(rows, places, (0.0, 0.0), 0))
    maps.strike_from_map(tmp_path / "map.npy", np.array([5]))
    found, where = maps.read_map(tmp_path / "map.npy")
    assert found.tolist() == [3, 9]
    assert where.tolist() == [[0, 1], [4, 5]]


@pytest.mark.slow
def test_umap_keeps_neighbours(pool) -> None:
    pytest.importorskip("umap")
    found = map_of(pool, Drawing(method="umap"))
    words = np.array([item.id.split("-")[0] for item in pool.fetch(found.rows)])
    apart = np.linalg.norm(found.places[:, None] - found.places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = words[apart.argmin(axis=1)]
    assert (nearest == words).mean() > 0.8
    assert np.isfinite(found.places).all()
