"""Simulations that are late, and callers in several threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from querist import Surrogate
from querist.core.errors import ConfigError
from querist.surrogate.errors import Late

PATIENCE = 60.0  # seconds until a test gives up
APART = {"engine": "processes", "deadline": 0.2}


def patient(folder: Path) -> Callable[[float], float]:
    """Twice x, once the file of that name is there; made here, so that it travels to workers."""

    def simulation(x):
        mark = folder / f"{float(x)}"
        mark.with_name(f"begun-{mark.name}").touch()
        ended = time.monotonic() + PATIENCE
        while not mark.exists() and time.monotonic() < ended:
            time.sleep(0.005)
        return 2.0 * float(x)

    return simulation


def halves(folder: Path) -> Callable[[float], float]:
    """Half of x, once there is no file that says to wait."""

    def simulation(x):
        ended = time.monotonic() + PATIENCE
        while (folder / "wait").exists() and time.monotonic() < ended:
            time.sleep(0.005)
        return 0.5 * float(x)

    return simulation


def quick() -> Callable[[float], float]:
    """Three times x."""
    return lambda x: 3.0 * float(x)


def release(folder: Path, *values: float) -> None:
    for value in values:
        (folder / f"{value}").touch()


def begun(folder: Path, value: float) -> bool:
    ended = time.monotonic() + PATIENCE
    while time.monotonic() < ended:
        if (folder / f"begun-{value}").exists():
            return True
        time.sleep(0.005)
    return False


def test_what_is_late_goes_on_and_is_learned_from(tmp_path: Path) -> None:
    simulation = patient(tmp_path)
    with Surrogate(simulation, tolerance=0.1, **APART) as surrogate:
        with pytest.raises(Late, match="within the deadline"):
            surrogate(1.0)
        assert begun(tmp_path, 1.0)
        # The only worker is busy: what comes meanwhile is not begun, and does not pile up.
        answers = surrogate.many(x=np.array([2.0, 3.0]))
        assert answers.source.tolist() == ["late", "late"]
        assert "busy with earlier calls" in answers.messages[1]
        assert not surrogate.wait(0.01)
        release(tmp_path, 1.0)
        assert surrogate.wait(PATIENCE)
        status = surrogate.status()
        assert (status["answered_by_simulation"], status["late"]) == (1, 3)
        assert not (tmp_path / "begun-2.0").exists()


def test_in_time_nothing_is_different() -> None:
    with Surrogate(quick(), tolerance=0.1, engine="processes", deadline=PATIENCE) as surrogate:
        assert surrogate(2.0) == 6.0
        assert surrogate.many(x=np.arange(3.0))["result"].tolist() == [0.0, 3.0, 6.0]
        assert surrogate.status()["late"] == 0


def test_an_audit_that_is_late_is_answered_by_the_model_and_judges_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    settings = {"tolerance": 0.2, "coverage": 0.8, "folder": tmp_path / "s"}
    with Surrogate(halves(tmp_path), **settings) as surrogate:
        for _ in range(4):
            surrogate.many(x=rng.uniform(size=30))
        assert surrogate.status()["threshold"] is not None
    (tmp_path / "wait").touch()
    with Surrogate(halves(tmp_path), **settings, audit=0.999999, **APART) as surrogate:
        before = surrogate.status()
        answers = surrogate.many(x=np.array([0.5]))
        assert answers.source.tolist() == ["model"]
        assert abs(answers["result"][0] - 0.25) < 0.2
        (tmp_path / "wait").unlink()
        assert surrogate.wait(PATIENCE)
        status = surrogate.status()
        assert (status["audits"], status["late"]) == (before["audits"] + 1, 0)
        assert status["answered_by_model"] == before["answered_by_model"] + 1


def test_closing_ends_what_is_late(tmp_path: Path) -> None:
    with Surrogate(
        patient(tmp_path), tolerance=0.1, engine="processes", deadline=0.05
    ) as surrogate:
        with pytest.raises(Late):
            surrogate(1.0)
        assert begun(tmp_path, 1.0)
    assert surrogate.wait(PATIENCE)  # nothing is left of it, and no warning came
    assert surrogate.status()["answered_by_simulation"] == 0


def test_a_simulation_in_this_thread_cannot_be_late() -> None:
    with pytest.raises(ConfigError, match="engine='processes'"):
        Surrogate(quick(), tolerance=0.1, deadline=0.1)
    with pytest.raises(ConfigError, match="deadline"):
        Surrogate(quick(), tolerance=0.1, engine="processes", deadline=0.0)


def test_calls_of_several_threads_are_simulated_at_once(tmp_path: Path) -> None:
    """Each waits for a file that is made only after the other has begun."""
    engine = {"kind": "processes", "workers": 2}
    found: dict[float, float] = {}
    with Surrogate(patient(tmp_path), tolerance=0.1, engine=engine) as surrogate:

        def call(x: float) -> None:
            found[x] = surrogate(x)

        threads = [threading.Thread(target=call, args=(x,)) for x in (1.0, 2.0)]
        for thread in threads:
            thread.start()
        both = begun(tmp_path, 1.0) and begun(tmp_path, 2.0)
        release(tmp_path, 1.0, 2.0)
        for thread in threads:
            thread.join()
    assert both
    assert found == {1.0: 2.0, 2.0: 4.0}


def test_many_threads_get_their_own_answers() -> None:
    engine = {"kind": "processes", "workers": 2}
    found: dict[int, list[float]] = {}
    with Surrogate(quick(), tolerance=1e-9, engine=engine) as surrogate:

        def call(number: int) -> None:
            values = [number + 10.0 * k for k in range(5)]
            found[number] = [surrogate(value) / value for value in values if value]

        threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert surrogate.status()["answered_by_simulation"] == 39
    assert all(np.allclose(ratios, 3.0) for ratios in found.values())
