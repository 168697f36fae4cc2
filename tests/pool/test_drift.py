"""Drift between rounds: found where there is one, and as often as chance says where not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from querist.core.errors import ShapeError
from querist.pool.drift import measure
from querist.pool.errors import PoolError
from querist.pool.pool import Pool
from querist.pool.settings import parse_settings, write_settings


def sample(seed: int, n: int, d: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, d))


@pytest.mark.parametrize("d", [1, 8])
def test_a_shift_is_found(d: int) -> None:
    found = measure(sample(0, 300, d), sample(1, 300, d, 0.5), np.random.default_rng(0))
    assert found.p_value < 0.01
    assert "has drifted" in str(found)


@pytest.mark.parametrize("d", [1, 4])
def test_false_alarms_are_as_rare_as_said(d: int) -> None:
    p = []
    for seed in range(0, 200, 2):
        rng = np.random.default_rng(seed)
        p.append(measure(sample(seed, 40, d), sample(seed + 1, 30, d), rng, 99).p_value)
    # 0.1 of 100 are expected; more than 19 would happen once in 500 times.
    assert sum(one <= 0.1 for one in p) <= 19
    assert np.mean(p) > 0.35


def test_the_distance_of_scores_is_that_of_kolmogorov_and_smirnov() -> None:
    one, two = sample(0, 50, 1).round(1), sample(1, 70, 1, 0.3).round(1)
    found = measure(one, two, np.random.default_rng(0), 10)
    assert found.statistic == pytest.approx(stats.ks_2samp(one[:, 0], two[:, 0]).statistic)


def test_the_discrepancy_of_embeddings_is_the_unbiased_estimate() -> None:
    x, y = sample(0, 12, 3), sample(1, 9, 3, 1.0)
    joined = np.concatenate([x, y])
    squared = ((joined[:, None] - joined) ** 2).sum(axis=2)
    k = np.exp(-squared / np.median(squared[np.triu_indices(21, 1)]))
    xx = sum(k[i, j] for i in range(12) for j in range(12) if i != j) / (12 * 11)
    yy = sum(k[i, j] for i in range(12, 21) for j in range(12, 21) if i != j) / (9 * 8)
    expected = xx + yy - 2 * k[:12, 12:].mean()
    found = measure(x, y, np.random.default_rng(0), 10)
    assert found.statistic == pytest.approx(expected)


def test_rounds_of_a_pool(pool: Pool) -> None:
    with pytest.raises(PoolError, match="none has been run yet"):
        pool.drift()
    rows = np.arange(1, 2501)
    pool.remember_round("1", rows, sample(0, 2500, 5))
    pool.remember_round("2", rows, sample(1, 2500, 5))
    pool.remember_round("3", rows, sample(2, 2500, 5, 0.4))
    assert pool.drift("1", "2").p_value > 0.01
    assert pool.drift().p_value < 0.01
    pool.remember_round("4", rows, sample(2, 2500, 6))
    with pytest.raises(ShapeError, match="one width"):
        pool.drift()
    pool.remember_round("5", rows, sample(3, 2500, 5), of="another model")
    with pytest.raises(PoolError, match="nothing compares with '5'"):
        pool.drift()
    with pytest.raises(PoolError, match="cannot be compared"):
        pool.drift("1")


def test_queries_remember_what_they_saw(tmp_path: Path) -> None:
    table = {"modality": "table", "columns": {"x": "number", "y": "number"}}
    rng = np.random.default_rng(0)
    with Pool.create(tmp_path / "p", {"transform": table}) as pool:
        for number, mean in enumerate([0.0, 0.0, 3.0]):
            points = rng.normal(mean, 1, (60, 2)).tolist()
            pool.add_items({"table": {"x": x, "y": y}} for x, y in points)
            rows = np.concatenate(list(pool.rows()))[-60:]
            where = {"id": [item.id for item in pool.fetch(rows)]}
            pool.query(5, strategy="k-center", where=where)
            if number == 0:
                continue
            found = pool.drift()
            assert (found.p_value < 0.01) == (number == 2)
            assert found.after == 60


def test_what_was_shown_in_another_way_is_not_compared(tmp_path: Path) -> None:
    def transform(scale: float) -> dict:
        columns = {"x": {"scale": scale}, "y": "number"}
        return {"transform": {"modality": "table", "columns": columns}}

    rows = np.random.default_rng(0).normal(0, 1, (60, 2)).tolist()
    with Pool.create(tmp_path / "p", transform(1.0)) as pool:
        pool.add_items({"table": {"x": x, "y": y}} for x, y in rows)
        pool.query(5, strategy="k-center")
        pool.query(5, strategy="k-center")
        assert pool.drift().p_value > 0.01
    write_settings(tmp_path / "p", parse_settings(transform(100.0), "here"))
    with Pool.open(tmp_path / "p") as pool:
        pool.query(5, strategy="k-center")
        with pytest.raises(PoolError, match="nothing compares with"):
            pool.drift()
