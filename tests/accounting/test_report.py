from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hand_journal import answer, asked, facts, failed, small

from querist.accounting.report import report_html, write_report
from querist.accounting.summary import summarise
from querist.testing.runs import RunFact, RunPlan, synthetic_run

VOID = {"meta", "br", "link", "img", "input"}
HOSTILE = "<script>alert(1)</script>&\"'$x_{$ \u4e2d\u6587 _under"


class Reader(HTMLParser):
    """Checks that elements are closed in order, and collects what matters."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.unnamed = 0
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [v for n, v in attrs if n in ("href", "src", "xlink:href") and v]
        self.unnamed += tag == "svg" and found.get("role") == "img" and not found.get(
            "aria-labelledby"
        )  # fmt: skip
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(made_up: list[RunFact]) -> str:
    extra = {"Configuration": {"oracle": HOSTILE, "n": 3}}
    return report_html(summarise(made_up, "r1"), {"forces": "eV/Å"}, extra)


def test_the_page_is_well_formed_and_every_id_is_unique(page: str) -> None:
    reader = Reader(page)
    assert len(reader.ids) == len(set(reader.ids))
    assert reader.tags.count("svg") >= 10
    assert reader.unnamed == 0
    assert reader.tags.count("figcaption") == reader.tags.count("figure")


def test_nothing_is_loaded_and_no_script_can_run(page: str) -> None:
    reader = Reader(page)
    assert "script" not in reader.tags
    assert all(link.startswith("#") for link in reader.links)
    assert {link[1:] for link in reader.links} <= set(reader.ids)
    assert re.findall(r"url\((?!#)", page) == []
    assert "default-src 'none'" in page
    assert "@import" not in page


def test_it_holds_the_headline_numbers(page: str, made_up: list[RunFact]) -> None:
    summary, text = summarise(made_up), Reader(page).text
    error = summary["learning"]["metrics"]["forces.mae"][-1]
    assert f"{error:#.3g} eV/Å" in text
    assert "330" in text
    assert "Oracle time saved, at most" in text
    assert "Upper estimate" in text
    assert "forces.mae on the hold-out" in text


def test_errors_stand_against_the_labels_that_were_trained_on(page: str) -> None:
    drawn = re.search(r'id="learning-train-forces[^"]*".*?</svg>', page, flags=re.S)
    assert drawn
    assert "labels that the model was fitted to" in drawn[0]


def test_colours_follow_the_page(page: str) -> None:
    assert "prefers-color-scheme: dark" in page
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.S))
    assert "var(--c1)" in drawings
    fixed = set(re.findall(r"#[0-9a-f]{6}\b", drawings))
    assert fixed == set()


def test_equal_summaries_give_equal_pages(page: str, made_up: list[RunFact]) -> None:
    extra = {"Configuration": {"oracle": HOSTILE, "n": 3}}
    assert report_html(summarise(made_up, "r1"), {"forces": "eV/Å"}, extra) == page


def hostile() -> list[RunFact]:
    """Every string that users or their code can choose is an attack."""
    told = {"oracle": HOSTILE, "worker": HOSTILE, "level": HOSTILE, "purpose": HOSTILE}
    evaluated = {"version": 1, "n": 9, "metrics": {f"{HOSTILE}.mae": 1.0}}
    rows = facts(
        (0.0, "run.started", {"engine": HOSTILE, "host": HOSTILE, "pools": {HOSTILE: 1}}),
        (0.0, "worker.joined", {"worker": HOSTILE, "pool": HOSTILE}),
        asked(0, "a", purpose=HOSTILE, why=HOSTILE),
        answer("a", 0, 1, **told),
        asked(1, "b", purpose=HOSTILE, why="other"),
        answer("b", 1, 2, **told),
        failed("c", 2, 3, final=True, **told, reason=HOSTILE, message=HOSTILE, traceback=HOSTILE),
        (3.0, "worker.lost", {"worker": HOSTILE, "pool": HOSTILE, "message": HOSTILE}),
        (3.0, "model.published", {"version": 1, "dataset": 2, "why": HOSTILE, "digest": HOSTILE}),
        (3.0, "model.evaluated", evaluated),
        (3.0, "questions.dropped", {"count": 2, "why": HOSTILE}),
        (3.0, "task.ended", {"kind": HOSTILE, "worker": HOSTILE, "spans": {"started": 2.0,
                                                                          "finished": 3.0}}),
        (3.0, "task.failed", {"kind": HOSTILE, "worker": HOSTILE, "reason": HOSTILE,
                              "message": HOSTILE, "traceback": HOSTILE}),
        (4.0, "user.command", {"kind": HOSTILE, "data": {HOSTILE: HOSTILE}}),
        (5.0, HOSTILE, {}),
        (6.0, "run.ended", {"status": HOSTILE, "reason": HOSTILE}),
    )  # fmt: skip
    arrays = {"score": np.linspace(1, 2, 9), "error": np.linspace(1, 3, 9)}
    at = next(i for i, fact in enumerate(rows) if fact.kind == "model.evaluated")
    rows[at] = RunFact(rows[at].seq, rows[at].kind, rows[at].data, arrays)
    return rows


def test_hostile_strings_are_shown_as_they_are() -> None:
    units = {HOSTILE: HOSTILE, "cost": HOSTILE}
    text = report_html(summarise(hostile(), HOSTILE), units, {HOSTILE: HOSTILE})
    reader = Reader(text)
    assert "script" not in reader.tags
    assert "<script" not in text
    assert HOSTILE in reader.text


@pytest.mark.parametrize(
    ("rows", "sentences"),
    [
        ([], ["No model has been evaluated yet", "Nothing has been asked yet", "No worker has"]),
        (facts((0.0, "run.started", {"epoch": 0})), ["The journal records no end"]),
        (facts(answer("a", 0, 1)), ["No evaluation yet", "No model has been published yet"]),
        (facts(failed("a", 0, 1, True, traceback="")), ["No traceback."]),
        (small()[:9], ["No prediction has been trusted yet"]),
        (small(), ["3 labels", "forces.mae", "stale"]),
    ],
)  # fmt: skip
def test_it_degrades_gracefully(rows: list[RunFact], sentences: list[str]) -> None:
    text = Reader(report_html(summarise(rows))).text
    for sentence in sentences:
        assert sentence in text


def test_every_beginning_of_a_run_can_be_drawn() -> None:
    rows = list(synthetic_run(np.random.default_rng(1), RunPlan(labels=30, retrain_every=10)))
    for length in (1, 5, 12, 20, 40, 60, len(rows)):
        Reader(report_html(summarise(rows[:length])))


def test_failures_unfold_and_repeated_ones_are_one_entry() -> None:
    rows = facts(*[failed(f"q{i}", i, i + 1, final=True) for i in range(30)])
    text = report_html(summarise(rows))
    assert text.count("<details>") == 2  # the failures, and the table of workers
    assert "(for good, 30 ×)" in text
    assert "NotConverged" in text
    assert "no &lt;b&gt;convergence&lt;/b&gt;" in text


def test_failed_tasks_of_other_kinds_are_shown() -> None:
    told = {"kind": "fit", "pool": "trainer", "worker": "t/0", "reason": "raised an exception",
            "message": "singular matrix", "traceback": "LinAlgError"}  # fmt: skip
    text = Reader(report_html(summarise(facts((1.0, "task.failed", told))))).text
    assert "singular matrix" in text
    assert "LinAlgError" in text


def test_a_run_of_many_workers_stays_small() -> None:
    rows = facts(
        *[answer(str(i), i // 500, i // 500 + 0.9, worker=f"o/{i % 500}") for i in range(5000)]
    )
    summary = summarise(rows)
    text = report_html(summary)
    assert len(text) < 2_000_000
    assert "40 of 500 workers are shown" in text


def test_configuration_may_be_text_or_data() -> None:
    text = report_html(summarise([]), extra={"Settings": "oracle: xtb\n", "Versions": {"a": [1]}})
    assert "<pre>oracle: xtb\n</pre>" in text
    assert "&quot;a&quot;: [\n" in text


def test_it_writes_one_file(tmp_path: Path) -> None:
    path = write_report(summarise(small()), tmp_path / "report.html")
    assert path.read_text().startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [path]


def test_matplotlib_is_loaded_only_to_draw() -> None:
    code = (
        "import sys, querist.accounting.report, querist.accounting.progress, "
        "querist.accounting.trace;"
        "sys.exit(sum(m in sys.modules for m in ('matplotlib', 'rich', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_global_style_of_matplotlib_is_left_alone(page: str) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    report_html(summarise(small()))
    assert dict(mpl.rcParams) == before
