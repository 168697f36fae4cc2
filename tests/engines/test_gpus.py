"""Which GPUs there are, and who gets which."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.engines.gpus import GpuShares, gpu_names, gpu_share


@pytest.mark.parametrize(
    "visible, names", [("", ()), ("-1", ()), ("0", ("0",)), ("2, GPU-f5", ("2", "GPU-f5"))]
)
def test_gpus_are_those_that_are_visible(monkeypatch, visible: str, names: tuple) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_names() == names


def test_shares_lie_on_one_gpu_and_whole_ones_are_nobody_else_s() -> None:
    shares = GpuShares(["a", "b", "c"])
    assert [shares.take(0.4) for _ in range(3)] == [("a",), ("a",), ("b",)]
    assert shares.take(2) == ()
    assert shares.take(1) == ("c",)
    assert shares.take(0.6) == ("b",)
    assert shares.take(0.3) == ()
    assert shares.take(0.2) == ("a",)


def test_a_copy_is_taken_from_alone() -> None:
    shares = GpuShares(["a"])
    other = shares.copy()
    assert other.take(1) == ("a",)
    assert shares.take(1) == ("a",)


@given(st.lists(st.sampled_from([0.1, 0.25, 0.3, 0.5, 1, 2, 3]), max_size=30), st.integers(0, 6))
def test_no_gpu_is_given_more_than_once(wanted: list[float], count: int) -> None:
    shares = GpuShares(map(str, range(count)))
    used = dict.fromkeys(map(str, range(count)), Fraction(0))
    for share in wanted:
        found = shares.take(share)
        part = Fraction(str(min(share, 1)))
        if not found:
            room = sum(use + part <= 1 for use in used.values())
            assert room < max(1, share)
        assert len(found) in (0, max(1, share))
        for name in found:
            used[name] += part
    assert all(use <= 1 for use in used.values())


@given(workers=st.integers(1, 40), gpus=st.integers(1, 9))
def test_workers_that_share_all_gpus_find_one_each(workers: int, gpus: int) -> None:
    shares = GpuShares(map(str, range(gpus)))
    share = gpu_share(workers, gpus)
    found = [shares.take(share) for _ in range(workers)]
    assert all(len(one) == 1 for one in found)
    assert max(map(found.count, found)) == -(-workers // gpus)
