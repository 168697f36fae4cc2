"""CoNLL-2003's file and its relatives."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist.pool.manifests.conll import spans_of

TEXT = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
German JJ B-NP B-MISC
call NN I-NP O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER

nothing NN I-NP O

_ _ _ _
"""


def test_sentences_of_four_columns(make, tmp_path: Path) -> None:
    (tmp_path / "train.conll").write_text(TEXT)
    pool = make("tokens")
    added = pool.add(tmp_path / "train.conll")
    assert (added.new, added.broken) == (4, [])
    first, second, third, last = pool.items()
    assert first.inline == "EU rejects German call"
    assert first.label == [
        {"class": "ORG", "start": 0, "end": 2},
        {"class": "MISC", "start": 11, "end": 17},
    ]
    assert second.label == [{"class": "PER", "start": 0, "end": 15}]
    assert (third.state, last.state) == ("empty", "unlabelled")


PLACES = [(0, 1), (2, 3), (4, 5), (6, 7)]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("I-A I-A O I-A", [(0, 3), (6, 7)]),  # IOB1
        ("I-A B-A I-A O", [(0, 1), (2, 5)]),
        ("B-A I-A B-A O", [(0, 3), (4, 5)]),  # IOB2
        ("B-A E-A S-A S-A", [(0, 3), (4, 5), (6, 7)]),  # IOBES
        ("I-A I-B I-B O", [(0, 1), (2, 5)]),
        ("A A O A", [(0, 3), (6, 7)]),  # no prefix
    ],
)
def test_schemes_of_tags(tags: str, spans: list[tuple[int, int]]) -> None:
    found = spans_of(tags.split(), PLACES)
    assert [(span["start"], span["end"]) for span in found] == spans


def test_spans_that_tags_cannot_say_are_left_out(make, tmp_path: Path) -> None:
    pool = make("tokens")
    pool.add_items(
        [
            {"text": "a b c", "id": "1", "label": [{"class": "X", "start": 0, "end": 2}]},
            {
                "text": "a b d",
                "id": "2",
                "label": [
                    {"class": "X", "start": 0, "end": 3},
                    {"class": "Y", "start": 2, "end": 3},
                ],
            },
            {"text": "a,b", "id": "3", "label": [{"class": "X", "start": 0, "end": 1}]},
        ]
    )
    exported = pool.export(tmp_path / "x.conll")
    assert (exported.items, exported.left_out_total) == (1, 2)
    assert "white space" in exported.left_out[0].reason
    assert "overlap" in exported.left_out[1].reason
    assert (tmp_path / "x.conll").read_text().endswith("a\tB-X\n,b\tO\n\n")
