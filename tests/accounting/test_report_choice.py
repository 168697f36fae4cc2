from __future__ import annotations

import copy
import re

from querist.accounting.report_choice import choice_html, choice_page, forecasts
from querist.strategies.choosing.auto import Auto

RECORD = {
    "budget": 100,
    "paid": 60,
    "target": 0.9,
    "chosen": "margin",
    "stopped": False,
    "branches": [
        {
            "strategy": "margin",
            "labels": [10, 20, 30, 60, 70],
            "metric": [0.5, 0.6, 0.66, 0.75, 0.78],
            "error": [0.02] * 5,
            "alive": True,
            "start": 3,
            "forecast": {
                "labels": [70, 110.0],
                "mean": [0.78, 0.85],
                "low": [0.77, 0.8],
                "high": [0.79, 0.9],
            },
        },
        {
            "strategy": "<b>own</b>",
            "labels": [10, 20, 30],
            "metric": [0.5, 0.52, 0.55],
            "error": [0.02] * 3,
            "alive": False,
            "start": 0,
            "forecast": None,
        },
    ],
    "decisions": [
        {"round": 2, "paid": 40, "kind": "dropped", "sentence": "own was dropped.", "numbers": {}},
        {"round": 2, "paid": 40, "kind": "chosen", "sentence": "margin was chosen.", "numbers": {}},
    ],
}


def test_everything_of_the_record_is_told() -> None:
    html = choice_html(RECORD)
    assert "margin is chosen. 60 of 100 labels bought. The target is 0.9." in html
    assert "0.850 (0.800 to 0.900) at 110" in html
    assert html.count("<tr>") == 2 + 2 + 2
    for decision in RECORD["decisions"]:
        assert decision["sentence"] in html
    assert "<b>own" not in html and "&lt;b&gt;own" in html  # noqa: PT018


def test_the_figure_names_branches_and_has_a_band() -> None:
    svg = forecasts(RECORD)
    assert svg.startswith("<svg")
    assert "margin" in svg
    assert "(dropped)" in svg
    assert "target" in svg
    assert "FillBetween" in svg or "PolyCollection" in svg


def test_branches_beyond_the_colours_can_be_told_apart() -> None:
    record = copy.deepcopy(RECORD)
    record["branches"] = [{**RECORD["branches"][0], "strategy": f"s{k}"} for k in range(8)]
    assert all(f"s{k}" in forecasts(record) for k in range(8))


def test_nothing_measured_is_said() -> None:
    record = copy.deepcopy(RECORD)
    for branch in record["branches"]:
        branch.update(labels=[], metric=[], error=[], forecast=None, start=0)
    assert forecasts(record) == ""
    assert "No strategy has been measured yet" in choice_html(record)


def test_a_choice_without_decisions_or_target() -> None:
    html = choice_html({**RECORD, "decisions": [], "target": None, "chosen": None})
    assert "No strategy yet is chosen. 60 of 100 labels bought." in html
    assert "Nothing has been decided yet" in html


def test_the_page_stands_alone() -> None:
    page = choice_page(RECORD)
    assert page.startswith("<!doctype html>")
    assert not re.search(r"<script|src=|https?://(?!www\.w3\.org)", page)


def test_what_auto_records_can_be_drawn_at_any_time() -> None:
    auto = Auto(["a", "b"], 40, 5)
    assert "No strategy has been measured yet" in choice_html(auto.record())
    while True:
        if auto.due and not auto.stopped:
            auto.begin(10 + auto.paid, 0.5)
        labels = {one["strategy"]: one["labels"][-1] for one in auto.record()["branches"]}
        shares = auto.propose()
        if not shares:
            break
        for share in shares:
            metric = 0.7 if share.strategy == "a" else 0.5
            auto.observe(
                share.strategy, labels[share.strategy] + share.count, metric, paid=share.count
            )
        assert choice_html(auto.record()).count("<figure") == 1
    assert "a is chosen. 40 of 40 labels bought." in choice_html(auto.record())
