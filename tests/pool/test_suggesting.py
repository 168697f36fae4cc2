"""What models suggest for items: classes, several classes, numbers; kept, and erased."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.pool.errors import PoolError
from querist.pool.pool import Pool
from querist.pool.suggested import FILE, Suggestion, keep, kept
from querist.pool.suggesting import suggest


class Lengths:
    """Says by the length of a text what it is."""

    digest = "lengths"

    def __init__(self, classes: tuple[str, ...] = ("short", "long"), **_: object) -> None:
        self.classes = classes
        self.provides = frozenset({"probabilities", "label_probabilities", "predictions"})

    def infer(self, batch, wanted):
        long = np.clip(np.array([len(text) for text in batch]) / 10, 0, 1)
        chances = np.stack([1 - long, long], 1)
        return {name: long * 10 if name == "predictions" else chances for name in wanted}

    def close(self) -> None:
        pass


def model(**options: object) -> dict:
    return {"use": "python", "object": f"{__name__}:Lengths", "options": options}


def made(folder: Path, **settings: object) -> Pool:
    pool = Pool.create(folder, {"transform": {"modality": "text"}, **settings})
    pool.add_items([{"id": f"t{n}", "text": "x" * n} for n in (1, 4, 9)])
    return pool


CLASSES = {"classes": ("short", "long")}


def test_classes_with_how_sure_the_model_is(tmp_path: Path) -> None:
    with made(tmp_path / "pool", **CLASSES) as pool:
        rows = {item.row: item.id for item in pool.items()}
        found = {rows[row]: one for row, one in suggest(pool, model(), rows).items()}
        assert {id: one.value for id, one in found.items()} == {
            "t1": "short",
            "t4": "short",
            "t9": "long",
        }
        assert found["t1"].score == pytest.approx(0.9)
        assert suggest(pool, model(), []) == {}


def test_several_classes_and_numbers(tmp_path: Path) -> None:
    with made(tmp_path / "several", task="multi-label", **CLASSES) as pool:
        said = list(suggest(pool, model(), [item.row for item in pool.items()]).values())
        assert [one.value for one in said] == [["short"], ["short"], ["long"]]
        assert [one.score for one in said] == pytest.approx([0.9, 0.6, 0.9])
    with made(tmp_path / "numbers", task="regression") as pool:
        said = list(suggest(pool, model(), [item.row for item in pool.items()]).values())
        assert said == [Suggestion(1.0), Suggestion(4.0), Suggestion(9.0)]


def test_what_cannot_be_suggested_is_told(tmp_path: Path) -> None:
    with made(tmp_path / "pool", **CLASSES) as pool:
        with pytest.raises(PoolError, match="such as 'large'"):
            suggest(pool, model(classes=["short", "large"]), [1])
        with pytest.raises(ConfigError, match="probabilities"):
            suggest(pool, {"use": "features"}, [1])
    spans = made(tmp_path / "spans", task="tokens", **CLASSES)
    with spans, pytest.raises(PoolError, match="not for tokens"):
        suggest(spans, model(), [1])


def test_suggestions_are_kept_until_others_come_or_the_item_is_forgotten(tmp_path: Path) -> None:
    with made(tmp_path / "pool", **CLASSES) as pool:
        assert kept(pool.folder) == ("", {})
        first, second, _ = (item.row for item in pool.items())
        said = {first: Suggestion("long", 0.8), second: Suggestion(["a"], None)}
        keep(pool.folder, said, "one")
        assert kept(pool.folder) == ("one", said)
        pool.forget("t1")
        assert kept(pool.folder) == ("one", {second: Suggestion(["a"], None)})
        keep(pool.folder, {}, "two")
        assert kept(pool.folder) == ("two", {})
        assert (pool.folder / FILE).is_file()
