"""JSON Lines as people write them."""

from __future__ import annotations

from pathlib import Path


def test_keys_that_are_not_known_are_metadata(make, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(
        '{"text": "good film", "label": "pos", "stars": 5, "tags": ["a"]}\n\n'
        '{"text": "bad film"}\nnot json\n[1]\n{"text": "odd", "label": "neg", "id": 7}\n'
    )
    pool = make()
    added = pool.add(tmp_path / "t.jsonl")
    assert (added.new, added.labelled) == (3, 2)
    assert [broken.line for broken in added.broken] == [4, 5]
    assert pool.items()[0].metadata == {"stars": 5, "tags": ["a"]}
    assert pool.item("7").label == "neg"


def test_values_of_a_wrong_kind_break_their_line_only(make, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(
        '{"text": 5}\n{"uri": ["x"]}\n{"text": "a", "metadata": 3}\n{"text": "b", "said": {}}\n'
        '{"text": "\\ud800"}\n{"text": "c", "id": "\\u0000"}\n{"text": "fine"}\n'
        '{"text": "d", "label": 1.5}\n'
    )
    added = make().add(tmp_path / "t.jsonl")
    assert [broken.line for broken in added.broken if "class" not in broken.reason] == [
        1, 2, 3, 4, 5, 6,
    ]  # fmt: skip
    assert (added.new, added.labelled) == (2, 0)  # an item whose label is none is added without
