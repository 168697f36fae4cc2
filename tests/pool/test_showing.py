"""A pool in a notebook."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from querist.pool.pool import Pool

HOSTILE = "<img src=x onerror=alert(1)>"


def test_a_pool_tells_its_labels_and_shows_its_first_items(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"no image")
    with Pool.create(tmp_path / "pool", {"name": HOSTILE, "classes": ["cat", HOSTILE]}) as pool:
        pool.add(folder)
        pool.add_items([{"id": f"t{n}", "text": HOSTILE} for n in range(3)])
        pool.label({"t0": HOSTILE, "t1": []})
        page = pool._repr_html_()
    assert HOSTILE not in page
    assert page.count("<img") == 1
    assert 'src="data:image/png;base64,' in page
    assert "b.png" in page
    assert "2 labelled" in page or "1 labelled" in page
    assert "1 empty" in page


def test_an_empty_pool_and_one_of_numbers(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "pool", {"task": "regression"}) as pool:
        assert "Pool pool" in pool._repr_html_()
        assert repr(pool) == f"<Pool 'pool' in {tmp_path / 'pool'}>"
        pool.add_items([{"id": "r", "table": {"x": 1}}])
        pool.label({"r": 2.5})
        assert json.dumps(2.5) in pool._repr_html_()
