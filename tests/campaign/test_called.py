"""A validator or filter by its import path is the function itself, or made by it."""

from __future__ import annotations

import numpy as np
import pytest
from campaign_roles import odd

from querist.campaign.called import made
from querist.core.errors import RoleFailed
from querist.core.tasks import Factory


def close(sample, outputs, limit=1.0):
    return None if outputs["y"] < limit else f"above {limit:g}"


@pytest.mark.parametrize("target", ["campaign_roles:odd", "campaign_roles:odd_validator"])
def test_a_function_or_what_makes_it(target: str) -> None:
    assert made(Factory(target)) is odd


def test_options_of_a_function_are_filled_in() -> None:
    check = made(Factory("test_called:close", {"limit": 3.0}))
    assert check(None, {"y": np.array(2.0)}) is None
    assert check(None, {"y": np.array(4.0)}) == "above 3"


def test_classes_and_live_objects() -> None:
    keep = made(Factory("querist.control.filters:Within", {"field": "x", "low": 0, "high": 1}))
    assert keep.high == 1
    assert made(Factory(live=odd)) is odd
    with pytest.raises(RoleFailed, match="refused"):
        made(Factory("querist.control.filters:Within", {"field": "x"}))
