"""Settings changed while a run goes on."""

from __future__ import annotations

import pytest

from querist.core.errors import ConfigError, RunError
from querist.tuning.live import Live

SPACE = {"k": {"integer": [1, 8]}}
GOAL = {"minimise": "ms", "constraints": {"error": {"at_most": 1.0}}}


def segment(best: int, k: int) -> dict[str, float]:
    return {"ms": 1.0 + (k - best) ** 2, "error": 0.5 if k < 8 else 2.0}


def test_it_settles_and_searches_again_when_the_system_changes() -> None:
    live = Live(SPACE, GOAL, segments=6, begin={"k": 2}, window=3)
    assert live.settings() == {"k": 2}
    live.tell(segment(5, 2))
    used = []
    for _ in range(15):
        k = live.settings()["k"]
        used.append(k)
        live.tell(segment(5, k))
    assert not live.searching
    assert set(used[-5:]) == {5}
    assert live.searches == 1
    after = []
    for _ in range(20):  # now another setting is best
        k = live.settings()["k"]
        after.append(k)
        live.tell(segment(2, k))
    assert live.searches == 2
    assert after[:3] == [5, 5, 5]  # twice worse than promised; then tried first, as things are now
    assert after[3] != 5
    assert set(after[-3:]) == {2}


def test_settings_that_begin_to_fail_are_left() -> None:
    live = Live(SPACE, GOAL, segments=4, window=3)
    while live.searching:
        live.tell(segment(5, live.settings()["k"]))
    for _ in range(3):
        live.settings()
        live.tell({})
    assert live.searches == 2


def test_a_goal_that_nothing_reaches_is_told() -> None:
    live = Live({"k": {"choice": [8]}}, GOAL, segments=2)
    live.settings()
    live.tell(segment(5, 8))
    with pytest.raises(RunError, match="none keeps all constraints"):
        live.settings()


def test_order_and_arguments_are_checked() -> None:
    with pytest.raises(RunError, match="ask for settings"):
        Live(SPACE, GOAL).tell({"ms": 1.0})
    with pytest.raises(ConfigError, match="drift"):
        Live(SPACE, GOAL, drift=0.0)
