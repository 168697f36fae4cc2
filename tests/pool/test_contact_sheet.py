"""Contact sheets: what is drawn, and that a bad item spoils nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from querist.core.errors import ConfigError
from querist.pool.contact_sheet import contact_sheet
from querist.pool.errors import UnknownItem
from querist.pool.pool import Pool


@pytest.fixture
def red_pool(tmp_path: Path) -> Pool:
    """Four red images, and a file that is none."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(4):
        Image.new("RGB", (20 + number, 10), (250 - 9 * number, 0, 0)).save(photos / f"{number}.png")
    (photos / "z.png").write_bytes(b"\x89no image\xff")
    pool = Pool.create(tmp_path / "pool")
    pool.add(photos)
    return pool


def reddish(path: Path) -> float:
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return float(((pixels[..., 0] > 200) & (pixels[..., 1] < 50)).mean())


def test_images_are_drawn_in_their_proportions(red_pool: Pool, tmp_path: Path) -> None:
    ids = [item.id for item in red_pool.items(limit=4)]
    path = contact_sheet(red_pool, ids, tmp_path / "sheet.png", {ids[0]: "first"})
    assert path == tmp_path / "sheet.png"
    # Images of 2:1 in square cells fill about half of them.
    assert 0.2 < reddish(path) < 0.5


def test_what_is_no_image_is_said_in_its_place(red_pool: Pool, tmp_path: Path) -> None:
    ids = [item.id for item in red_pool.items()]
    (tmp_path / "photos" / "0.png").unlink()
    path = contact_sheet(red_pool, ids, tmp_path / "sheet.png", columns=5)
    assert 0.1 < reddish(path) < 0.4


def test_texts_and_rows_are_written(tmp_path: Path) -> None:
    pool = Pool.create(tmp_path / "pool")
    pool.add_items(["a text", {"table": {"x": 1, "y": 2}}])
    ids = [item.id for item in pool.items()]
    assert contact_sheet(pool, ids, tmp_path / "sheet.svg").stat().st_size > 1000


def test_what_cannot_be_shown_is_a_sentence(red_pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 to 400 items, got 0"):
        contact_sheet(red_pool, [], tmp_path / "a.png")
    with pytest.raises(UnknownItem):
        contact_sheet(red_pool, ["nobody"], tmp_path / "a.png")


def test_a_result_draws_itself_and_prints_briefly(red_pool: Pool, tmp_path: Path) -> None:
    result = red_pool.query(3, strategy="random")
    assert reddish(result.contact_sheet(tmp_path / "picks.png")) > 0.2
    assert str(result).startswith("3 of 5 items picked by random\n   0  ")
    assert len(str(result).splitlines()) == 4
    assert all(uri.endswith(".png") for uri in result.uris)
