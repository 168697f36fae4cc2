"""Tensors: what the user allows torch to do with float32 products is allowed for."""

from __future__ import annotations

import numpy as np
import pytest

from querist.strategies.hybrid.badge import badge
from querist.strategies.representation.k_center import k_center

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.fixture(params=["highest", "high", "medium"])
def precision(request):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


def test_rough_products_do_not_change_the_picks(precision: str) -> None:
    rows = np.random.default_rng(0).normal(size=(900, 12)).astype(np.float32)
    found = k_center(60, embeddings=torch.from_numpy(rows))
    np.testing.assert_array_equal(found.indices, k_center(60, embeddings=rows).indices)


def test_products_rounded_to_bfloat16_do_not_change_the_picks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What "medium" may do on hardware that this test may not run on."""
    from querist.strategies.geometry import Space

    monkeypatch.setattr("querist.strategies.tensors.product_epsilon", lambda: 2.0**-7)
    monkeypatch.setattr(Space, "products", rounded(Space.products))
    rows = np.random.default_rng(0).normal(size=(900, 12)).astype(np.float32)
    found = k_center(40, embeddings=torch.from_numpy(rows))
    monkeypatch.undo()
    np.testing.assert_array_equal(found.indices, k_center(40, embeddings=rows).indices)


def rounded(products):
    def wrapped(self, points, centres, first, last):
        product = (
            centres.doubled[first:last].bfloat16().float() @ points.fast[0].bfloat16().float().T
        )
        return product + centres.norms[first:last, None]

    return wrapped


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_any_floating_type(kind: str) -> None:
    rng = np.random.default_rng(0)
    odds = torch.from_numpy(rng.dirichlet(np.ones(4), size=300)).to(getattr(torch, kind))
    rows = torch.from_numpy(rng.normal(size=(300, 5))).to(getattr(torch, kind))
    found = badge(20, probabilities=odds, embeddings=rows, rng=0)
    same = badge(20, probabilities=odds.double(), embeddings=rows.double(), rng=0)
    assert found.indices[0] == same.indices[0]
    assert len(set(found.indices.tolist())) == 20
    assert (
        k_center(9, embeddings=rows).indices.tolist()
        == k_center(9, embeddings=rows.double()).indices.tolist()
    )
