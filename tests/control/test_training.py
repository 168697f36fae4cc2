"""When fits begin, what they are told, which versions there are, how good they are."""

from __future__ import annotations

import pytest
from control_plans import facts, plan

from querist.control.retrain import EveryLabels, GrowingBy, OnErrorGrowth, WhenIdle
from querist.control.stop import ErrorBelow, Labels, SelectedErrorBelow
from querist.core.answers import Failure, Reason
from querist.core.events import Cancel, Say, Submit, TaskFailed, TaskFinished
from querist.testing.control import ControlHarness, World, resumed


def run(campaign, world=None, seed=0) -> ControlHarness:
    harness = ControlHarness(campaign, seed, world)
    harness.run()
    return harness


def tasks(harness: ControlHarness, kind: str) -> list:
    return [
        command.task
        for _, _, commands in harness.steps
        for command in commands
        if isinstance(command, Submit) and command.task.kind == kind
    ]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (EveryLabels(9), "new labels (every 9)"),
        (GrowingBy(0.5), "the training set grew from"),
        (WhenIdle(2), "the trainer was idle with"),
        (OnErrorGrowth(0.5), "times the"),
        (EveryLabels(3) & WhenIdle(1), "(every 3) and the trainer was idle"),
    ],
)
def test_a_retrain_rule_begins_a_fit(rule, says) -> None:
    harness = run(plan(retrain=rule, labels=60, final_fit=False, holdout=0.2))
    reasons = [fact.data["why"] for fact in facts("model.published", harness.journal)]
    assert reasons[0].startswith("the first ")
    assert len(reasons) > 1
    assert all(says in reason for reason in reasons[1:])


def test_recent_errors_are_measured_only_where_a_rule_asks_for_them() -> None:
    for rule, wanted in ((OnErrorGrowth(9.0), True), (EveryLabels(9), False)):
        harness = run(plan(retrain=rule, labels=60))
        on = {fact.data["on"] for fact in facts("model.evaluated", harness.journal)}
        assert ("recent" in on) == wanted


def test_recent_errors_are_measured_anew_only_when_there_are_new_labels() -> None:
    harness = run(plan(retrain=OnErrorGrowth(9.0), labels=40), World(label_seconds=3.0))
    evaluations = [task.payload for task in tasks(harness, "evaluate")]
    measured = [told["dataset"].version for told in evaluations if told["on"] == "recent"]
    assert len(measured) > 3
    assert len(set(measured)) == len(measured)


def test_a_stopping_rule_may_ask_for_recent_errors_too() -> None:
    harness = run(plan(labels=60, stop=SelectedErrorBelow(0.0)))
    assert "recent" in {fact.data["on"] for fact in facts("model.evaluated", harness.journal)}


def test_a_rule_over_a_metric_that_is_not_measured_is_told_once() -> None:
    rule = ErrorBelow("y.mea", 0.0) | ErrorBelow("y.mae", 0.0)
    harness = run(plan(labels=60, stop=rule, holdout=0.2))
    said = [c.message for _, _, commands in harness.steps for c in commands if isinstance(c, Say)]
    (told,) = [message for message in said if "metric" in message]
    assert told.startswith("a rule waits for the hold-out metric 'y.mea', but measured is only y.")


def test_an_evaluation_records_signals_and_how_many_labels_were_trained_on() -> None:
    harness = run(plan(labels=25, holdout=0.2))
    told = facts("model.evaluated", harness.journal)
    rows = resumed(plan(labels=25, holdout=0.2), harness.journal).errors
    assert [row["train"] for row in rows] == sorted(row["train"] for row in rows)
    assert rows[-1]["train"] == told[-1].data["train"] > 0
    assert rows[-1]["y.change"] == told[-1].data["signals"]["y.change"]


def test_a_fit_is_told_versions_seed_and_what_came_before() -> None:
    harness = run(plan(labels=40, seed=5))
    first, second = tasks(harness, "fit")[:2]
    assert (first.payload["version"], second.payload["version"]) == (1, 2)
    assert first.payload["previous"] is None
    assert second.payload["previous"].version == 1
    assert second.payload["previous_dataset"] == first.payload["dataset"].version
    assert (first.payload["seed"], second.payload["seed"]) == (6, 7)
    published = facts("model.published", harness.journal)
    assert [fact.data["version"] for fact in published] == list(range(1, len(published) + 1))


def test_a_committee_is_fitted_in_parts_where_there_are_trainers() -> None:
    harness = run(plan(trainers=2, members=5, labels=20))
    first = tasks(harness, "fit")[:2]
    assert [task.payload["members"] for task in first] == [(0, 2, 4), (1, 3)]
    assert facts("model.published", harness.journal)[0].data["files"] == ["1.0", "1.1"]
    alone = run(plan(trainers=2, members=1, labels=20))
    assert tasks(alone, "fit")[0].payload["members"] is None


def test_no_more_than_max_fresh_are_asked_beyond_the_last_training() -> None:
    harness = ControlHarness(plan(max_fresh=4, retrain=EveryLabels(10**6), labels=40), 0)
    while harness.ended is None:
        harness.step()
        if harness.controller.state.model.version:
            assert harness.controller.state.fresh <= 4
    why = [fact.data["why"] for fact in facts("model.published", harness.journal)]
    assert "no more than 4 labels may be asked beyond the last training" in why


@pytest.mark.parametrize(("wanted", "last"), [(True, "the campaign ends"), (False, None)])
def test_the_final_fit(wanted, last) -> None:
    harness = run(plan(final_fit=wanted, retrain=EveryLabels(25), labels=20))
    reasons = [fact.data["why"] for fact in facts("model.published", harness.journal)]
    assert (reasons[-1] == last) == wanted
    assert len(reasons) == 1 + wanted
    evaluated = facts("model.evaluated", harness.journal)
    assert evaluated[-1].data["version"] == len(reasons)


def test_the_final_fit_waits_for_a_trainer_that_comes_back() -> None:
    harness = ControlHarness(plan(retrain=EveryLabels(25), labels=20), 0)
    while harness.controller.phase == "running":
        harness.step()
    trainers = harness.controller.workers
    trainers.leave("trainer/0", "trainer", "killed", final=False)
    while harness.controller.asking.tasks or harness.controller.exploring.busy or harness.live:
        harness.step()
    assert harness.controller.phase == "draining"
    trainers.join("trainer/0", "trainer")
    harness.run()
    last = facts("model.published", harness.journal)[-1]
    assert last.data["why"] == "the campaign ends"


def test_nothing_is_trained_again_when_nothing_is_new() -> None:
    harness = run(plan(retrain=EveryLabels(1), labels=6, initial=6, holdout=0.0))
    assert len(facts("model.published", harness.journal)) == 1


def fitting(**changed) -> tuple[ControlHarness, list[str]]:
    harness = ControlHarness(plan(trainers=2, members=2, **changed), 0, World(fit_seconds=1e6))
    while harness.controller.training.fit is None:
        harness.step()
    return harness, list(harness.controller.training.fit.tasks)


def test_a_failed_part_is_tried_again_and_then_the_fit_is_given_up() -> None:
    harness, (one, other) = fitting()
    controller, now = harness.controller, harness.now
    failure = Failure(Reason.RAISED, "singular matrix")
    for attempt in (2, 3):
        commands = controller.handle(TaskFailed(one, "t", failure), now)
        (again,) = [c.task for c in commands if isinstance(c, Submit) and c.task.kind == "fit"]
        assert again.attempt == attempt
        assert again.payload["version"] == 1
        one = again.id
    commands = controller.handle(TaskFailed(one, "t", failure), now)
    assert other in [c.task for c in commands if isinstance(c, Cancel)]
    assert controller.training.failure == "training failed 3 times: singular matrix"
    # The other part may end well nevertheless: it is noted, and nothing is published.
    result = {"file": "1.1", "digest": "", "metrics": {}}
    controller.handle(TaskFinished(other, "t", result), now)
    assert controller.state.model.version == 0
    assert not controller.training.busy


def test_a_later_fit_that_fails_is_a_warning() -> None:
    harness = ControlHarness(plan(labels=40), 0, World())
    while harness.controller.state.model.version == 0:
        harness.step()
    object.__setattr__(harness.world, "fit_failures", 1.0)
    assert harness.run().status == "finished"
    failed = facts("task.failed", harness.journal)
    assert len(failed) >= 3
    assert harness.controller.state.model.version >= 1


def test_the_queue_is_rescored_in_chunks_while_it_runs_but_not_at_the_end() -> None:
    harness = ControlHarness(plan(labels=30), 0, World(oracle_workers=1, walkers=8))
    harness.run()
    scored = tasks(harness, "score")
    assert scored
    assert all(len(task.payload["samples"]) <= 256 for task in scored)
    last = facts("model.published", harness.journal)[-1].data["version"]
    assert last not in {task.payload["model"].version for task in scored}


@pytest.mark.parametrize("seed", range(3))
def test_the_last_fit_learns_from_all_that_was_in_flight(seed: int) -> None:
    campaign = plan(labels=50, holdout=0.0, stop=Labels(12))
    harness = run(campaign, World(oracle_workers=4, label_seconds=3.0), seed)
    assert len(facts("answer.label", harness.journal)) > 12
    assert harness.ended.status == "finished"
    last = facts("model.published", harness.journal)[-1]
    assert last.data["train"] == len(facts("answer.label", harness.journal))
