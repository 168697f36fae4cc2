"""What the process may use."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from querist.engines import machine


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_no_control_groups_no_quota(tmp_path: Path) -> None:
    assert machine.cgroup_quota(tmp_path) is None


@pytest.mark.parametrize(
    "inner, outer, quota",
    [
        ("max 100000", "max 100000", None),
        ("150000 100000", "max 100000", 1.5),
        ("max 100000", "300000 100000", 3.0),
    ],
)
def test_version_2_takes_the_smallest_above(tmp_path: Path, inner, outer, quota) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/job/step\n")
    write(tmp_path / "sys/fs/cgroup/job/step/cpu.max", inner)
    write(tmp_path / "sys/fs/cgroup/job/cpu.max", outer)
    assert machine.cgroup_quota(tmp_path) == quota


@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
def test_version_1_also_where_the_path_is_the_hosts(tmp_path: Path, mount: str) -> None:
    write(tmp_path / "proc/self/cgroup", "3:memory:/x\n2:cpu,cpuacct:/docker/77\n0::/\n")
    write(tmp_path / f"sys/fs/cgroup/{mount}/cpu.cfs_quota_us", "250000")
    write(tmp_path / f"sys/fs/cgroup/{mount}/cpu.cfs_period_us", "100000")
    assert machine.cgroup_quota(tmp_path) == 2.5


def test_version_1_without_limit(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "2:cpu:/\n")
    write(tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1")
    write(tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")
    assert machine.cgroup_quota(tmp_path) is None


@pytest.mark.parametrize("quota, cores", [(None, 4), (0.5, 1), (2.5, 3), (9.0, 4)])
def test_cores_are_those_of_affinity_and_quota(monkeypatch, quota, cores) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2, 4, 6}, raising=False)
    monkeypatch.setattr(machine, "cgroup_quota", lambda: quota)
    assert machine.usable_cores() == cores


def test_thread_variables() -> None:
    variables = machine.thread_environment(3)
    assert variables["OMP_NUM_THREADS"] == variables["OPENBLAS_NUM_THREADS"] == "3"


def test_a_process_knows_its_age() -> None:
    code = "import time; time.sleep(0.3); from querist.engines.machine import process_age as age; "
    code += "print(age())"
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.28 <= float(done.stdout) <= time.monotonic() - begun + 0.02
