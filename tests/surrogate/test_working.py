"""Simulations on an engine: a caller that is interrupted."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from querist import Surrogate
from querist.core.batch import Sample
from querist.surrogate.calling import oracle_of
from querist.surrogate.working import label_payload, simulations


def payloads(count: int) -> list:
    return [label_payload(Sample.of({"x": float(i)}), "simulation") for i in range(count)]


def test_what_waits_for_nobody_is_not_run() -> None:
    called: list[float] = []
    workshop = simulations("inline", oracle_of(lambda x: called.append(float(x)) or 1.0))
    left = workshop.run("label", payloads(5))
    next(left)
    left.close()  # as an interrupt does
    begun = len(called)
    numbers = [number for number, _ in workshop.run("label", payloads(2))]
    assert sorted(numbers) == [0, 1]
    assert len(called) == begun + 2 < 7
    workshop.close()


def test_ctrl_c_in_a_simulation_leaves_all_that_was_answered(tmp_path: Path) -> None:
    def simulation(x):
        if x == 3.0 and not interrupted:
            interrupted.append(True)
            os.kill(os.getpid(), signal.SIGINT)
        return 2.0 * x

    interrupted: list[bool] = []
    with Surrogate(simulation, tolerance=0.1, folder=tmp_path / "s") as surrogate:
        with pytest.raises(KeyboardInterrupt):
            list(map(surrogate, np.arange(6.0)))
        assert surrogate.status()["answered_by_simulation"] in (3, 4)
        assert surrogate(3.0) == 6.0
        assert surrogate.many(x=np.arange(4.0))["result"].tolist() == [0.0, 2.0, 4.0, 6.0]
    with Surrogate(simulation, tolerance=0.1, folder=tmp_path / "s") as again:
        assert again.status()["answered_by_simulation"] in (8, 9)
