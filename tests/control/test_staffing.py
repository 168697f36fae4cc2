"""Workers that move between roles: what is allowed, what is recorded, and that the end comes."""

from __future__ import annotations

import pytest
from control_plans import F, plan

from querist.core.events import Move, Posted, RoleChanged, Submit, WorkerJoined
from querist.testing.control import ControlHarness


def staffed(harness: ControlHarness, source: str, target: str) -> list[Move]:
    """What a message makes the controller command."""
    harness.handle(Posted(f"{len(harness.steps)}", "staff", asked(source, target)))
    _, _, commands = harness.steps[-1]
    return [command for command in commands if isinstance(command, Move)]


def one_of(harness: ControlHarness, pool: str) -> str:
    return min(harness.controller.workers._ready[pool])


def asked(source: str, target: str) -> dict[str, str]:
    return {"source": source, "target": target, "why": "it is idle"}


def told(harness: ControlHarness, kind: str) -> list[dict]:
    return [dict(fact.data) for fact in harness.journal if fact.kind == kind]


@pytest.fixture
def harness() -> ControlHarness:
    made = ControlHarness(plan(explorers=3), 0)
    while len(made.controller.exploring.living) < 3 or not made.controller.state.model.version:
        made.step()
    return made


def test_an_idle_explorer_becomes_an_oracle_worker(harness) -> None:
    assert staffed(harness, "explorers", F.pool) == [Move("explorer.2", F.pool)]
    assert len(harness.controller.exploring.living) == 2
    before = harness.controller.workers.count(F.pool)
    harness.handle(RoleChanged(one_of(harness, "explorer.2"), F.pool))
    harness.handle(WorkerJoined("moved", F.pool))
    assert harness.controller.workers.count(F.pool) == before + 1
    (moves,) = told(harness, "worker.moves")
    assert (moves["source"], moves["target"], moves["why"]) == ("explorer.2", F.pool, "it is idle")
    begun = len(harness.steps)
    assert harness.run().status == "finished"
    later = [c.task.pool for _, _, done in harness.steps[begun:] for c in done if _submits(c)]
    assert "explorer.2" not in later
    assert "explorer.1" in later


def _submits(command: object) -> bool:
    return isinstance(command, Submit)


def test_no_role_loses_its_last_worker(harness) -> None:
    for _ in range(2):
        assert staffed(harness, "explorers", F.pool)
    assert staffed(harness, "explorers", F.pool) == []
    assert staffed(harness, "trainer", F.pool) == []
    assert [f["problem"] for f in told(harness, "worker.stays")] == [
        "explorers would have fewer than 1",
        "trainer would have fewer than 1",
    ]


def test_a_move_comes_back_to_the_explorer_that_was_away(harness) -> None:
    (move,) = staffed(harness, "explorers", F.pool)
    harness.handle(RoleChanged(one_of(harness, "explorer.2"), F.pool))
    harness.handle(WorkerJoined("moved", F.pool))
    assert staffed(harness, F.pool, "explorers") == [Move(F.pool, move.source)]
    harness.handle(RoleChanged("moved", move.source))
    exploring = harness.controller.exploring
    assert (len(exploring.living), exploring.dead) == (2, 1)
    harness.handle(WorkerJoined("explorer.2-1", move.source))
    assert (len(exploring.living), exploring.dead) == (3, 0)
    assert harness.run().status == "finished"


def test_explorers_that_never_were_get_pools_of_their_own(harness) -> None:
    harness.controller.staffing.expect({"spare": ["explorer.3", "explorer.4"]})
    targets = [move.target for _ in range(2) for move in staffed(harness, F.pool, "explorers")]
    known = harness.controller.workers.expected(F.pool)
    assert targets == ["explorer.3", "explorer.4"][: known - 1]
    harness.handle(RoleChanged(one_of(harness, F.pool), "explorer.3"))
    joined = WorkerJoined("explorer.3-0", "explorer.3")
    commands = harness.controller.handle(joined, harness.now)
    assert "explorer.3" in [c.task.pool for c in commands if isinstance(c, Submit)]
    assert [slot.index for slot in harness.controller.exploring.living] == [0, 1, 2, 3]


def test_what_cannot_be_is_told(harness) -> None:
    assert staffed(harness, F.pool, "oracle.nobody") == []
    assert staffed(harness, F.pool, F.pool) == []
    harness.handle(Posted("odd", "staff", {"source": 3}))
    problems = [fact["problem"] for fact in told(harness, "worker.stays")]
    assert "oracle.nobody" in problems[0]
    assert "there already" in problems[1]
    assert len(problems) == 2
