"""Roles that raise, hang, lie and crash, in real workers: failures are values with a sentence."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from querist.campaign.campaign import Campaign, RunResult
from querist.campaign.inspecting import FailedTry, failures_of
from querist.core.answers import Reason


def campaign(**changes) -> Campaign:
    settings = {
        "generator": "fault_roles:Ways",
        "model": {"use": "random_features", "options": {"features": 16, "members": 2}},
        "oracle": {"use": "function", "options": {"function": "fault_roles:square"}},
        "output": "y",
        "initial": 8,
        "holdout": 0.0,
        "budget": {"labels": 8},
        "retry": {"attempts": 2, "backoff": 0.01},
    }
    return Campaign(**{**settings, **changes})


def failures(result: RunResult) -> dict[str, list[FailedTry]]:
    found: dict[str, list[FailedTry]] = {}
    for failure in failures_of(result.folder):
        found.setdefault(failure.reason, []).append(failure)
    return found


@pytest.mark.kill
def test_every_way_of_failing_is_a_failure_with_its_cause(tmp_path: Path) -> None:
    oracle = {
        "use": "function",
        "options": {"function": "fault_roles:fail", "outputs": {"y": []}},
        "workers": 2,
        "timeout": 1.0,
        "memory_mb": 2000,
        "validator": {"use": "fault_roles:unlikely_factory"},
    }
    made = campaign(
        oracle=oracle, initial=20, budget={"labels": 10}, retry={"attempts": 2, "give_up": 50}
    )
    result = made.run(tmp_path / "run", progress=False)
    assert result.status == "finished", result.reason
    found = failures(result)
    words = {
        Reason.RAISED: "no such geometry",
        Reason.TIMEOUT: "exceeded its time limit of 1 s",
        Reason.NOT_FINITE: "not finite",
        Reason.MEMORY: "Unable to allocate 8.00 GiB",
        Reason.REJECTED: "dissociation limit",
        Reason.WRONG_SHAPE: "shape",
        Reason.WORKER_LOST: "SIGSEGV",
    }
    for reason, word in words.items():
        said = [failure.message for failure in found[reason.value]]
        assert any(word in message for message in said), (reason, said)
    lost = " ".join(f.message for f in found[Reason.WORKER_LOST.value])
    assert "exit status 3" in lost
    assert "fault_roles.py" in found[Reason.RAISED.value][0].traceback
    crash = next(f for f in found[Reason.WORKER_LOST.value] if "SIGSEGV" in f.message)
    assert "Segmentation fault" in crash.traceback
    final = {f.what for tries in found.values() for f in tries if f.final}
    assert len(final) == 10
    dataset = result.dataset()
    assert np.array_equal(dataset.outputs["y"], dataset.inputs["x"][:, 0] ** 2)
    assert dataset.inputs["x"].min() >= 10


def test_an_oracle_that_breaks_its_contract_fails_and_nothing_breaks(tmp_path: Path) -> None:
    made = campaign(
        oracle="fault_roles:Crooked",
        initial=10,
        budget={"labels": 2},
        retry={"attempts": 1, "give_up": 99},
        engine="inline",
    )
    result = made.run(tmp_path / "run", progress=False)
    assert result.status == "finished", result.reason
    said = " ".join(f.message for tries in failures(result).values() for f in tries)
    assert "'NoneType' object is not iterable" in said
    assert "a Label, a Failure or an Abstention for each sample, but gave dict" in said
    assert "Python objects" in said
    assert "gave 0 outcomes for 1 samples" in said


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"model": "fault_roles:BadFit"}, "training failed 3 times: ArithmeticError: the matrix"),
        ({"model": "fault_roles:BadPredict"}, "all explorers failed, the last one: Arithmetic"),
        ({"generator": "fault_roles:BadGenerator"}, "the last one: RuntimeError: the thermostat"),
        ({"oracle": "fault_roles:BadStart"}, "the licence server does not answer"),
    ],
)
@pytest.mark.parametrize("engine", ["inline", pytest.param("processes", marks=pytest.mark.kill)])
def test_a_broken_role_ends_the_campaign_with_its_cause(
    tmp_path: Path, changes, said: str, engine: str
) -> None:
    result = campaign(engine=engine, budget={"labels": 60}, **changes).run(
        tmp_path / "run", progress=False
    )
    assert result.status == "failed"
    assert said in result.reason
    assert "\n" not in result.reason
    listed = failures_of(result.folder)
    assert any("Traceback" in failure.traceback for failure in listed)
    assert any(said.split(": ")[-1][:12] in failure.message for failure in listed)


def test_an_oracle_that_always_fails_ends_the_campaign_soon(tmp_path: Path) -> None:
    oracle = {"use": "function", "options": {"function": "fault_roles:fail_always"}}
    made = campaign(oracle=oracle, initial=8, engine="inline", retry={"attempts": 1, "give_up": 4})
    result = made.run(tmp_path / "run", progress=False)
    assert result.status == "failed"
    assert re.match(r"all of the first \d questions failed", result.reason)
    assert "the queue system is down" in result.reason
