"""Draws where sums are bounded: even, by trying and by walking, also in very small regions."""

from __future__ import annotations

import cloudpickle
import numpy as np
import pytest
from scipy import stats
from tuning_problems import MIXED, SHARES, UNIT, bounded

from querist.tuning.roaming import Roaming

SIX = {f"x{n}": UNIT for n in range(6)}
ALL = " + ".join(SIX)


@pytest.mark.parametrize("walks", [False, True])
@pytest.mark.parametrize("relation", ["=", "<="])
def test_shares_are_drawn_as_dirichlet_has_them(relation, walks) -> None:
    region = bounded(SHARES, f"a + b + c + d {relation} 1").region
    free = 3 if relation == "=" else 4
    drawn = Roaming(region, 5, walks).draw(2000)
    least = [stats.kstest(column, stats.beta(1, free).cdf).pvalue for column in drawn.T]
    assert min(least) > 1e-3
    assert stats.kstest(drawn[:, :2].sum(axis=1), stats.beta(2, free - 1).cdf).pvalue > 1e-3
    corners = np.corrcoef(drawn.T)[0, 1]
    assert corners == pytest.approx(-1 / free, abs=0.08)


@pytest.mark.parametrize(
    "where",
    [
        [f"{ALL} <= 0.5"],  # 2e-5 of the box
        ["0 <= x0 - x1 <= 0.0001", "0 <= x2 - x3 <= 0.01"],
        [f"{ALL} = 1", "x0 <= 0.01", "x1 + x2 >= 0.9"],
    ],
)
def test_very_small_regions_are_filled(where) -> None:
    space = bounded(SIX, *where)
    drawn = Roaming(space.region, 0).draw(1000)
    z = drawn  # linear scales: coordinates
    assert space.region.inside(z).all()
    others = Roaming(space.region, 1).draw(1000)
    pairs = zip(drawn.T, others.T, strict=True)
    assert min(stats.ks_2samp(a, b).pvalue for a, b in pairs) > 1e-4
    assert len(np.unique(drawn, axis=0)) == 1000


def test_a_thin_slab_is_filled_lengthwise() -> None:
    space = bounded({"a": UNIT, "b": UNIT}, "0 <= a - b <= 0.0001")
    drawn = Roaming(space.region, 3).draw(1000)
    assert stats.kstest(drawn[:, 0], "uniform").pvalue > 1e-3
    assert stats.kstest((drawn[:, 0] - drawn[:, 1]) / 1e-4, "uniform").pvalue > 1e-3


def test_on_any_scale_it_is_as_even_as_the_box_was() -> None:
    """Walking and trying draw from one distribution, whole and logarithmic settings included."""
    region = bounded(MIXED, "a + b + n / 10 <= 0.8", "a >= b").region
    tried, walked = (Roaming(region, 7, walks).draw(1500) for walks in (False, True))
    pairs = list(zip(tried.T, walked.T, strict=True))
    assert min(stats.ks_2samp(a, b).pvalue for a, b in pairs[:2]) > 1e-3
    counts = [np.bincount((11 * column).astype(int), minlength=11) for column in pairs[2]]
    kept = sum(counts) > 20
    assert stats.chi2_contingency([one[kept] for one in counts]).pvalue > 1e-3


def test_the_even_sequence_spreads_better_than_chance() -> None:
    region = bounded(SHARES, "a + b + c + d = 1").region

    def worst_gap(points: np.ndarray) -> float:
        probes = np.random.default_rng(9).dirichlet(np.ones(4), 500)
        return np.linalg.norm(probes[:, None] - points, axis=2).min(axis=1).mean()

    even = np.mean([worst_gap(Roaming(region, seed).even(20)) for seed in range(5)])
    chance = np.mean([worst_gap(Roaming(region, seed).draw(20)) for seed in range(5)])
    assert even < 0.92 * chance
    first, second = Roaming(region, 0), Roaming(region, 0)
    assert (first.even(8) == np.concatenate([second.even(3), second.even(5)])).all()


@pytest.mark.parametrize("walks", [False, True])
def test_it_goes_on_from_a_copy_in_another_process(walks) -> None:
    """Searches that are given as objects are sent to the worker that asks them."""
    first = Roaming(bounded(SHARES, "a + b + c + d <= 1").region, 0, walks)
    first.draw(10), first.even(3)
    second = cloudpickle.loads(cloudpickle.dumps(first))
    assert (first.draw(200) == second.draw(200)).all()
    assert (first.even(5) == second.even(5)).all()


def test_where_all_is_decided_there_is_one_point() -> None:
    region = bounded({"a": UNIT, "b": UNIT}, "a + b = 1", "a - b = 0.5").region
    assert Roaming(region, 0).draw(3) == pytest.approx(np.tile([0.75, 0.25], (3, 1)))
