from __future__ import annotations

import json

import pytest
from hand_journal import facts, small
from hypothesis import given
from hypothesis import strategies as st

from querist.accounting.summary import Summary, SummaryBuilder, summarise
from querist.core.errors import RunError
from querist.testing.runs import RunFact

KINDS = [
    "run.started", "run.ended", "worker.joined", "worker.lost", "question.asked", "answer.label",
    "answer.failure", "answer.abstention", "labels.imported", "model.published",
    "model.evaluated", "explored", "task.ended", "questions.dropped", "gate.limits",
    "user.command", "unheard.of",
]  # fmt: skip
KEYS = ["t", "worker", "question", "spans", "cost", "count", "version", "metrics", "workers",
        "dataset", "final", "wall", "pools", "score", "trusted", "p50", "kind", "data"]  # fmt: skip
values = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**6), st.floats(), st.text(max_size=5),
    st.lists(st.none(), max_size=2),
    st.dictionaries(st.sampled_from(["started", "finished"]), st.floats(), max_size=2),
)  # fmt: skip


def test_continuing_and_looking_in_between_changes_nothing(made_up: list[RunFact]) -> None:
    builder = SummaryBuilder("r")
    for index, fact in enumerate(made_up):
        builder.add(fact)
        if index % 97 == 0:
            builder.build()
    assert builder.build().to_json() == summarise(made_up, "r").to_json()


def test_sums_of_a_realistic_run_agree_with_its_facts(made_up: list[RunFact]) -> None:
    found = summarise(made_up)
    labels = [fact.data for fact in made_up if fact.kind == "answer.label"]
    failures = [fact.data for fact in made_up if fact.kind == "answer.failure"]
    assert found["labels"]["charged"] == len(labels) == 300
    assert found["costs"]["spent"] == pytest.approx(sum(d["cost"] for d in labels + failures))
    assert found["failures"]["total"] == len(failures) > 0
    asked, ended = found["questions"]["asked"], found["questions"]["answered"]
    left = found["questions"]["quarantined"] + found["questions"]["outstanding"]
    assert asked == ended + left
    assert found["questions"]["outstanding"] <= 4
    assert found["run"]["resumes"] == 1
    assert found["run"]["wall_seconds"] > found["run"]["campaign_seconds"] + 500
    shares = [row["share"] for row in found["workers"]["table"]]
    assert all(0 <= share <= 1 for share in shares)
    assert found["workers"]["pools"]["oracle.xtb"]["share"] > 0.9


def test_unknown_kinds_are_counted_and_passed_over() -> None:
    found = summarise(small())
    assert found["journal"] == {"facts": 24, "last_seq": 24, "unknown": {"from.the.future": 1}}


def test_an_empty_journal_has_every_section() -> None:
    assert set(summarise([]).data) == set(summarise(small()).data)
    json.loads(summarise([]).to_json())


@given(
    st.lists(
        st.tuples(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(KEYS), values)),
        max_size=12,
    )
)
def test_facts_of_another_version_never_break_the_summary(rows: list) -> None:
    made = [RunFact(i, kind, data) for i, (kind, data) in enumerate(rows, 1)]
    found = summarise(made)
    assert json.loads(found.to_json())["journal"]["facts"] == len(rows)


def test_it_round_trips_through_a_file(tmp_path) -> None:
    summary = summarise(small())
    path = summary.save(tmp_path / "summary.json")
    assert Summary.load(path).data == summary.data
    assert [child.name for child in tmp_path.iterdir()] == ["summary.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "JSON"), ("[1]", "version None"), ('{"version": 2}', "version 2")],
)
def test_what_is_no_summary_of_this_version_is_refused(text: str, message: str) -> None:
    with pytest.raises(RunError, match=message):
        Summary.from_json(text)


def test_numbers_that_are_not_finite_become_null() -> None:
    rows = facts((1.0, "gate.limits", {"ask": float("nan"), "reject": float("inf")}))
    assert summarise(rows)["gate"]["limits"]["reject"] == [None]
