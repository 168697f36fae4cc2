"""What is shown in notebooks: whole, escaped, and live where a kernel runs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

from querist import Campaign, Surrogate
from querist.accounting import notebook
from querist.accounting.progress import ProgressState
from querist.pool.query_result import Pick, QueryResult

HOSTILE = "<script>alert(1)</script>\"'&"


def test_everything_is_escaped() -> None:
    state = ProgressState(label_limit=10, metric=HOSTILE)
    state.fact("run.ended", {"status": HOSTILE, "reason": HOSTILE})
    rows, more = notebook.cut([(HOSTILE, 1)] * 30, 20)
    shown = [
        notebook.LiveCard(state)._repr_html_(),
        notebook.framed(f"<p>{HOSTILE}</p>"),
        notebook.card(HOSTILE, notebook.grid(("a", HOSTILE), rows), more),
        notebook.facts([(HOSTILE, HOSTILE)]),
    ]
    for page in shown:
        assert "<script" not in page
        assert "&lt;script&gt;" in page
    assert "and 10 more" in shown[2]
    assert 'sandbox=""' in shown[1]


def test_a_run_is_shown_as_it_goes(monkeypatch) -> None:
    assert notebook.display() is None
    shell = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace())
    assert notebook.display() is sys.modules["IPython.display"]
    state = ProgressState(label_limit=10)
    card = notebook.LiveCard(state)
    assert "starting" in card._repr_html_()
    for t in (1.0, 2.0):
        state.fact("answer.label", {"t": t, "cost": 1.0})
    assert "2 of 10" in card._repr_html_()
    assert "width:20.0%" in card._repr_html_()
    assert "2/10" in repr(card)


def test_a_campaign_tells_what_it_is_made_of() -> None:
    campaign = Campaign(
        name=HOSTILE,
        generator={"use": "uniform", "options": {"low": [0], "high": [1]}},
        model="random_features",
        oracle=lambda x: float(x[0]),
        output="y",
        budget={"labels": 20},
    )
    assert repr(campaign) == f"<Campaign {HOSTILE!r}: uniform, random_features, FunctionOracle>"
    shown = campaign._repr_html_()
    assert "<script" not in shown
    for word in ("uniform", "random_features", "FunctionOracle", "budget: labels", "processes"):
        assert word in shown


def test_picks_are_shown_with_their_reasons(tmp_path: Path) -> None:
    picks = [Pick(n, f"{HOSTILE} {n}", HOSTILE, 0.5, HOSTILE, n) for n in range(25)]
    counts = {"candidates": 100, "failed": 2}
    result = QueryResult("q", tmp_path, picks, [], counts, {}, "", "margin", (HOSTILE,))
    shown = result._repr_html_()
    assert "<script" not in shown
    assert "25 of 100 items picked by margin, 2 failed" in shown
    assert "and 5 more" in shown
    assert shown.count("<tr>") == 21


def test_a_pick_is_shown_without_the_content_of_its_uri() -> None:
    picks = [Pick(0, "a", "data:image/png;base64," + "A" * 1000, 0.5, "typiclust 0.5", 1)]
    result = QueryResult("q", Path("q"), picks, [], {"candidates": 1}, {}, "", "typiclust")
    for shown in (str(result), result._repr_html_()):
        assert "data:image/png;base64" in shown
        assert "A" * 100 not in shown


def test_a_surrogate_tells_who_answered(tmp_path: Path) -> None:
    with Surrogate(abs, tolerance=0.1, folder=tmp_path / HOSTILE.replace("/", "")) as surrogate:
        surrogate(-2.0)
        assert repr(surrogate).endswith(": 0 of 1 calls by the model>")
        shown = surrogate._repr_html_()
    assert "<script" not in shown
    assert "no model yet" in shown
