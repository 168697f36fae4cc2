from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np

from querist.testing.runs import RunPlan, synthetic_run


def run(seed: int = 0, **plan: object) -> list:
    return list(synthetic_run(np.random.default_rng(seed), RunPlan(**plan)))


def test_equal_seeds_give_equal_facts_and_others_do_not() -> None:
    first, again, other = run(1, labels=50), run(1, labels=50), run(2, labels=50)
    assert [fact.data for fact in first] == [fact.data for fact in again]
    assert [fact.data for fact in first] != [fact.data for fact in other]


def test_numbers_and_times_grow() -> None:
    rows = run(labels=200, resume_after=80)
    assert [fact.seq for fact in rows] == list(range(1, len(rows) + 1))
    times = [fact.data["t"] for fact in rows]
    assert times == sorted(times)
    assert all(a.at <= b.at for a, b in pairwise(rows))


def test_the_plan_is_kept() -> None:
    rows = run(labels=200, resume_after=80, imported=40, retrain_every=50, explorers=3, oracles=5)
    kinds = Counter(fact.kind for fact in rows)
    assert (kinds["answer.label"], kinds["run.started"], kinds["run.ended"]) == (200, 2, 1)
    assert kinds["model.published"] in (3, 4)
    assert kinds["worker.joined"] == 2 * (3 + 5 + 1) + kinds["worker.lost"]
    assert next(f for f in rows if f.kind == "labels.imported").data["count"] == 40


def test_every_answer_has_a_question_and_no_question_two_labels() -> None:
    rows = run(labels=300, failure_rate=0.2, loss_rate=0.05, resume_after=100)
    asked = [fact.data["question"] for fact in rows if fact.kind == "question.asked"]
    labelled = [fact.data["question"] for fact in rows if fact.kind == "answer.label"]
    quarantined = [
        fact.data["question"]
        for fact in rows
        if fact.kind == "answer.failure" and fact.data["final"]
    ]
    assert len(asked) == len(set(asked))
    assert len(labelled) == len(set(labelled))
    assert set(labelled) | set(quarantined) <= set(asked)
    assert quarantined
    assert not set(labelled) & set(quarantined)


def test_models_get_better() -> None:
    rows = [fact for fact in run(labels=1000) if fact.kind == "model.evaluated"]
    first, last = rows[0].data["metrics"], rows[-1].data["metrics"]
    assert last["forces.mae"] < first["forces.mae"]
    assert len(rows[-1].arrays["score"]) == rows[-1].data["n"]
