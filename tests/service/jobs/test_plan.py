"""Sharing slots between tenants: pure, so that every case is tested without waiting."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.service.jobs.plan import Running, Shares, Waiting, came_further, plan


def waiting(*jobs: str, since: float = 0.0) -> list[Waiting]:
    """Jobs such as "a1": the first job of tenant a; later ones came later."""
    return [Waiting(job, job[0], since + n / 100) for n, job in enumerate(jobs)]


def running(*jobs: str, since: float = 0.0) -> list[Running]:
    return [Running(job, job[0], since + n) for n, job in enumerate(jobs)]


def test_a_tenants_jobs_start_in_order() -> None:
    assert plan(waiting("a1", "a2", "a3"), [], Shares(2), 0.0).start == ["a1", "a2"]


def test_slots_go_round_between_tenants() -> None:
    queue = waiting("a1", "a2", "a3", "b1", "c1")
    assert plan(queue, [], Shares(3), 0.0).start == ["a1", "b1", "c1"]


def test_who_has_less_running_is_next() -> None:
    found = plan(waiting("a2", "b1"), running("a1"), Shares(2), 0.0)
    assert found.start == ["b1"]


def test_who_got_less_work_of_late_is_next_among_equals() -> None:
    shares = Shares(1, served={"a": 100.0, "b": 5.0})
    assert plan(waiting("a1", "b1"), [], shares, 0.0).start == ["b1"]


def test_weights_are_shares_of_the_slots() -> None:
    queue = waiting(*(f"a{n}" for n in range(9)), *(f"b{n}" for n in range(9)))
    started = plan(queue, [], Shares(8, weight={"a": 3.0}), 0.0).start
    assert sum(job[0] == "a" for job in started) == 6


def test_a_tenants_own_limit_is_kept() -> None:
    found = plan(waiting("a1", "a2", "b1"), [], Shares(3, most={"a": 1}), 0.0)
    assert found.start == ["a1", "b1"]


def test_jobs_of_other_runners_take_no_slot_here_but_count_for_fairness() -> None:
    other = [Running("a1", "a", 0.0, mine=False)]
    assert plan(waiting("a2", "b1"), other, Shares(1), 0.0).start == ["b1"]


def test_the_newest_job_of_the_richest_makes_room_for_who_has_none() -> None:
    shares = Shares(3, patience=20.0)
    busy = running("a1", "a2", "b1")
    assert plan(waiting("c1"), busy, shares, 19.0).suspend == []
    assert plan(waiting("c1"), busy, shares, 21.0).suspend == ["a2"]


def test_nobody_makes_room_for_a_tenant_that_has_a_job() -> None:
    assert plan(waiting("a3"), running("a1", "b1"), Shares(2), 1e6).suspend == []


def test_where_each_has_one_the_longest_makes_room_after_its_turn() -> None:
    shares = Shares(2, patience=10.0)
    busy = running("a1", "b1")
    assert plan(waiting("c1"), busy, shares, 50.0).suspend == []
    assert plan(waiting("c1"), busy, shares, 61.5).suspend == ["a1"]


def test_a_turn_that_was_too_short_is_twice_as_long_the_next_time() -> None:
    shares = Shares(1, patience=10.0)
    for barren, turn in ((0, 60.0), (1, 120.0), (3, 480.0)):
        busy = [Running("a1", "a", 0.0, barren=barren)]
        assert plan(waiting("b1"), busy, shares, turn - 1).suspend == []
        assert plan(waiting("b1"), busy, shares, turn + 1).suspend == ["a1"]


@pytest.mark.parametrize("patience", [0.0, 0.5, 20.0])
def test_jobs_that_take_long_to_begin_do_not_suspend_each_other_for_ever(patience: float) -> None:
    needed, now = 200.0, 0.0  # seconds in one go; what is suspended before begins anew
    queue, busy, barren = waiting("a1", "a2", "b1", "b2", "c1"), list[Running](), Counter[str]()
    while queue or busy:
        now += 0.5
        assert now < 50_000, "no job comes to its end"
        busy = [one for one in busy if now - one.since < needed]
        found = plan(queue, busy, Shares(2, patience=patience), now)
        for job in found.suspend:
            barren[job] += 1
            queue.append(Waiting(job, job[0], now))
        busy = [one for one in busy if one.job not in found.suspend]
        busy += [Running(job, job[0], now, barren=barren[job]) for job in found.start]
        queue = [one for one in queue if one.job not in found.start]


def test_what_counts_as_further() -> None:
    scan = {"stage": "scan", "done": 8, "total": 60}
    assert came_further({}, scan)
    assert came_further(scan, {**scan, "done": 9})
    assert came_further(scan, {**scan, "stage": "select", "done": 0})
    assert not came_further(scan, scan)
    assert not came_further(scan, {})


@st.composite
def _cases(draw: st.DrawFn):
    tenants = st.sampled_from("abcd")
    queue = draw(st.lists(st.tuples(tenants, st.floats(0, 100)), max_size=12))
    busy = draw(st.lists(st.tuples(tenants, st.floats(0, 100), st.booleans()), max_size=6))
    shares = Shares(
        draw(st.integers(1, 5)),
        weight=draw(st.dictionaries(tenants, st.floats(0.1, 10))),
        most=draw(st.dictionaries(tenants, st.integers(0, 3))),
        patience=draw(st.floats(0, 50)),
    )
    return (
        [Waiting(f"w{n}", tenant, since) for n, (tenant, since) in enumerate(queue)],
        [Running(f"r{n}", tenant, since, mine) for n, (tenant, since, mine) in enumerate(busy)],
        shares,
    )


@given(_cases())
def test_limits_hold_whatever_comes(case) -> None:
    queue, busy, shares = case
    found = plan(queue, busy, shares, 100.0)
    mine = sum(one.mine for one in busy)
    assert len(found.start) == len(set(found.start)) <= max(0, shares.slots - mine)
    assert set(found.start) <= {one.job for one in queue}
    assert set(found.suspend) <= {one.job for one in busy if one.mine}
    assert not (found.start and found.suspend and shares.slots - mine > len(found.start))
    tenant_of = {one.job: one.tenant for one in queue}
    for tenant, most in shares.most.items():
        had = sum(one.tenant == tenant for one in busy)
        assert sum(tenant_of[job] == tenant for job in found.start) <= max(0, most - had)


@given(_cases())
def test_no_slot_stays_free_while_somebody_may_start(case) -> None:
    queue, busy, shares = case
    started = plan(queue, busy, shares, 100.0).start
    free = shares.slots - sum(one.mine for one in busy) - len(started)
    if free > 0:
        for one in queue:
            if one.job not in started:
                has = sum(r.tenant == one.tenant for r in busy)
                has += sum(w.tenant == one.tenant for w in queue if w.job in started)
                assert has >= shares.most[one.tenant]
