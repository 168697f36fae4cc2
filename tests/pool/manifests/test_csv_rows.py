"""CSV as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist.core.errors import ConfigError
from querist.pool.errors import TooManyBroken


def test_paths_labels_and_metadata(make, images: Path) -> None:
    (images / "list.csv").write_bytes(
        b"\xef\xbb\xbfpath,label,city,year,code\r\n"
        b"images/a.jpg,cat,Rome,2020,007\r\nimages/b.jpg,,,,\r\nimages/c d.jpg,[],Oslo,2021,1\r\n"
    )
    pool = make()
    added = pool.add(images / "list.csv")
    assert (added.new, added.labelled, added.broken) == (3, 2, [])
    a, b, c = pool.items()
    assert (a.label, a.size, a.metadata) == (
        "cat",
        5,
        {"city": "Rome", "year": 2020, "code": "007"},
    )
    assert (b.state, b.metadata, c.state) == ("unlabelled", {}, "empty")
    assert c.uri.endswith("/data/images/c%20d.jpg")
    assert [item.id for item in pool.items({"metadata": {"year": {">": 2020}}})] == [c.id]


def test_ids_stay_when_manifest_and_images_move(make, images: Path, tmp_path: Path) -> None:
    (images / "list.csv").write_text("path\nimages/a.jpg\nimages/b.jpg\n")
    pool = make()
    pool.add(images / "list.csv")
    before = [item.id for item in pool.items()]
    (tmp_path / "moved").mkdir()
    images.rename(tmp_path / "moved" / "data")
    assert pool.add(tmp_path / "moved" / "data" / "list.csv").unchanged == 2
    assert [item.id for item in pool.items()] == before


def test_broken_lines_are_listed_with_their_numbers(make, images: Path) -> None:
    (images / "list.csv").write_bytes(
        b"path,label\nimages/a.jpg,cat\nimages/none.jpg,cat\nimages/b.jpg\n"
        b"images/\xff.jpg,cat\n\nimages/b.jpg,dog\n"
    )
    pool = make()
    added = pool.add(images / "list.csv")
    assert (added.new, added.labelled, added.broken_total) == (2, 2, 3)
    assert [broken.line for broken in added.broken] == [3, 4, 5]
    assert "There is no file" in added.broken[0].reason
    assert "1 values, and the header 2 names" in added.broken[1].reason


def test_too_many_broken_lines_stop_it(make, images: Path) -> None:
    (images / "list.csv").write_text("path\n" + "".join(f"no/{n}.jpg\n" for n in range(200)))
    with pytest.raises(TooManyBroken, match="200 of the first 200 entries are broken"):
        make().add(images / "list.csv")


def test_rows_of_a_table(make, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,height,colour,label\n1,1.80,red,yes\n2,1.5,,\n")
    pool = make()
    pool.add(tmp_path / "t.csv")
    assert [item.inline for item in pool.items()] == [
        {"height": 1.8, "colour": "red"},
        {"height": 1.5},
    ]
    assert [item.id for item in pool.items("labelled")] == ["1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [("id,text\n".encode("utf-16"), "UTF-8"), (b"id,id,text\n1,2,x\n", "names 'id' twice")],
)
def test_headers_that_cannot_be(make, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        make().add(tmp_path / "t.csv")


def test_a_quote_that_is_not_closed_is_a_broken_line(make, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id,text\n1,fine\n2,"open\n3,inside\n')
    added = make().add(tmp_path / "t.csv")
    assert (added.new, added.broken_total) == (1, 1)
    assert "no CSV" in added.broken[0].reason


def test_columns_can_be_named(make, images: Path) -> None:
    (images / "list.csv").write_text("img,kind\nimages/a.jpg,cat\n")
    pool = make()
    pool.add(images / "list.csv", manifest={"columns": {"uri": "img", "label": "kind"}})
    assert pool.items()[0].label == "cat"
    with pytest.raises(ConfigError, match="Did you mean 'kind'"):
        pool.add(images / "list.csv", manifest={"columns": {"label": "kin"}})
    with pytest.raises(ConfigError, match="Did you mean 'columns'"):
        pool.add(images / "list.csv", manifest={"colums": {}})


def test_an_id_that_stands_twice_is_broken(make, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,text\nx,one\nx,two\nx,one\n")
    added = make().add(tmp_path / "t.csv")
    assert (added.new, added.duplicates, added.broken_total) == (1, 1, 1)
    assert (added.broken[0].line, "stands here twice" in added.broken[0].reason) == (3, True)


def test_labels_of_other_programs_are_taken_for_known_items(make, images: Path) -> None:
    pool = make()
    pool.add(images / "images")
    ids = [item.id for item in pool.items()]
    (images / "labels.csv").write_text(
        f"id,path,label\n{ids[0]},,cat\n,images/b.jpg,dog\nnobody,,cat\n"
    )
    added = pool.import_labels(images / "labels.csv", manifest={"look": False})
    assert (added.new, added.labelled, added.broken_total, len(pool)) == (0, 2, 1, 3)
    assert [item.label for item in pool.items()] == ["cat", "dog", None]
    assert "does not have 'nobody'" in added.broken[0].reason


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_other_separators_of_spreadsheets_are_found(make, tmp_path: Path, mark: str) -> None:
    rows = [("text", "label", "year"), ("a, b", "good", "2020"), ('"c; d|e\tf"', "", "2021")]
    (tmp_path / "list.csv").write_text("".join(mark.join(row) + "\n" for row in rows))
    pool = make()
    added = pool.add(tmp_path / "list.csv")
    assert (added.new, added.labelled, added.broken) == (2, 1, [])
    first, second = pool.items()
    assert (first.inline, first.label, first.metadata) == ("a, b", "good", {"year": 2020})
    assert second.inline == "c; d|e\tf"


def test_commas_separate_where_the_header_has_them(make, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("text,size;shape\na;b;c,1\n")
    pool = make()
    assert pool.add(tmp_path / "list.csv").new == 1
    assert [(one.inline, one.metadata) for one in pool.items()] == [("a;b;c", {"size;shape": 1})]


def test_texts_of_another_encoding_are_named(make, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes("text,label\nschön,gut\n".encode("latin-1"))
    (broken,) = make().add(tmp_path / "list.csv").broken
    assert broken.reason == "the text is not in UTF-8; save the file as UTF-8"


def test_usual_columns_are_found_however_they_are_written(make, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("ID,Text,Label,Year\n7,fine film,good,2020\n8,dull,,2021\n")
    pool = make()
    assert pool.add(tmp_path / "list.csv").labelled == 1
    first, second = pool.items()
    assert (first.id, first.inline, first.label) == ("7", "fine film", "good")
    assert (second.id, second.metadata) == ("8", {"Year": 2021})


def test_a_column_of_the_exact_name_goes_first(make, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("Text,text,Label,label\nA,a,B,b\n")
    pool = make()
    pool.add(tmp_path / "list.csv")
    (item,) = pool.items()
    assert (item.inline, item.label, item.metadata) == ("a", "b", {"Text": "A", "Label": "B"})


def test_states_of_other_meanings_are_values_of_the_table(make, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("age,state,label\n20,CA,yes\n30,,\n40,skipped,\n")
    pool = make()
    pool.add(tmp_path / "list.csv")
    first, second, third = pool.items()
    assert (first.inline, first.label) == ({"age": 20, "state": "CA"}, "yes")
    assert (second.inline, second.state) == ({"age": 30}, "unlabelled")
    assert (third.inline, third.state) == ({"age": 40}, "skipped")


def test_a_label_that_is_no_utf8_says_so(make, tmp_path: Path) -> None:
    pool = make()
    pool.add_items([{"id": "a", "text": "one"}, {"id": "b", "text": "two"}])
    (tmp_path / "said.csv").write_bytes("id,label\na,gut\nb,schön\n".encode("latin-1"))
    taken = pool.import_labels(tmp_path / "said.csv")
    assert (taken.labelled, taken.broken_total) == (1, 1)
    assert "is not in UTF-8; save the file it is from as UTF-8" in taken.broken[0].reason
