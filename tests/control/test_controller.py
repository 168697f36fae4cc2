"""Whole campaigns in virtual time: how each of them ends, and who may interfere."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from control_plans import F, facts, given_weights, imported, plan

from querist.control.controller import CampaignController
from querist.control.gate import LimitRule
from querist.control.plan import OraclePlan, RetryRule
from querist.control.retrain import EveryLabels
from querist.control.rules import Never
from querist.control.stop import (
    Cost,
    ErrorBelow,
    ErrorConverged,
    Labels,
    UncertaintyBelow,
    WallTime,
)
from querist.core.answers import Failure, Reason
from querist.core.events import (
    Acknowledge,
    Cancel,
    Durable,
    Finish,
    Interrupted,
    Posted,
    Record,
    RoleChanged,
    Say,
    StoreBroken,
    Submit,
    TaskFailed,
    TaskFinished,
    WorkerJoined,
    WorkerLost,
)
from querist.testing.control import ControlHarness, World, resumed

PERSON = OraclePlan("person", outside=3)


def run(campaign, world=None, earlier=(), seed=0) -> ControlHarness:
    harness = ControlHarness(campaign, seed, world, earlier)
    harness.run()
    return harness


def until(harness: ControlHarness, condition, limit: int = 5000) -> None:
    while not condition():
        harness.step()
        limit -= 1
        assert limit, "it never came to that"


def of(kind, commands) -> list:
    return [command for command in commands if isinstance(command, kind)]


# ------------------------------------------------------------------------------------------ stops


@pytest.mark.parametrize(
    ("stop", "says"),
    [
        (Labels(12), "labels (of 12)"),
        (Cost(1.45), "the cost reached 1."),
        (WallTime(2.0), "the wall time reached 2 s (of 2 s)"),
        (ErrorBelow("y.mae", 0.6), "y.mae on the hold-out is 0.3333, below 0.6"),
        (ErrorConverged("y.mae", 0.5, 2), "y.mae improved by no more than 50.0% over 2 models"),
        (UncertaintyBelow(0.6, at_least=40), "95% of the explored samples"),
        (Labels(12) & WallTime(2.0), "labels (of 12) and the wall time"),
        (Labels(500) | Cost(1.5), "the cost reached"),
    ],
)
def test_a_stop_rule_ends_it(stop, says) -> None:
    harness = run(plan(stop=stop, labels=math.inf, retrain=EveryLabels(4), holdout=0.3))
    assert says in harness.ended.reason
    assert harness.ended.status == "finished"


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ({"labels": 9}, "9 labels (of 9)"),
        ({"labels": math.inf, "cost": 0.5}, "the cost reached 0.5 (of 0.5)"),
        ({"labels": math.inf, "cost": 0.55, "oracles": (OraclePlan("f", cost=0.1),)}, "no room"),
        ({"labels": math.inf, "seconds": 3.0}, "the wall time reached 3 s (of 3 s)"),
    ],
)
def test_a_budget_ends_it(budget, says) -> None:
    harness = run(plan(**budget))
    assert says in harness.ended.reason
    assert harness.ended.status == "finished"


def test_time_ends_it_though_everything_waits_for_a_person() -> None:
    harness = run(plan(oracles=(PERSON,), stop=WallTime(50.0)))
    assert harness.now == pytest.approx(50.0)
    assert harness.controller.state.ledger.labels == 0


def test_nothing_is_left_when_all_generators_are_exhausted() -> None:
    harness = run(plan(labels=1000), World(slices=8))
    assert harness.ended == Finish(
        "finished", "nothing is left to ask: all generators are exhausted"
    )


def test_generators_that_end_before_the_initial_questions_still_give_a_model() -> None:
    harness = run(plan(initial=500, labels=1000), World(slices=2, universe=5))
    assert harness.ended.status == "finished"
    assert harness.controller.state.model.version == 1


def test_labels_alone_when_nothing_is_trained() -> None:
    harness = run(plan(trainers=0, labels=1000))
    assert harness.ended.reason == "all initial questions are answered; nothing is trained"
    assert harness.controller.state.ledger.labels == 6


# --------------------------------------------------------------------------------------- hopeless


def test_all_questions_fail() -> None:
    harness = run(plan(retry=RetryRule(attempts=1, give_up=4)), World(refusals=1.0))
    assert harness.ended.status == "failed"
    assert harness.ended.reason.startswith("all of the first ")
    assert harness.ended.reason.endswith("the last one: returned a value that is not finite: a NaN")


def test_a_budget_that_is_too_small_for_all_that_waits_ends_the_run() -> None:
    # What is found goes to the dear oracle; the rest of the budget has room for the cheap one only.
    oracles = (OraclePlan("f", cost=1.0), OraclePlan("g", cost=10.0))
    campaign = plan(oracles=oracles, routes=(("f", 0.0), ("g", 0.0)), cost=60.0, labels=1000)
    harness = run(campaign, World(cost=1.0))
    assert harness.ended == Finish("finished", "the budget has no room for another question")
    assert harness.controller.state.ledger.labels


def test_an_oracle_that_breaks_after_a_while_does_not_use_up_what_there_is_to_ask() -> None:
    campaign = plan(retry=RetryRule(attempts=1, give_up=2), labels=100)
    begun = ControlHarness(campaign, 0, World())
    begun.at(4.0, Interrupted("the licence server was shut down", 0.0))
    begun.run()
    broken = ControlHarness(campaign, 1, World(refusals=1.0), begun.journal).run()
    assert broken.status == "failed", broken.reason
    assert re.match(r"the last 1\d questions all failed, the last one: ", broken.reason)
    repaired = ControlHarness(campaign, 2, World(), begun.journal)
    assert repaired.run().reason == "100 labels (of 100)"


def test_a_repaired_oracle_gets_another_chance_on_resume() -> None:
    campaign = plan(retry=RetryRule(attempts=1, give_up=4), labels=10)
    broken = run(campaign, World(refusals=1.0))
    repaired = ControlHarness(campaign, 1, World(), broken.journal)
    assert repaired.run().reason == "10 labels (of 10)"


def test_training_fails() -> None:
    harness = run(plan(), World(fit_failures=1.0))
    assert harness.ended == Finish("failed", "training failed 3 times: it raised")
    assert len(facts("task.failed", harness.journal)) == 3
    said = [c.message for _, _, commands in harness.steps for c in of(Say, commands)]
    assert said.count("training failed and is tried again: it raised") == 2


def test_the_last_fit_fails() -> None:
    harness = run(plan(labels=4), World(fit_failures=1.0))
    assert harness.ended == Finish("failed", "training failed 3 times: it raised")


def test_all_explorers_fail() -> None:
    harness = run(plan(), World(failures=1.0, label_seconds=0.1))
    assert harness.ended == Finish("failed", "all explorers failed, the last one: it raised")


@pytest.mark.parametrize("pool", ["oracle.f", "trainer"])
def test_a_pool_that_is_lost_for_good(pool) -> None:
    harness = ControlHarness(plan(), 0)
    harness.lose_pool(0.5, pool, "the node failed")
    assert harness.run() == Finish(
        "failed", f"no worker is left in the pool {pool!r}: the node failed"
    )


def test_one_lost_explorer_is_not_the_end_but_all_are() -> None:
    harness = ControlHarness(plan(labels=1000), 0)
    harness.lose_pool(0.5, "explorer.0", "one node failed")
    until(harness, lambda: harness.now > 5.0)
    assert harness.ended is None
    harness.lose_pool(5.0, "explorer.1", "the other node failed")
    assert harness.run().reason == "all explorers failed, the last one: the other node failed"


def test_what_people_still_have_is_waited_for_though_all_explorers_are_lost() -> None:
    harness = ControlHarness(plan(oracles=(PERSON,), initial=3), 0)
    until(harness, lambda: len(harness.controller.state.open) == 3)
    asked = list(harness.controller.state.open)
    for pool in ("explorer.0", "explorer.1"):
        harness.lose_pool(harness.now, pool)
    until(harness, lambda: harness.controller.exploring.dead == 2)
    assert harness.controller.phase == "running"
    for question in asked:
        post(harness, harness.now, question, "withdraw", question=question)
    assert harness.run().reason == "all explorers failed, the last one: the node failed"


def test_a_trainer_lost_during_the_last_fit() -> None:
    harness = ControlHarness(plan(labels=8), 0, World(fit_seconds=5.0))
    until(harness, lambda: harness.controller.phase == "closing")
    harness.lose_pool(harness.now, "trainer")
    assert harness.run().status in ("finished", "failed")


def test_all_initial_questions_are_for_the_hold_out() -> None:
    harness = run(plan(holdout=1.0))
    assert harness.ended == Finish("failed", "there is no label to train a first model on")


# ----------------------------------------------------------------------------------- starting from


def test_imported_labels_stand_for_initial_questions_and_cost_nothing() -> None:
    harness = run(plan(labels=10), None, [imported(50), imported(5, "holdout")])
    first = facts("model.published", harness.journal)[0]
    assert first.data["train"] == 50
    asked_before = harness.journal[: harness.journal.index(first)]
    assert not facts("question.asked", asked_before)
    assert harness.controller.state.ledger.labels == 10
    assert harness.controller.state.labels == 65


def test_given_weights_explore_at_once() -> None:
    harness = run(plan(labels=10), None, [given_weights()])
    why = {fact.data["why"] for fact in facts("question.asked", harness.journal)}
    assert "initial" not in why
    assert facts("model.published", harness.journal)[1].data["version"] == 2


def test_given_weights_are_evaluated_on_an_imported_hold_out() -> None:
    harness = run(plan(labels=5), None, [imported(5, "holdout"), given_weights()])
    assert facts("model.evaluated", harness.journal)[0].data["version"] == 1


# ------------------------------------------------------------------------------------------- users


def post(harness: ControlHarness, when: float, name: str, kind: str, **data) -> None:
    harness.at(when, Posted(name, kind, data))


def test_a_user_changes_the_budget_and_the_threshold() -> None:
    harness = ControlHarness(plan(labels=1000, limits=LimitRule(quantile=0.3)), 0)
    post(harness, 0.5, "a", "set", labels=15)
    post(harness, 0.6, "b", "set", threshold=0.05)
    assert harness.run().reason == "15 labels (of 15)"
    asks = [fact.data["ask"] for fact in facts("gate.limits", harness.journal)]
    assert asks[-1] == 0.05
    assert asks.count(0.05) == 1


def test_nonsense_is_ignored_with_a_sentence_and_removed() -> None:
    harness = ControlHarness(plan(labels=8), 0)
    post(harness, 0.5, "bad", "set", labels="many")
    harness.run()
    said = [
        c for _, _, commands in harness.steps for c in of(Say, commands) if c.level == "warning"
    ]
    assert said[0].message.startswith("the posted message 'bad' was ignored: 'labels' should be")
    assert not harness.inbox
    assert not facts("user.command", harness.journal)


def test_a_user_s_stop_is_durable_before_the_end_so_that_a_resume_goes_on() -> None:
    campaign = plan()
    harness = ControlHarness(campaign, 0, World(sync_seconds=0.5))
    post(harness, 2.0, "pause", "pause")
    post(harness, 50.0, "stop", "stop", why="lunch")  # nothing else is on the way by then
    assert harness.run() == Finish("stopped", "lunch")
    assert not harness.inbox
    again = ControlHarness(campaign, 1, World(), harness.journal)
    again.at(1.0, Posted("r", "resume"))
    assert again.run().reason == "30 labels (of 30)"


def test_a_stop_that_is_posted_again_does_not_end_the_resumed_run_too() -> None:
    campaign = plan()
    harness = ControlHarness(campaign, 0, World(sync_seconds=0.1, label_seconds=5.0))
    for name in ("a", "b", "c"):
        post(harness, 2.0, name, "stop")
    assert harness.run().status == "stopped"
    assert not harness.inbox
    # Nor do those that were posted while no controller was there.
    resumed_one = CampaignController(campaign, resumed(campaign, harness.journal), 100)
    commands = resumed_one.begin(9.0, {}, [Posted(name, "stop", {}) for name in "def"])
    assert not of(Finish, commands)
    left = of(Acknowledge, resumed_one.handle(Durable(200), 9.1))
    assert [one.id for one in left] == ["d", "e", "f"]
    assert resumed_one.phase == "done"


def test_an_interrupt_waits_for_what_is_in_flight_but_not_beyond_its_grace() -> None:
    patient = ControlHarness(plan(), 0, World(label_seconds=0.2))
    patient.at(2.0, Interrupted("Ctrl-C", grace=60.0))
    assert patient.run() == Finish("stopped", "Ctrl-C")
    assert patient.now < 10.0
    assert not any(live.task.kind == "label" for live in patient.live.values())
    hasty = ControlHarness(plan(), 0, World(label_seconds=500.0))
    hasty.at(2.0, Interrupted("Ctrl-C", grace=3.0))
    hasty.run()
    assert hasty.now == pytest.approx(5.0)
    twice = ControlHarness(plan(), 0, World(label_seconds=500.0))
    twice.at(2.0, Interrupted("Ctrl-C", grace=60.0))
    twice.at(2.5, Interrupted("Ctrl-C again"))
    assert twice.run() == Finish("stopped", "Ctrl-C again")


def test_an_interrupted_fit_is_not_begun_again() -> None:
    harness = ControlHarness(plan(labels=90, retrain=EveryLabels(2)), 3, World(slice_seconds=2.0))
    controller = harness.controller
    until(harness, lambda: controller.training.fit and controller.exploring.busy)
    harness.handle(Interrupted("Ctrl-C", 10.0))
    assert controller.phase == "interrupted"
    fit = next(live for live in harness.live.values() if live.task.kind == "fit")
    event = TaskFailed(fit.task.id, "w", Failure(Reason.CANCELLED, "told to"))
    assert not of(Submit, controller.handle(event, harness.now))


def test_weights_that_become_durable_after_an_interrupt_begin_nothing() -> None:
    campaign = plan(labels=90, holdout=0.4, retrain=EveryLabels(2))
    harness = ControlHarness(campaign, 0, World(sync_seconds=1.0))
    controller = harness.controller
    until(harness, lambda: controller.training.publishing and controller.state.holdout_labels)
    version = controller.state.model.version
    harness.handle(Interrupted("Ctrl-C", 60.0))
    harness.run()  # the harness checks that nothing more is submitted
    assert controller.state.model.version == version + 1


def test_when_the_store_breaks_it_ends_with_the_reason() -> None:
    harness = ControlHarness(plan(), 0)
    harness.at(1.0, StoreBroken("no space left on the disk"))
    assert harness.run() == Finish("failed", "no space left on the disk")
    assert not facts("run.ended", harness.journal)


# ----------------------------------------------------------------------------------------- outside


def answer_all(harness: ControlHarness, name: str = "person") -> None:
    """Someone answers every open question of an oracle now."""
    for key, held in list(harness.controller.state.open.items()):
        if held.question.oracle == name and not held.recording:
            y = {"y": np.ones(1)}
            harness.at(harness.now, Posted(f"a.{key}", "answer", {"question": key}, y))


def test_people_answer_through_the_inbox() -> None:
    harness = ControlHarness(plan(oracles=(PERSON,), labels=12), 0)
    while harness.ended is None:
        harness.step()
        assert harness.controller.state.open_by_oracle["person"] <= 3
        answer_all(harness)
    labels = facts("answer.label", harness.journal)
    assert len(labels) == 12
    assert {fact.data["origin"] for fact in labels} == {"outside"}
    assert not harness.inbox


def test_an_answer_from_outside_overtakes_the_worker() -> None:
    harness = ControlHarness(plan(), 0, World(label_seconds=100.0))
    until(harness, lambda: harness.controller.asking.tasks)
    task, (_, questions) = next(iter(harness.controller.asking.tasks.items()))
    key = questions[0].question.id
    event = Posted("a", "answer", {"question": key}, {"y": np.ones(1)})
    commands = harness.controller.handle(event, harness.now)
    assert [command.task for command in of(Cancel, commands)] == [task]
    assert not of(Acknowledge, commands)
    record = of(Record, commands)[0]
    late = TaskFinished(task, "w", harness.work.result(harness.live[task].task))
    assert not of(Record, harness.controller.handle(late, harness.now))[1:]
    commands = harness.controller.handle(Durable(record.seq), harness.now)
    assert [command.id for command in of(Acknowledge, commands)] == ["a"]
    assert harness.controller.state.answered["train"] == 1


def test_an_answer_from_outside_while_a_failure_is_being_recorded_is_not_lost() -> None:
    harness = ControlHarness(plan(), 0, World(label_seconds=100.0, sync_seconds=9.0))
    until(harness, lambda: harness.controller.asking.tasks)
    task, (_, questions) = next(iter(harness.controller.asking.tasks.items()))
    key, controller = questions[0].question.id, harness.controller
    controller.handle(TaskFailed(task, "w", Failure(Reason.RAISED, "oops")), harness.now)
    event = Posted("a", "answer", {"question": key}, {"y": np.ones(1)})
    assert not of(Acknowledge, controller.handle(event, harness.now))
    commands = controller.handle(Durable(controller.desk.seq), harness.now)
    labels = [c for c in of(Record, commands) if c.fact.kind == "answer.label"]
    assert [c.fact.data["question"] for c in labels] == [key]
    commands = controller.handle(Durable(labels[0].seq), harness.now)
    assert [command.id for command in of(Acknowledge, commands)] == ["a"]


def test_a_message_that_comes_again_counts_once() -> None:
    harness = ControlHarness(plan(oracles=(PERSON,)), 0)
    until(harness, lambda: harness.controller.state.open)
    key = next(iter(harness.controller.state.open))
    event = Posted("a", "answer", {"question": key}, {"y": np.ones(1)})
    first = harness.controller.handle(event, harness.now)
    again = harness.controller.handle(event, harness.now)
    kinds = [[c.fact.kind for c in of(Record, some)] for some in (first, again)]
    assert kinds[0].count("answer.label") == 1
    assert "answer.label" not in kinds[1]


# ------------------------------------------------------------------------------------------ resume


def test_a_finished_run_that_is_resumed_ends_at_once_unless_it_may_go_on() -> None:
    campaign = plan(labels=8)
    done = run(campaign)
    again = run(campaign, None, done.journal, seed=1)
    assert again.ended.reason == "8 labels (of 8)"
    assert len(facts("question.asked", again.journal)) == len(facts("question.asked", done.journal))
    more = run(plan(labels=12), None, done.journal, seed=2)
    assert more.ended.reason == "12 labels (of 12)"


def test_a_larger_budget_that_was_posted_meanwhile_continues_a_finished_run() -> None:
    done = run(plan(labels=8))
    again = ControlHarness(plan(labels=8), 1, None, done.journal)
    state = resumed(plan(labels=8), done.journal)
    controller = CampaignController(plan(labels=8), state, len(done.journal))
    more = Posted("m", "set", {"labels": 12})
    assert not of(Finish, controller.begin(again.now, {"pools": {"oracle.f": 1}}, [more]))
    assert (controller.phase, controller.state.ledger.label_limit) == ("running", 12)


def test_a_model_that_was_published_but_not_evaluated_is_evaluated_on_resume() -> None:
    first = run(plan(labels=25, holdout=0.3))
    cut = next(i for i, f in enumerate(first.journal) if f.kind == "model.evaluated")
    harness = run(plan(labels=25, holdout=0.3), None, first.journal[:cut], seed=1)
    versions = [fact.data["version"] for fact in facts("model.evaluated", harness.journal)]
    assert versions[0] == 1


def test_open_questions_are_asked_again_with_their_purpose() -> None:
    harness = ControlHarness(plan(holdout=0.5), 0, World(label_seconds=50.0))
    until(harness, lambda: len(harness.controller.asking.tasks) == 2)
    open_ = {q: held.purpose for q, held in harness.controller.state.open.items()}
    journal = list(harness.journal)
    again = ControlHarness(plan(holdout=0.5), 1, World(), journal)
    again.run()
    answered = {f.data["question"]: f.data["purpose"] for f in facts("answer.label", again.journal)}
    assert {q: answered[q] for q in open_} == open_


def test_task_ids_are_unique_over_resumes() -> None:
    first = run(plan(labels=8))
    second = ControlHarness(plan(labels=12), 1, World(), first.journal)
    ids = set()
    for harness in (first, second):
        if harness.ended is None:
            harness.run()
        ids |= {c.task.id for _, _, commands in harness.steps for c in of(Submit, commands)}
    epochs = {name.split("-")[1] for name in ids}
    assert epochs == {"0", "1"}


def test_a_worker_that_changes_its_role_works_there() -> None:
    harness = ControlHarness(plan(oracles=(F, OraclePlan("g")), routes=(("g", 0.0),)), 0)
    workers = harness.controller.workers
    harness.handle(WorkerJoined("x", "oracle.f"))
    before = workers.count("oracle.g")
    harness.handle(RoleChanged("x", "oracle.g"))
    assert workers.count("oracle.g") == before
    harness.handle(WorkerJoined("y", "oracle.g"))
    assert workers.count("oracle.g") == before + 1
    harness.handle(WorkerLost("y", "oracle.g", "gone", final=True))
    assert harness.run().status == "finished"


def test_a_policy_that_never_stops_still_ends_by_its_budget() -> None:
    harness = run(plan(stop=Never(), labels=7))
    assert harness.controller.state.ledger.labels == 7
