"""When it is fitted anew."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from querist import Surrogate
from querist.core.tasks import ModelRef
from querist.surrogate.gate import GRID, Promise, Trial
from querist.surrogate.learner import REFUSALS, Candidate, Learner
from querist.surrogate.record import Entry
from querist.surrogate.settings import SurrogateSettings
from querist.surrogate.state import Audit, Gate, Published


def candidate(version: int, inside: int, threshold: float | None = 0.5) -> Candidate:
    """It trusts so many of a hundred audits, and refuses where half of the neighbours fail."""
    trusts = Trial(Promise(), range(GRID.index(0.5), len(GRID)))
    trusts.take_over(threshold)
    trusts.scores, trusts.wrong = [0.1] * inside + [9.0] * (100 - inside), [False] * 100
    refuses = Trial(Promise(), REFUSALS)
    refuses.take_over(0.5)
    fitted = Published(ModelRef(version, ("w",)), 10, "linear", 50, True, GRID.index(0.5))
    return Candidate(fitted, None, trusts, refuses, 10, 0)


@pytest.mark.parametrize(
    ("older", "newer", "chosen"), [(100, 96, 2), (100, 90, 1), (50, 100, 2), (0, 0, 2)]
)
def test_the_newest_model_that_trusts_about_as_much_as_the_best_is_used(
    older, newer, chosen
) -> None:
    held = {1: candidate(1, older), 2: candidate(2, newer), 3: candidate(3, 100, threshold=None)}
    gate = Learner._gate(SimpleNamespace(candidates=held), SimpleNamespace(gate=Gate()))
    share = {1: older, 2: newer}[chosen] / 100
    assert (gate.version, gate.threshold, gate.refusal) == (chosen, 0.5, 0.5)
    assert (gate.share, gate.audits) == (share, 100)


def test_an_alarm_closes_the_gates_of_models_that_were_fitted_before_it() -> None:
    one = candidate(1, 100)

    def passes(seq: int, *alarms: int) -> tuple[float | None, float | None]:
        one.count(SimpleNamespace(seq=seq, alarm_seqs=alarms, judges=lambda after: []))
        return one.trusts.threshold, one.refusal

    assert passes(20, 5) == (0.5, 0.5)  # it was fitted at 10, to what was known after the alarm
    assert passes(30, 5, 25) == (None, None)


def test_drift_after_an_alarm_is_noticed_as_soon_as_the_first_one() -> None:
    learner = Learner(SurrogateSettings(tolerance=1.0), lambda _: None, lambda: 0.0)
    state = SimpleNamespace(audited=[], alarms=[], gate=Gate(1))

    def audits_until_an_alarm() -> int:
        entries: list[Entry] = []
        while not entries:
            state.audited += [Audit(len(state.audited), True, 0, 0)] * 2
            entries = learner.drifted(state)
        (alarm,) = entries
        count = len(state.audited)
        assert (alarm.data["audits"], alarm.data["wrong"]) == (count, count)
        state.alarms.append(alarm.data)  # as the state folds it
        state.audited.clear()
        return count

    assert audits_until_an_alarm() == audits_until_an_alarm() == audits_until_an_alarm() < 10


def test_an_alarm_counts_from_the_last_good_audit_on() -> None:
    learner = Learner(SurrogateSettings(tolerance=1.0), lambda _: None, lambda: 7.0)
    good = [Audit(10 + i, False, 5 * i, 3 * i) for i in range(20)]
    state = SimpleNamespace(audited=[*good], alarms=[], gate=Gate(4))
    assert learner.drifted(state) == []
    entries: list[Entry] = []
    while not entries:  # ten calls from audit to audit, of which eight are trusted
        last = state.audited[-1]
        state.audited.append(Audit(last.seq + 1, True, last.calls + 10, last.trusted + 8))
        entries = learner.drifted(state)
    wrong = len(state.audited) - 20
    assert wrong > 2
    told = {"version": 4, "since": good[-1].seq, "audits": wrong, "wrong": wrong, "t": 7.0}
    told |= {"calls": 10 * wrong, "trusted": 8 * wrong, "false_accepts": 8 * wrong}
    assert entries[0].data == told


def test_a_fit_takes_the_newest_rows_and_is_due_only_when_labels_have_grown() -> None:
    surrogate = Surrogate(lambda x: float(np.sin(9 * x)), tolerance=1e-9, most_rows=30, growth=1.5)
    rng = np.random.default_rng(0)
    for _ in range(10):
        surrogate.many(x=rng.uniform(size=30))
    state = surrogate._keeper.state
    assert state.rows > 100
    assert max(one.rows for one in state.published.values()) == 30
    assert len(state.published) <= 6  # from 20 on by half: 30, 45, 67, 101, 152


def test_labels_that_cannot_be_learned_from_do_not_make_it_try_for_ever() -> None:
    surrogate = Surrogate(lambda x, k=None: x, tolerance=0.1, holdout=0.1)
    for number in range(60):
        surrogate(float(number), **({"k": 1.0} if number % 2 else {}))
    assert len(surrogate._keeper.state.published) <= 3
