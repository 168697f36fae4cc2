"""Interrupts, full disks, locks and garbage: every end is orderly, with a sentence."""

from __future__ import annotations

import json
import re
import signal
import time

import pytest
from commanded import Site, until

from querist.store.run_folder import RunFolder

# A signal may come between the opening of a file and the statement that closes it; these tests have
# Python tell of it, which it does not do by itself.
LEAKED = re.compile(r"Exception ignored in:.*?ResourceWarning: unclosed file[^\n]*\n", re.DOTALL)

QUICK = {"use": "function", "options": {"function": "fault_roles:square"}}
SLOW = {"use": "function", "options": {"function": "fault_roles:slow_square"}, "workers": 2}
ENDLESS = {"budget": {"labels": 10_000}, "queue": {"max_fresh": 8}}


def begun(site: Site, facts: int = 12):
    """A run that has done something already."""
    process = site.begin()
    until(lambda: process.poll() is not None or len(site.facts()) >= facts)
    return process


def end_of(process) -> tuple[int, str, float]:
    """Exit status, what was said, and after how many seconds."""
    start = time.monotonic()
    _, err = process.communicate(timeout=30)
    return process.returncode, err, time.monotonic() - start


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_the_run_in_order(site: Site, signum: int) -> None:
    site.configure(oracles=SLOW, **ENDLESS)
    process = begun(site)
    process.send_signal(signum)
    status, said, seconds = end_of(process)
    name = "Ctrl-C" if signum == signal.SIGINT else "SIGTERM"
    assert status == 130
    assert f"stopped: stopped by {name}" in said
    assert f"continue with: querist resume {site.run}" in said
    assert "Traceback" not in said
    assert seconds < 15
    site.nothing_left()
    assert site.facts()[-1].data["status"] == "stopped"
    # What was in flight had time to arrive: nothing asked is without an answer.
    answered = {fact.data["question"] for fact in site.facts("answer.label")}
    assert {fact.data["question"] for fact in site.facts("question.asked")} == answered


def test_a_second_ctrl_c_ends_it_at_once(site: Site) -> None:
    hanging = {"use": "fault_roles:Logged", "options": {"log": "calls.log", "seconds": [60, 61]}}
    site.configure(oracles={**hanging, "workers": 2}, **ENDLESS)
    process = site.begin()
    until(site.calls)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    status, said, seconds = end_of(process)
    assert status not in (0, None)
    assert seconds < 15
    assert "Traceback" not in said
    site.nothing_left()
    assert not site.facts("answer.label")


@pytest.mark.parametrize("wait", [0.6, 1.0])
def test_ctrl_c_while_it_starts(site: Site, wait: float) -> None:
    site.configure(oracles=QUICK, **ENDLESS)
    process = site.begin()
    until(lambda: (site.run / "manifest.json").exists())
    time.sleep(wait - 0.6)
    process.send_signal(signal.SIGINT)
    status, said, _ = end_of(process)
    assert status != 0
    assert "Traceback" not in LEAKED.sub("", said)
    site.nothing_left()
    site.configure(oracles=QUICK)
    assert RunFolder(site.run).config()["settings"]["budget"]["labels"] == 10_000
    site.ask("set", site.run, "--labels", 12)
    site.finish()
    assert len(site.facts("answer.label")) == 12


@pytest.mark.slow
@pytest.mark.parametrize("limit", [9_000, 40_000])
def test_a_full_disk_ends_it_with_a_sentence_and_loses_nothing(site: Site, limit: int) -> None:
    site.configure(oracles=SLOW, budget={"labels": 60})
    process = site.begin(limit=limit)
    status, said, _ = end_of(process)
    assert status == 1, said
    assert "no space left" in said
    assert "Free some space" in said
    assert "Traceback" not in said
    site.nothing_left()
    before = {fact.data["question"] for fact in site.facts("answer.label")}
    site.finish()
    labels = [fact.data["question"] for fact in site.facts("answer.label")]
    assert len(labels) == len(set(labels)) == 60
    assert before < set(labels)


def test_a_syntax_error_is_a_sentence_within_seconds(site: Site) -> None:
    (site.folder / "broken.py").write_text(
        "class Oracle:\n    def answer(self, samples context):\n"
    )
    site.configure(oracles="broken:Oracle", model="fault_rolls:Model", generators="os:getcwd2")
    for command in (("check", "campaign.yaml"), ("run", "campaign.yaml")):
        status, _, said = site.call(*command)
        assert status == 2
        assert "broken.py, line 2" in said
        assert "No module named 'fault_rolls'" in said
        assert "has no attribute 'getcwd2'" in said
        assert "Traceback" not in said
    assert not (site.folder / "runs").exists()


def test_a_run_folder_that_is_there_is_left_alone(site: Site) -> None:
    site.configure(oracles=QUICK, budget={"labels": 10})
    site.finish()
    before = len(site.facts())
    status, said = site.ask("run", site.folder / "campaign.yaml", "--folder", site.run)
    assert status == 1
    assert "already holds a run. Continue it with `querist resume" in said
    (site.folder / "mine").mkdir()
    (site.folder / "mine" / "thesis.tex").write_text("x")
    mine = site.folder / "mine"
    status, said = site.ask("run", site.folder / "campaign.yaml", "--folder", mine)
    assert status == 1
    assert "is not an empty folder" in said
    assert len(site.facts()) == before
    status, said = site.ask("resume", site.folder / "mine")
    assert status == 1
    assert "is not the folder of a run" in said


def test_a_running_run_can_be_looked_at_but_not_run_twice(site: Site) -> None:
    site.configure(oracles=SLOW, **ENDLESS)
    process = begun(site, 30)
    status, said = site.ask("resume", site.run)
    assert status == 1
    assert f"is being written by process {process.pid} on host" in said
    assert "Traceback" not in said
    assert site.ask("status", site.run)[1].count("\n") == 1
    assert "0 failures" in site.ask("failures", site.run)[1]
    assert site.ask("report", site.run)[0] == 0
    assert "<html" in (site.run / "report.html").read_text()[:500]
    assert json.loads(site.ask("summary", site.run)[1])
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert end_of(process)[0] == 130


def test_garbage_in_the_inbox_stops_nobody(site: Site) -> None:
    site.configure(oracles=QUICK, **ENDLESS)
    process = begun(site)
    inbox = RunFolder(site.run).inbox
    (site.run / "inbox" / "notes.txt").write_text("hello")
    (site.run / "inbox" / ("0" * 20 + "-" + "a" * 32 + ".message")).write_bytes(b"\x00garbage")
    (site.run / "inbox" / "folder").mkdir()
    inbox.post("launch", {})
    inbox.post("set", {"labels": "many"})
    inbox.post("set", {"sample": 3})
    inbox.post("answer", {"question": "nobody.asked.0"})
    inbox.post("answer", {"question": ["x"]})
    until(lambda: process.poll() is not None or not inbox.pending())
    assert len(list(inbox.rejected.glob("*.reason.json"))) == 3
    site.ask("set", site.run, "--labels", 30)
    status, said, _ = end_of(process)
    assert status == 0, said
    (command,) = site.facts("user.command")
    assert command.data["data"] == {"labels": 30}


def test_set_pause_go_and_stop_reach_a_running_run(site: Site) -> None:
    site.configure(oracles=SLOW, **ENDLESS)
    process = begun(site)
    assert site.ask("pause", site.run)[0] == 0
    until(lambda: site.facts("user.command"))
    until(lambda: len(site.facts("question.asked")) == len(site.facts("answer.label")))
    asked = len(site.facts("question.asked"))
    time.sleep(0.7)
    assert len(site.facts("question.asked")) == asked
    assert "paused" in site.ask("status", site.run)[1]
    site.ask("go", site.run)
    until(lambda: len(site.facts("question.asked")) > asked)
    site.ask("stop", site.run)
    status, said, _ = end_of(process)
    assert status == 130
    assert "stopped by `querist stop`" in said
    goal = len(site.facts("answer.label")) + 5
    site.ask("set", site.run, "--labels", goal)
    site.finish()
    assert len(site.facts("answer.label")) == goal
    kinds = [fact.data["kind"] for fact in site.facts("user.command")]
    assert kinds == ["pause", "resume", "stop", "set"]
    assert not list((site.run / "inbox").glob("*.message"))
