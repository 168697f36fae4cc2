"""What a report says of strategies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from querist.accounting.report import report_html
from querist.accounting.selections import SelectionFold, selection_html
from querist.accounting.summary import summarise


@dataclass
class Said:
    kind: str
    data: dict[str, Any]
    seq: int = 1
    arrays: dict[str, Any] = field(default_factory=dict)


def made(strategy: str = "badge", choice: Any = None) -> Said:
    spans = {"started": 1.0, "finished": 1.5}
    data = {"strategy": strategy, "candidates": 800, "spans": spans, "choice": choice}
    return Said("selection.made", data)


def asked(why: str, number: int, **more: Any) -> Said:
    return Said("question.asked", {"why": why, "question": f"q{number}", **more})


def folded(*facts: Said) -> dict[str, Any]:
    fold = SelectionFold()
    for fact in facts:
        (fold.selected if fact.kind == "selection.made" else fold.asked)(fact)
    return fold.build()


def test_questions_are_counted_by_who_chose_them() -> None:
    found = folded(
        asked("uncertain", 0),  # before there was any selection
        made(),
        made(),
        asked("badge", 1, selection=1),
        asked("badge", 2, selection=1),
        asked("holdout", 3),
        asked("uncertain", 4),
    )
    assert found["by_strategy"] == {"badge": 2}
    assert (found["made"], found["candidates"], found["seconds"]) == (2, 800, 1.0)
    assert found["not_in_time"] == 1
    page = selection_html(found)
    assert "badge: 2 selections of 800 candidates on average, 0.500 s each" in page
    assert "2 questions asked as it chose, 1 by uncertainty" in page


def test_a_bandit_shows_whom_it_follows() -> None:
    history = [{"draws": 5, "reward": 0.75, "probabilities": {"margin": 0.7, "random": 0.3}}]
    record = {"kind": "albl", "history": history, "strategies": ["margin", "random"]}
    page = selection_html(folded(made("albl", {"record": record}), asked("margin", 1, selection=1)))
    assert "70 %" in page
    assert "How likely each is followed" in page


def test_a_run_with_a_strategy_has_a_section_of_it_and_others_have_none() -> None:
    facts = [made(), asked("badge", 1, selection=1)]
    assert 'id="strategy"' in report_html(summarise(facts))
    assert 'id="strategy"' not in report_html(summarise(facts[1:]))
