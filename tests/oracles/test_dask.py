"""Dask's workers by name; campaigns that lose one are in tests/campaign/test_executors.py."""

from __future__ import annotations

import pytest

from querist.core.errors import MissingExtra
from querist.oracles.dask import DaskPool

pytestmark = [
    pytest.mark.usefixtures("own_garbage"),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO:Warning"),
]


def test_it_answers_on_workers_of_its_own_and_ends_them() -> None:
    pytest.importorskip("distributed")
    pool = DaskPool(n_workers=1, processes=False)
    assert pool.submit(pow, 2, 5).result(30) == 32
    assert pool.submit(pow, 2, exp=3).result(30) == 8
    pool.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(pow, 2, 5)


def test_without_dask_the_sentence_says_what_to_install(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(MissingExtra, match=r"pip install 'querist\[dask\]'"):
        DaskPool()
