"""Generators are all saved and closed at the end, though one of them raises."""

from __future__ import annotations

import numpy as np
import pytest

from querist.campaign.handlers.keeping import Keeper
from querist.core.errors import ContractError
from querist.core.tasks import Factory
from querist.testing.contexts import worker_context


class Counting:
    """Counts, unless it is broken."""

    def __init__(self, broken: bool = False) -> None:
        self.broken, self.closed = broken, False

    def propose(self):
        raise AssertionError

    def observe(self, feedback) -> None:
        raise AssertionError

    def state(self):
        return None if self.broken else ({"n": np.array(3)}, {})

    def restore(self, arrays, data) -> None:
        raise AssertionError

    def close(self) -> None:
        self.closed = True


def test_one_that_cannot_be_saved_spoils_no_other(tmp_path) -> None:
    factories = [Factory(live=Counting(broken)) for broken in (False, True, False)]
    keeper = Keeper(factories, "abc", worker_context(tmp_path, run=tmp_path))
    with pytest.raises(ContractError, match=r"Counting\.state should return two mappings"):
        keeper.close(range(3))
    assert all(generator.closed for generator in keeper.generators)
    assert {path.name for path in (tmp_path / "generators").iterdir()} == {
        "a.safetensors",
        "c.safetensors",
    }
