"""A generator goes on from its saved state, whoever died: its worker or the controller."""

from __future__ import annotations

import os
import signal

import pytest
from commanded import Site, until


def lines(site: Site) -> list[tuple[str, int]]:
    log = site.folder / "states.log"
    found = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(word, int(steps)) for word, steps in found]


def saved_again(site: Site) -> int:
    """Wait for another state on the disk; the count of steps that the file holds."""
    file = site.run / "generators" / "generator0.0.safetensors"
    before = file.stat().st_mtime_ns if file.exists() else 0
    until(lambda: file.exists() and file.stat().st_mtime_ns != before)
    return lines(site)[-1][1]


@pytest.mark.kill
def test_a_count_in_a_generators_state_goes_on(site: Site) -> None:
    options = {"log": "states.log", "pause": 0.001}
    site.configure(
        generators={"use": "fault_roles:Walkers", "options": options}, budget={"labels": 400}
    )
    process = site.begin()
    for number in range(3):
        saved_again(site)
        saved_again(site)
        pid = until(lambda: site.worker("explorer.0-0"))
        os.kill(pid, signal.SIGKILL)
        until(lambda n=number: [word for word, _ in lines(site)].count("restored") > n)
    saved_again(site)
    site.kill(process)
    process = site.begin()
    until(lambda: [word for word, _ in lines(site)].count("restored") > 3)
    saved_again(site)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    states = lines(site)
    kept: list[int] = []
    for word, steps in states:
        if word == "saved":
            kept.append(steps)
        elif word == "restored":
            assert steps in kept[-2:]  # killed in the middle of saving, it is the state before
    assert kept == sorted(kept)
    assert states[-1][0] == "saved"  # stopped in order, it saves once more
    assert states[-1][1] > max(steps for word, steps in states if word == "restored") > 100
