"""Labels of another level of theory that were brought along are told, once."""

from __future__ import annotations

import pytest
from control_plans import imported, plan

from querist.control.levels import BroughtLevels
from querist.core.events import Say
from querist.testing.control import ControlHarness, World


def warnings(harness: ControlHarness) -> list[str]:
    said = [c for _, _, commands in harness.steps for c in commands if isinstance(c, Say)]
    return [one.message for one in said if one.level == "warning"]


@pytest.mark.parametrize(("level", "times"), [("PBE", 1), ("level", 0), ("", 0)])
def test_a_campaign_warns_once(level: str, times: int) -> None:
    harness = ControlHarness(plan(labels=10), 0, World(), [imported(50, level=level)])
    harness.run()
    said = warnings(harness)
    assert len(said) == times
    assert all("50 of 'PBE' were brought along, " in one for one in said)


def test_what_was_brought_outlives_a_restart() -> None:
    levels, again = BroughtLevels(), BroughtLevels()
    levels.bring("PBE", 3)
    again.restore(levels.state())
    said: list[tuple[str, str]] = []
    for level in ("", "PBE", "HF", "HF"):
        again.look({"level": level, "oracle": "dft"}, lambda *words: said.append(words))
    assert len(said) == 1
    assert "dft answers with 'HF'" in said[0][1]
