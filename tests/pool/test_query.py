"""Queries from their settings to their picks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from query_models import two_classes

from querist.pool.pool import Pool
from querist.pool.query import queries, query_result, query_status, run_query, start_query
from querist.strategies.selecting import select

TEXTS = [f"text number {number}" for number in range(300)]


@pytest.fixture
def texts(tmp_path: Path):
    settings = {"transform": {"modality": "text"}, "classes": ("no", "yes")}
    with Pool.create(tmp_path / "texts", settings) as pool:
        pool.add_items([{"text": text, "id": f"t{n}"} for n, text in enumerate(TEXTS)])
        yield pool


def model(function: str = "two_classes") -> dict:
    return {"use": "python", "function": f"query_models:{function}"}


def asked(**more) -> dict:
    return {"model": model(), "budget": 20, **more}


def test_picks_what_the_strategy_picks_of_the_model_s_outputs(texts: Pool) -> None:
    folder = start_query(texts, asked())
    assert query_status(folder).state == "queued"
    result = run_query(folder)
    wanted = select("least-confidence", 20, rng=0, probabilities=two_classes(TEXTS))
    assert result.ids == [f"t{n}" for n in wanted.indices]
    np.testing.assert_allclose([pick.score for pick in result.picks], wanted.scores, rtol=1e-6)
    assert result.counts["candidates"] == 300
    assert result.counts["scored"] == 300
    assert result.counts["picked"] == 20
    assert result.picks[0].why.startswith("least-confidence 0.")
    assert "the model says" in result.picks[0].why
    status = query_status(folder)
    assert (status.state, status.done, status.total) == ("done", 300, 300)
    assert query_result(folder) == result
    assert [one.id for one in queries(texts)] == [result.id]


def test_a_query_in_one_line(texts: Pool) -> None:
    result = texts.query(model=model(), strategy="margin", budget=0.1, seed=3)
    wanted = select("margin", 30, rng=3, probabilities=two_classes(TEXTS))
    assert result.ids == [f"t{n}" for n in wanted.indices]
