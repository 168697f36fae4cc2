"""The commands of pools, on folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_line import call

from querist.cli import main
from querist.pool.pool import Pool


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.png").write_text(str(number))
    return folder


@pytest.fixture
def pool(tmp_path: Path, photos: Path) -> Path:
    result = call("pool", "create", tmp_path / "birds", photos, "--progress", "none")
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'birds'}: 5 new\n")
    return tmp_path / "birds"


def test_settings_are_those_of_the_options(tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    said = ["--modality", "image", "-t", "size=32", "--classes", "owl, robin"]
    result = call("pool", "create", folder, *said, "-s", "s3.region=eu-west-1", "--json")
    assert json.loads(result.output)["classes"] == ["owl", "robin"]
    with Pool.open(folder) as pool:
        assert pool.settings.transform == {"size": 32, "modality": "image"}
        assert pool.settings.sources == {"s3": {"region": "eu-west-1"}}


def test_an_interrupted_addition_says_how_to_go_on(pool: Path, photos: Path, monkeypatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("querist.pool.pool.Pool.add", interrupted)
    result = call("pool", "add", pool, photos)
    assert result.exit_code == 130
    assert f"what was added stays; go on with: querist pool add {pool} {photos}" in result.stderr


def test_adding_again_adds_what_is_new(pool: Path, photos: Path) -> None:
    assert call("pool", "add", pool, photos).stdout == f"{pool}: 5 unchanged\n"
    (photos / "6.png").touch()
    counts = json.loads(call("pool", "add", pool, photos, "--json", "--progress", "none").output)
    assert (counts["new"], counts["unchanged"], counts["reasons"]) == (1, 5, [])


def test_a_pool_is_shown(pool: Path) -> None:
    said = call("pool", "show", pool).output
    assert "items   5\n" in said
    assert "states  5 unlabelled\n" in said
    record = json.loads(call("pool", "show", pool, "--json").output)
    assert (record["items"], record["states"]) == (5, {"unlabelled": 5})


def test_items_are_listed(pool: Path) -> None:
    said = call("pool", "items", pool, "--limit", 2).output.splitlines()
    assert said[0].split() == ["id", "state", "label", "what"]
    assert [line.rpartition("/")[2] for line in said[1:]] == ["0.png", "1.png"]
    lines = call("pool", "items", pool, "--json").output.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["unlabelled"] * 5
    assert call("pool", "items", pool, "--where", "labelled").stderr == "no such items\n"


def test_pools_are_listed(pool: Path, tmp_path: Path) -> None:
    (line,) = call("pool", "list", tmp_path, "--json").output.splitlines()
    assert json.loads(line)["folder"] == str(pool)
    assert call("pool", "list", tmp_path / "photos").stderr.startswith("no pool in ")


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["show", "nowhere"], 1, "is not the folder of a pool"),
        (["add", "birds", "nowhere"], 1, "There is no file"),
        (["create", "birds"], 1, "is not empty"),
        (["create", "new", "nowhere"], 1, "try again with: querist pool add new nowhere"),
        (["create", "new", "-t", "size"], 2, "--transform takes NAME=VALUE"),
        (["create", "new", "--task", "guessing"], 2, "task"),
        (["items", "birds", "--where", "unlabeled"], 1, "Did you mean 'unlabelled'?"),
        (["show", "birds", "--server", "ftp://x"], 2, "A service has a URL such as"),
    ],
)
def test_what_is_wrong_is_a_sentence(
    pool: Path, monkeypatch, arguments: list[str], status: int, sentence: str
) -> None:
    monkeypatch.chdir(pool.parent)
    result = call("pool", *arguments)
    assert result.exit_code == status
    assert sentence in result.stderr


def test_labels_by_file_names_alone_are_found_in_their_folder(pool: Path, photos: Path) -> None:
    labels = pool.parent / "elsewhere.csv"
    labels.write_text("filename,label\n1.png,owl\n2.png,robin\n")
    wrong = call("label", pool, "--from", labels)
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "None of its 2 rows could be used" in wrong.stderr
    assert f"There is no file {pool.parent / '1.png'}. (and 1 more)" in wrong.stderr
    told = call("label", pool, "--from", labels, "--images", photos)
    assert told.stdout == "2 labels recorded\n"


@pytest.mark.slow
def test_doubtful_labels_are_listed_and_written_to_be_corrected(tmp_path: Path) -> None:
    pytest.importorskip("cleanlab")
    folder, todo = tmp_path / "texts", tmp_path / "doubts.csv"
    with Pool.create(folder, {"transform": {"modality": "text"}}) as pool:
        words = ("cat", "saw")
        pool.add_items(
            {"id": f"{word}-{n}", "text": f"a {word} of size {n}"}
            for word in words
            for n in range(12)
        )
        pool.label({f"{word}-{n}": word for word in words for n in range(12)})
        assert (
            call("pool", "issues", folder, "--progress", "none").stderr == "no label looks wrong\n"
        )
        pool.label({"cat-3": "saw"})
    result = call("pool", "issues", folder, "-o", todo)
    assert result.stdout.splitlines()[1].split()[:3] == ["cat-3", "saw", "cat"]
    assert todo.read_text().splitlines()[0] == "id,item,label,suggested,quality"
    assert "cat-3,a cat of size 3,saw,cat," in todo.read_text()
    assert json.loads(call("pool", "issues", folder, "--json").stdout)["id"] == "cat-3"
    assert "is a file of settings" in call("pool", "issues", folder, "-m", "bert").stderr


def test_drift_is_told_between_two_queries(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    with Pool.create(folder, {"transform": {"modality": "text"}}) as pool:
        pool.add_items({"text": f"a cat of size {n}"} for n in range(30))
    assert "none has been run yet" in call("pool", "drift", folder).stderr
    said = ["-n", 3, "--strategy", "k-center", "--progress", "none"]
    assert call("query", "run", folder, *said).exit_code == 0
    assert "nothing compares with" in call("pool", "drift", folder).stderr
    with Pool.open(folder) as pool:
        pool.add_items(
            {"text": f"forty-two hammers, {n} nails and no saw at all"} for n in range(60)
        )
    assert call("query", "run", folder, *said).exit_code == 0
    told = json.loads(call("pool", "drift", folder, "--json").stdout)
    assert (told["method"], told["p_value"] < 0.01) == ("mmd", True)
    assert "has drifted" in call("pool", "drift", folder).output


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    file = tmp_path / "reviews.csv"
    file.write_text("review,category,stars\nso good,fine,5\nso bad,poor,1\nso so,,3\n")
    return file


def test_columns_of_other_names_are_named(tmp_path: Path, reviews: Path) -> None:
    named = ["-c", "text=review", "--column", "label=category"]
    result = call("pool", "create", tmp_path / "made", reviews, *named)
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'made'}: 3 new, 2 labelled\n")
    with Pool.open(tmp_path / "made") as pool:
        items = pool.items()
    assert [(one.inline, one.label) for one in items[:2]] == [
        ("so good", "fine"),
        ("so bad", "poor"),
    ]
    assert items[2].metadata == {"stars": 3}
    again = call("pool", "add", tmp_path / "made", reviews, *named)
    assert again.stdout == f"{tmp_path / 'made'}: 3 unchanged\n"


def test_columns_of_a_file_of_labels_are_named(tmp_path: Path, reviews: Path) -> None:
    call("pool", "create", tmp_path / "made", reviews, "-c", "text=review")
    wrong = call("label", tmp_path / "made", "--from", reviews, "-c", "text=reviews")
    assert wrong.exit_code == 2
    assert "There is no column 'reviews' for 'text'. Did you mean 'review'?" in wrong.stderr
    named = ["-c", "text=review", "-c", "label=category"]
    assert (
        call("label", tmp_path / "made", "--from", reviews, *named).stdout == "2 labels recorded\n"
    )
    assert call("pool", "import", tmp_path / "made", reviews, *named).exit_code == 0


@pytest.mark.parametrize(
    ("rows", "status", "sentence"),
    [
        ("id,label\nnobody,owl\n", 1, "line 2: the pool does not have 'nobody'"),
        ("id,label\na,\nb,\n", 1, "None of its 2 rows has a label"),
        ("id,label\n", 0, ""),
        ("id,label\nb,wren\nnobody,owl\n", 0, "not used: "),
        ("id,label\na,wren\nnobody,owl\n", 0, "not used: "),  # told before
    ],
)
def test_a_file_of_labels_of_which_none_is_taken_is_told(
    tmp_path: Path, rows: str, status: int, sentence: str
) -> None:
    folder, file = tmp_path / "made", tmp_path / "labels.csv"
    with Pool.create(folder) as pool:
        pool.add_items([{"id": "a", "text": "one", "label": "wren"}, {"id": "b", "text": "two"}])
    file.write_text(rows)
    for command in (("label", folder, "--from", file), ("pool", "import", folder, file)):
        told = call(*command)
        assert told.exit_code == status, told.stderr
        assert sentence in told.stderr


def test_a_file_of_which_few_rows_are_unknown_is_taken(tmp_path: Path) -> None:
    folder, file = tmp_path / "made", tmp_path / "labels.csv"
    ids = [f"i{n}" for n in range(200)]
    with Pool.create(folder) as pool:
        pool.add_items({"id": id, "text": f"text {id}"} for id in ids)
    file.write_text("id,label\n" + "".join(f"{id},wren\n" for id in [*ids, *map(str, range(60))]))
    assert call("label", folder, "--from", file).stdout == "200 labels recorded\n"


def test_people_see_paths_and_programs_uris(tmp_path: Path) -> None:
    folder = tmp_path / "Fotos für Zoë"
    folder.mkdir()
    (folder / "Käuz 1.png").write_bytes(b"")
    call("pool", "create", tmp_path / "made", folder)
    assert f"  {folder / 'Käuz 1.png'}\n" in call("pool", "items", tmp_path / "made").stdout
    asked = CliRunner().invoke(main, ["label", str(tmp_path / "made"), "--ask"], input="owl\n")
    assert f"[1/1] {folder / 'Käuz 1.png'}" in asked.stderr
    told = json.loads(call("pool", "items", tmp_path / "made", "--json").stdout)
    assert told["uri"].endswith("/Fotos%20f%C3%BCr%20Zo%C3%AB/K%C3%A4uz%201.png")


def test_a_pool_file_names_columns(tmp_path: Path, reviews: Path) -> None:
    file = tmp_path / "pool.yaml"
    columns = "{text: review, label: category}"
    file.write_text(f"data: {{from: reviews.csv, columns: {columns}}}\nbudget: 1\n")
    ran = call("run", file)
    assert ran.exit_code == 0
    assert "3 new, 2 labelled" in ran.stdout
    assert "so so" in ran.stdout


def test_what_is_to_be_done_where_a_new_pool_stays_empty(tmp_path: Path) -> None:
    result = call("pool", "create", tmp_path / "made", "no where")
    assert result.exit_code == 1
    assert f"try again with: querist pool add {tmp_path / 'made'} 'no where'" in result.stderr


def test_rows_of_a_table_are_shown_by_name(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("age,rooms\n20,4\n1200,2\n")
    call("pool", "create", tmp_path / "pool", tmp_path / "table.csv")
    said = call("pool", "items", tmp_path / "pool").stdout
    assert "age 20, rooms 4" in said
    assert "age 1200, rooms 2" in said
