"""The page of a campaign in a browser, served by ``querist watch``."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>\"'`</script><script>alert(2)</script>"


@pytest.fixture
def watched() -> Iterator[Callable[[Path], str]]:
    """Starts ``querist watch`` for a run; the address that it says."""
    started: list[subprocess.Popen[str]] = []

    def watch(folder: Path) -> str:
        command = [sys.executable, "-m", "querist", "watch", str(folder), "--no-open"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found is not None, line
        return found[0]

    yield watch
    ends = []
    for process in started:
        process.terminate()
        ends.append(process.communicate(timeout=60)[1])
    assert ends == [""] * len(started)
    assert {process.returncode for process in started} <= {0}


@pytest.mark.slow
def test_a_run_is_seen_while_it_goes_on_and_steered(made_run, watched, tab) -> None:
    run = made_run(labels=400, oracles=3)
    run.go_on(80)
    shown = tab(watched(run.folder))
    page = shown.page
    page.wait_for_selector("text=80 of 500")
    for title in (
        "Learning curve",
        "Error against uncertainty",
        "Queue",
        "Why questions were asked",
        "Cost so far",
        "Effective speed-up",
        "Workers",
        "Failures",
    ):
        assert page.get_by_role("heading", name=title, exact=True).count() == 1
    assert page.get_by_role("navigation").get_by_role("link").all_inner_texts() == ["Campaigns"]
    run.go_on(60)
    page.wait_for_selector("text=140 of 500")  # by itself

    shown.accessible()
    page.get_by_role("button", name="Pause").press("Enter")
    page.wait_for_selector("text=lies in the run's inbox")
    page.get_by_label("Label budget").fill("321")
    page.get_by_label("Label budget").press("Enter")
    page.wait_for_selector("text=“set” lies")
    page.get_by_label("Gate threshold").fill("0.25")
    page.get_by_label("Gate threshold").press("Enter")
    page.get_by_role("button", name="Stop …").press("Enter")
    page.get_by_role("button", name="Really stop").press("Enter")
    page.wait_for_selector("text=“stop” lies")
    posted = [(one.kind, one.data) for one in run.run.inbox.pending()]
    assert posted == [
        ("pause", {}),
        ("set", {"labels": 321}),
        ("set", {"threshold": 0.25}),
        ("stop", {"why": "by local"}),
    ]


def test_commands_of_others_are_seen_and_a_paused_run_goes_on(made_run, watched, tab) -> None:
    run = made_run(labels=60, oracles=2)
    run.go_on(20)
    page = tab(watched(run.folder)).page
    page.get_by_role("button", name="Pause").wait_for()
    run.say("user.command", {"t": 90.0, "kind": "set", "data": {"labels": 77}})
    page.wait_for_selector("text=20 of 77")
    page.get_by_role("table", name="Commands").get_by_text("labels 77").wait_for()
    run.say("user.command", {"t": 91.0, "kind": "pause", "data": {}})
    page.wait_for_selector(".state.paused")
    assert page.get_by_role("button", name="Pause").count() == 0
    page.get_by_role("button", name="Resume").click()
    page.wait_for_selector("text=“resume” lies in the run's inbox")
    assert [one.kind for one in run.run.inbox.pending()] == ["resume"]
    run.say("user.command", {"t": 92.0, "kind": "lease", "data": {"question": "q"}})
    run.say("user.command", {"t": 93.0, "kind": "resume", "data": {}})
    page.get_by_role("button", name="Pause").wait_for()
    commands = page.get_by_role("table", name="Commands").locator("tbody tr")
    assert [row.split("\t")[1] for row in commands.all_inner_texts()] == ["resume", "pause", "set"]


def test_hostile_words_stay_words_dark_and_narrow(made_run, watched, tab) -> None:
    run = made_run(labels=60, oracles=2)
    run.go_on(40)
    failure = {"t": 90.0, "question": HOSTILE, "oracle": HOSTILE, "reason": HOSTILE}
    run.say("answer.failure", failure | {"message": HOSTILE, "traceback": HOSTILE * 20})
    run.say("worker.joined", {"t": 91.0, "worker": HOSTILE, "pool": HOSTILE})
    size = {"width": 390, "height": 800}
    shown = tab(watched(run.folder), color_scheme="dark", viewport=size)
    page = shown.page
    page.locator("details.failure").first.locator("summary").press("Enter")
    assert HOSTILE in page.locator("details.failure pre").first.inner_text()
    assert page.locator("img").count() == 0
    assert not shown.overflows
    shown.accessible()
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.get_by_label("Colours").select_option("light")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != dark
    page.reload()
    page.wait_for_selector("text=Learning curve")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != dark


def test_a_service_with_keys_asks_for_one(made_run, serve, tab, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("qk_" + "a" * 20 + "_" + "b" * 52)
    run = made_run(labels=60, oracles=2)
    run.go_on(20)
    server = serve(
        keys={"without": "never", "first": str(secret)}, campaigns={"one": str(run.folder)}
    )
    shown = tab(server.url)
    page = shown.page
    page.get_by_label("Key").fill(secret.read_text())
    page.get_by_role("button", name="Open").press("Enter")
    page.get_by_role("link", name="one", exact=True).press("Enter")
    page.wait_for_selector("text=20 of 500")
    shown.complaints = [one for one in shown.complaints if "401" not in one]
