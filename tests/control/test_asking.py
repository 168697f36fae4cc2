"""What is asked, of whom, for what purpose, again when, and never beyond a budget."""

from __future__ import annotations

import math

import numpy as np
import pytest
from control_plans import facts, given_weights, plan
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.control.plan import OraclePlan, RetryRule
from querist.core.answers import Failure, Label, Reason
from querist.core.events import (
    Cancel,
    Durable,
    Record,
    Submit,
    TaskFailed,
    TaskFinished,
    TaskProgress,
    TaskStarted,
    Tick,
)
from querist.core.tasks import Spans
from querist.testing.control import ControlHarness, World


def of(kind, commands) -> list:
    return [command for command in commands if isinstance(command, kind)]


def until_asked(harness: ControlHarness, tasks: int = 1):
    """Returns the controller and the first label task, with its questions."""
    while len(harness.controller.asking.tasks) < tasks:
        harness.step()
    task, (_, questions) = next(iter(harness.controller.asking.tasks.items()))
    return harness.controller, task, list(questions)


# ---------------------------------------------------------------------------------------- purposes


SLOW = World(label_seconds=1.0, walkers=12)


@settings(max_examples=settings().max_examples // 4)
@given(st.sampled_from([0.1, 0.25]), st.integers(0, 2**32 - 1))
def test_a_share_is_kept_within_one_question_while_there_are_probes(share, seed) -> None:
    harness = ControlHarness(plan(labels=30, holdout=share), seed, SLOW)
    harness.run()
    have = 0
    for total, fact in enumerate(facts("question.asked", harness.journal), start=1):
        have += fact.data["purpose"] == "holdout"
        assert -1 - share - 1e-9 <= have - share * total <= 1e-9


def test_two_shares_take_turns() -> None:
    harness = ControlHarness(plan(labels=40, holdout=0.25, calibration=0.2), 0, SLOW)
    harness.run()
    purposes = [fact.data["purpose"] for fact in facts("question.asked", harness.journal)]
    for purpose, share in (("holdout", 0.25), ("calibration", 0.2)):
        for total in range(1, len(purposes) + 1):
            assert -2 < purposes[:total].count(purpose) - share * total <= 1e-9


def test_random_labels_come_from_probes_and_name_nobody() -> None:
    harness = ControlHarness(plan(holdout=0.5, labels=20), 0, None, [given_weights()])
    harness.run()
    held = [
        f.data for f in facts("question.asked", harness.journal) if f.data["purpose"] == "holdout"
    ]
    assert held
    assert {(data["why"], data["slot"], data["walker"]) for data in held} == {("holdout", -1, -1)}


def test_the_initial_questions_are_drawn_for_all_purposes() -> None:
    harness = ControlHarness(plan(initial=10, holdout=0.5, labels=10), 0)
    harness.run()
    asked = facts("question.asked", harness.journal)
    assert {fact.data["why"] for fact in asked} == {"initial"}
    assert [f.data["purpose"] for f in asked].count("holdout") == 5


# ------------------------------------------------------------------------------------------ routes


def test_each_band_of_uncertainty_has_its_oracle() -> None:
    oracles = (OraclePlan("f"), OraclePlan("g", cost=5.0))
    campaign = plan(oracles=oracles, routes=(("f", 0.0), ("g", 0.25)), labels=40, holdout=0.0)
    harness = ControlHarness(campaign, 0)
    harness.run()
    late = [f.data for f in facts("question.asked", harness.journal) if f.data["version"]]
    assert {data["oracle"] for data in late} == {"f", "g"}
    assert all((data["oracle"] == "g") == (data["score"] >= 0.25) for data in late)
    costs = {f.data["oracle"]: f.data["estimate"] for f in facts("answer.label", harness.journal)}
    assert costs["g"] == 5.0


def test_a_second_oracle_s_retries_do_not_wait_for_the_first() -> None:
    oracles = (OraclePlan("f"), OraclePlan("g"))
    campaign = plan(oracles=oracles, routes=(("f", 0.0), ("g", 0.1)), labels=40)
    harness = ControlHarness(campaign, 0, World(refusals=0.3, oracle_workers=1))
    assert harness.run().status == "finished"
    failed = {f.data["oracle"] for f in facts("answer.failure", harness.journal)}
    assert failed == {"f", "g"}


def test_the_most_uncertain_is_asked_first_and_the_queue_is_bounded() -> None:
    campaign = plan(max_queue=3, labels=40, holdout=0.0)
    harness = ControlHarness(campaign, 0, World(oracle_workers=1, walkers=5))
    while harness.ended is None:
        harness.step()
        assert harness.controller.asking.queued <= 3
    dropped = facts("questions.dropped", harness.journal)
    assert "the queue was full" in {fact.data["why"] for fact in dropped}
    priorities = [p for p, _ in harness.controller.asking.queues["f"]]
    assert priorities == sorted(priorities, reverse=True)


def test_new_weights_drop_what_became_certain() -> None:
    harness = ControlHarness(
        plan(labels=60), 1, World(oracle_workers=1, label_seconds=2.0, walkers=6)
    )
    harness.run()
    why = {fact.data["why"] for fact in facts("questions.dropped", harness.journal)}
    assert any(reason.startswith("certain enough after") for reason in why)


# ----------------------------------------------------------------------------------------- retries


def test_a_failed_question_waits_longer_each_time_and_is_quarantined() -> None:
    retry = RetryRule(attempts=3, backoff=1.0, give_up=1000)
    harness = ControlHarness(plan(retry=retry, initial=1, labels=1), 0, World(sync_seconds=0.0))
    controller, task, questions = until_asked(harness)
    key, now = questions[0].question.id, harness.now
    waits = []
    for attempt in (1, 2, 3):
        spans = Spans(now, now, now + 2.0, now + 2.0)
        failure = Failure(Reason.RAISED, "no convergence", "Traceback ...")
        record = of(Record, controller.handle(TaskFailed(task, "w", failure, spans), now))[0]
        assert record.fact.data["attempt"] == attempt
        assert record.fact.data["cost"] == pytest.approx(2.0)
        assert record.fact.data["final"] == (attempt == 3)
        commands = controller.handle(Durable(record.seq), now)
        if attempt == 3:
            break
        assert not [s for s in of(Submit, commands) if s.task.kind == "label"]
        waits.append(questions[0].not_before - now)
        now = questions[0].not_before
        assert controller.next_deadline() <= now
        task = next(s.task for s in of(Submit, controller.handle(Tick(), now))).id
        assert controller.asking.tasks[task][1][0].question.id == key
    assert waits == pytest.approx([1.0, 2.0])
    assert key in controller.state.closed
    assert (controller.state.quarantined, controller.state.ledger.labels) == (1, 0)
    assert controller.state.last_failure == "raised an exception: no convergence"


def test_the_seconds_of_a_task_that_fails_are_charged_once() -> None:
    campaign = plan(oracles=(OraclePlan("f", batch=3),), labels=1000)
    harness = ControlHarness(campaign, 0, World(label_seconds=5.0))
    controller, task, questions = until_asked(harness)
    assert len(questions) == 3
    assert [harness.live[task].task.attempt, harness.live[task].task.items] == [1, 3]
    failed = TaskFailed(task, "w", Failure(Reason.RAISED, "no"), Spans(0.0, 1.0, 1.6, 1.6))
    controller.handle(failed, harness.now)
    controller.handle(Durable(controller.desk.seq), harness.now)
    assert controller.state.ledger.cost == pytest.approx(0.6)


def test_a_failure_that_is_not_transient_is_final_at_once() -> None:
    harness = ControlHarness(plan(), 0)
    controller, task, _ = until_asked(harness)
    result = {"outcomes": [Failure(Reason.UNSUPPORTED, "a cell", transient=False)], "seconds": [0]}
    record = of(Record, controller.handle(TaskFinished(task, "w", result), harness.now))[0]
    assert record.fact.data["final"]


def test_a_retry_is_not_begun_when_failures_used_up_the_cost() -> None:
    campaign = plan(
        oracles=(OraclePlan("f", cost=1.0),),
        retry=RetryRule(attempts=5, backoff=0.1),
        cost=2.0,
        labels=math.inf,
        initial=2,
    )
    harness = ControlHarness(campaign, 0, World(failures=0.0, refusals=0.0, label_seconds=1.0))
    controller, task, _ = until_asked(harness, tasks=2)
    spans = Spans(0.0, 0.0, 1.5, 1.5)
    failure = Failure(Reason.RAISED, "oops")
    harness.live.pop(task)
    harness.handle(TaskFailed(task, "w", failure, spans))
    ended = harness.run()
    assert ended.status == "finished"
    # 1.5 for the failure and about 1 for the other question: no third try.
    assert len(facts("answer.label", harness.journal)) == 1
    assert len(controller.state.open) == 1


# ------------------------------------------------------------------------------------- time limits


def test_a_time_limit_counts_from_the_start_and_for_every_question_of_a_task() -> None:
    campaign = plan(oracles=(OraclePlan("f", timeout=2.0, batch=3),), initial=6)
    harness = ControlHarness(campaign, 0, World(label_seconds=1e6))
    controller, task, questions = until_asked(harness)
    live = harness.live[task].task
    assert len(questions) == live.items == 3
    assert live.timeout == 6.0
    controller.handle(TaskStarted(task, "w"), 10.0)
    controller.handle(TaskStarted(task, "w"), 10.5)  # which says nothing new
    assert not of(Cancel, controller.handle(Tick(), 15.9))
    cancelled = of(Cancel, controller.handle(Tick(), 16.0))
    assert [(c.task, c.hard) for c in cancelled] == [(task, True)]
    assert cancelled[0].why == "exceeded its time limit of 6 s"
    assert not of(Cancel, controller.handle(Tick(), 17.0))
    killed = TaskFailed(task, "w", Failure(Reason.CANCELLED, "killed", "the log's tail"))
    records = of(Record, controller.handle(killed, 17.0))
    reasons = {(r.fact.data["reason"], r.fact.data["traceback"]) for r in records}
    assert reasons == {("exceeded its time limit", "the log's tail")}
    assert len(records) == 3


def test_what_exceeded_its_time_limit_is_not_tried_again_where_that_is_said() -> None:
    for again in (True, False):
        campaign = plan(oracles=(OraclePlan("f", timeout=2.0),), retry=RetryRule(timeouts=again))
        harness = ControlHarness(campaign, 0, World(label_seconds=1e6))
        controller, task, _ = until_asked(harness)
        controller.handle(TaskStarted(task, "w"), 10.0)
        controller.handle(Tick(), 12.0)
        killed = TaskFailed(task, "w", Failure(Reason.CANCELLED, "killed"))
        records = of(Record, controller.handle(killed, 12.0))
        [failed] = [r.fact for r in records if r.fact.kind == "answer.failure"]
        assert failed.data["final"] is not again


def test_an_oracle_that_ends_by_itself_when_its_time_is_over_was_too_slow() -> None:
    campaign = plan(
        oracles=(OraclePlan("f", timeout=2.0, batch=2),), retry=RetryRule(timeouts=False)
    )
    harness = ControlHarness(campaign, 0, World(label_seconds=1e6))
    controller, task, _ = until_asked(harness)
    controller.handle(TaskStarted(task, "w"), 10.0)
    controller.handle(Tick(), 14.0)
    told = [Failure(Reason.NOT_FINITE, "nan"), Failure(Reason.CANCELLED, "told to end", "its log")]
    result = {"outcomes": told, "seconds": [2.0, 2.0]}
    records = of(Record, controller.handle(TaskFinished(task, "w", result), 14.1))
    first, late = [r.fact.data for r in records if r.fact.kind == "answer.failure"]
    assert (first["reason"], first["final"]) == (Reason.NOT_FINITE.value, False)
    assert (late["reason"], late["final"]) == (Reason.TIMEOUT.value, True)
    assert (late["message"], late["traceback"]) == (
        "the oracle exceeded its time limit of 4 s",
        "its log",
    )


def test_an_answer_that_comes_after_its_time_limit_still_counts() -> None:
    campaign = plan(oracles=(OraclePlan("f", timeout=2.0),))
    harness = ControlHarness(campaign, 0, World(label_seconds=1e6))
    controller, task, _ = until_asked(harness)
    controller.handle(TaskStarted(task, "w"), 10.0)
    controller.handle(Tick(), 12.0)
    result = {"outcomes": [Label({"y": np.ones(1)})], "seconds": [2.0]}
    records = of(Record, controller.handle(TaskFinished(task, "w", result), 12.0))
    assert records[0].fact.kind == "answer.label"


# --------------------------------------------------------------------------------------- streaming


def test_streamed_outcomes_count_once() -> None:
    campaign = plan(oracles=(OraclePlan("f", batch=2),), initial=4)
    harness = ControlHarness(campaign, 0, World(label_seconds=1e6))
    controller, task, questions = until_asked(harness)
    one = {"index": 0, "outcome": Label({"y": np.ones(1)}), "seconds": 1.0}
    first = of(Record, controller.handle(TaskProgress(task, one), 5.0))
    assert [r.fact.data["question"] for r in first] == [questions[0].question.id]
    assert not of(Record, controller.handle(TaskProgress(task, one), 5.1))
    result = {"outcomes": [one["outcome"]] * 2, "seconds": [1.0, 1.0]}
    rest = of(Record, controller.handle(TaskFinished(task, "w", result), 6.0))
    labels = [r.fact.data["question"] for r in rest if r.fact.kind == "answer.label"]
    assert labels == [questions[1].question.id]


def test_the_end_of_a_task_whose_answers_are_durable_already_may_end_the_campaign() -> None:
    campaign = plan(
        oracles=(OraclePlan("f", cost=0.5),), cost=0.6, labels=math.inf, initial=1, holdout=0.0
    )
    harness = ControlHarness(campaign, 0, World(label_seconds=1e6, fit_seconds=1e6))
    controller, task, _ = until_asked(harness)
    label = Label({"y": np.ones(1)}, cost=0.5)
    part = TaskProgress(task, {"index": 0, "outcome": label, "seconds": 0.5})
    record = of(Record, controller.handle(part, 5.0))[0]
    (fit,) = of(Submit, controller.handle(Durable(record.seq), 5.1))
    result = {"file": "w", "digest": "", "metrics": {}}
    records = of(Record, controller.handle(TaskFinished(fit.task.id, "t", result), 5.2))
    controller.handle(Durable(records[-1].seq), 5.3)
    assert controller.phase == "running"
    controller.handle(TaskFinished(task, "w", {"outcomes": [label], "seconds": [0.5]}), 6.0)
    assert controller.phase != "running"


def test_what_was_streamed_before_a_failure_is_kept() -> None:
    campaign = plan(oracles=(OraclePlan("f", batch=2),), initial=4)
    harness = ControlHarness(campaign, 0, World(label_seconds=1e6))
    controller, task, questions = until_asked(harness)
    one = {"index": 1, "outcome": Label({"y": np.ones(1)}), "seconds": 1.0}
    controller.handle(TaskProgress(task, one), 5.0)
    lost = TaskFailed(task, "w", Failure(Reason.WORKER_LOST, "killed"))
    records = of(Record, controller.handle(lost, 6.0))
    failed = [r.fact.data["question"] for r in records if r.fact.kind == "answer.failure"]
    assert failed == [questions[0].question.id]


@pytest.mark.parametrize(("seconds", "ahead"), [(0.1, 4), (20.0, 2)])
def test_a_task_waits_in_a_worker_only_where_answers_are_quick(seconds, ahead) -> None:
    harness = ControlHarness(plan(labels=60), 0, World(label_seconds=seconds, walkers=8))
    most = 0
    while harness.ended is None and harness.events < 3000:
        harness.step()
        most = max(most, len(harness.controller.asking.tasks))
    assert most == ahead


def bridged(seconds: float, **changes) -> int:
    """Questions asked before the first model beyond the initial ones, while its fit takes long."""
    world = World(label_seconds=seconds, fit_seconds=5.0, oracle_workers=2, failures=0, refusals=0)
    harness = ControlHarness(plan(initial=10, labels=100, **changes), 0, world)
    harness.run()
    first = facts("model.published", harness.journal)[0].data["t"]
    asked = [f for f in facts("question.asked", harness.journal) if f.data["t"] < first]
    return len(asked) - 10


def test_slow_oracles_go_on_at_random_while_the_first_model_is_made() -> None:
    assert bridged(0.5) >= 10
    assert bridged(0.5, max_fresh=4) <= 4
    assert bridged(0.5, trainers=1, holdout=0.0) <= 40


def test_quick_oracles_wait_for_the_first_model() -> None:
    assert bridged(0.01) == 0


def test_after_failures_in_a_row_a_question_is_drawn_at_random() -> None:
    harness = ControlHarness(plan(labels=40, holdout=0.0), 0, World(refusals=0.8))
    assert harness.run().status == "finished"
    whys = [f.data["why"] for f in facts("question.asked", harness.journal)]
    assert "random after failures" in whys
    for refusals, most in ((0.0, 0), (0.15, 10)):  # those that failed are not in a row
        calm = ControlHarness(plan(labels=80, holdout=0.0), 0, World(refusals=refusals))
        calm.run()
        whys = [f.data["why"] for f in facts("question.asked", calm.journal)]
        assert whys.count("random after failures") <= most
