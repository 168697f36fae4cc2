"""Questions of a run in a browser: shown, answered by keyboard, withdrawn, kept."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.campaign.campaign import Campaign

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)>\"'`</script><script>alert(2)</script>"
WAITS = "figure, .inputs dl"


def place(server: Any) -> str:
    return f"{server.url}/#/campaigns/one/questions"


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.wait_for_selector(WAITS)
        page.keyboard.press(key)


def fact(page: Any, name: str, number: int) -> None:
    page.wait_for_selector(f"dl.facts div:has(dt:text-is('{name}')) dd:text-is('{number}')")


def sent(page: Any) -> None:
    """Nothing waits in the browser."""
    send = page.get_by_role("button", name="Send now")
    if send.count():
        send.first.press("Enter")
    fact(page, "not yet sent", 0)


def test_questions_of_all_kinds_are_shown_and_answered(asking, serve, tab) -> None:
    outputs = {"kind": ["cat", HOSTILE], "size": {"shape": [2], "unit": "m", "low": 0, "high": 9}}
    run = asking(outputs, instructions=HOSTILE)
    random = np.random.default_rng(1)
    run.ask(
        picture=random.integers(0, 255, (32, 24, 3), dtype=np.uint8),
        field=random.normal(size=(40, 50)),
        curve=np.sin(np.arange(300) / 20),
        words=np.array(HOSTILE),
        table=random.normal(size=(5, 3)),
        x=np.array([1.5, np.nan]),
        large=np.zeros(5000),
        uri="javascript:alert(3)",
    )
    server = serve(campaigns={"one": str(run.folder)})
    shown = tab(f"{server.url}/#/campaigns/one")
    page = shown.page
    page.get_by_role("link", name="Answer its questions").press("Enter")
    page.wait_for_selector("img[alt='picture of the question']")
    page.wait_for_selector("img[alt='field of the question']")
    page.wait_for_selector(".uplot")
    page.wait_for_selector("text=5000 numbers: too many")
    page.wait_for_selector("text=not finite")
    page.wait_for_selector("td")
    size = page.eval_on_selector(
        "img[alt^=picture]", "one => [one.naturalWidth, one.naturalHeight]"
    )
    assert size == [24, 32]
    assert page.get_by_text(HOSTILE).count() == 3  # said above, as a text, on a button
    shown.accessible()
    press(page, "2")  # the class; the keys go on to the numbers
    page.keyboard.type("3 10")
    page.wait_for_selector("text=It should lie between 0 and 9.")
    page.keyboard.press("Enter")  # is no answer
    page.keyboard.press("Backspace")
    page.wait_for_selector("text=It should lie between", state="detached")
    shown.accessible()
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Nothing is asked now")
    sent(page)
    (said,) = run.said()
    assert said.arrays["kind"] == 1
    assert said.arrays["size"].tolist() == [3, 1]
    assert said.data["worker"] == "local"
    assert said.data["seconds"] > 0


def test_keys_alone_undo_skip_not_sure_and_withdrawn(asking, serve, tab) -> None:
    run = asking({"kind": ["cat", "dog"]})
    asked = [run.ask(x=np.array([float(n)])) for n in range(6)]
    server = serve(campaigns={"one": str(run.folder)})
    shown = tab(place(server), viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = shown.page
    press(page, "1")  # cat
    fact(page, "said here", 1)
    press(page, "u")  # no: it was not sent yet
    fact(page, "not yet sent", 0)
    press(page, "2", "s", "n")
    sent(page)
    page.wait_for_selector("dd:text-is('3')")  # the fourth is shown
    run.end(asked[3])
    page.wait_for_selector("text=The question that was here is answered or withdrawn.")
    page.wait_for_selector("dd:text-is('4')")
    press(page, "1")
    sent(page)
    press(page, "u")
    page.wait_for_selector("text=cannot be taken back")
    assert [one.data["question"] for one in run.said()] == [asked[0], asked[4]]
    assert [int(one.arrays["kind"]) for one in run.said()] == [1, 0]
    assert [one.data["question"] for one in run.said("abstain")] == [asked[2]]
    assert not shown.overflows
    shown.accessible()


def test_nothing_is_lost_through_a_reload_and_a_killed_server(asking, serve, tab) -> None:
    from playwright.sync_api import expect

    run = asking({"depth": {"unit": "m"}})
    asked = [run.ask(x=np.array([float(n)])) for n in range(4)]
    server = serve(campaigns={"one": str(run.folder)})
    shown = tab(place(server))
    page = shown.page
    page.get_by_label("depth").fill("1.5")
    page.keyboard.press("Enter")
    page.wait_for_selector("dd:text-is('1')")
    page.get_by_label("depth").fill("2.2")
    page.reload()  # one is not sent yet, one is half typed
    expect(page.get_by_label("depth")).to_have_value("2.2", timeout=60_000)
    server.end(signal.SIGKILL)
    page.get_by_label("depth").press("Enter")
    page.wait_for_selector("text=What you said is kept here")
    server.start()
    page.wait_for_selector("dd:text-is('2')")
    sent(page)
    assert [one.data["question"] for one in run.said()] == asked[:2]
    assert [float(one.arrays["depth"]) for one in run.said()] == [1.5, 2.2]
    shown.forgive("ERR_")


def test_two_people_do_not_get_the_same_questions(asking, serve, tab) -> None:
    run = asking({"kind": ["cat", "dog"]})
    asked = [run.ask(x=np.array([float(n)])) for n in range(8)]
    server = serve(campaigns={"one": str(run.folder)})
    shown = [tab(place(server)) for _ in range(2)]
    for name, one in zip(("ada", "bob"), shown, strict=True):
        one.page.get_by_label("You are").fill(name)
        one.page.get_by_role("heading", level=1).click()
    for number in range(4):
        for one in shown:
            press(one.page, "1")
            fact(one.page, "said here", number + 1)
    for one in shown:
        sent(one.page)
    assert sorted(one.data["question"] for one in run.said()) == sorted(asked)
    by = [one.data["worker"] for one in run.said()]
    assert sorted(by) == ["ada"] * 4 + ["bob"] * 4


def test_what_addresses_lead_to_is_shown_where_it_may_be_read(
    asking, serve, tab, tmp_path: Path
) -> None:
    from PIL import Image

    folder = tmp_path / "<b>photos"
    folder.mkdir()
    Image.new("RGB", (20, 30), (200, 0, 0)).save(folder / "a.png")
    (folder / "b.txt").write_text(HOSTILE, encoding="utf-8")
    run = asking({"kind": ["cat", "dog"]})
    run.ask(uri=(folder / "a.png").as_uri())
    run.ask(uri=(folder / "b.txt").as_uri())
    run.ask(uri=run.folder.as_uri())  # not below a root
    run.ask(uri="https://example.org/a.png")  # no host may be asked
    server = serve(
        campaigns={"one": str(run.folder)}, tenants={"default": {"roots": [str(folder)]}}
    )
    shown = tab(place(server))
    page = shown.page
    page.wait_for_selector("figure img")
    shown.accessible()
    page.keyboard.press("1")
    page.wait_for_selector("figure pre")
    assert page.locator("figure pre").inner_text() == HOSTILE
    page.keyboard.press("1")
    page.wait_for_selector(f"figure code:text-is('{run.folder.as_uri()}')")
    page.keyboard.press("1")
    link = page.get_by_role("link", name="https://example.org/a.png")
    assert link.get_attribute("rel") == "noopener noreferrer"
    assert page.locator("figure img, figure pre").count() == 0
    page.keyboard.press("1")
    sent(page)
    assert len(run.said()) == 4


def test_what_came_too_late_is_told(asking, serve, tab) -> None:
    run = asking({"kind": ["cat", "dog"]})
    first = run.ask(x=np.array([0.0]))
    server = serve(campaigns={"one": str(run.folder)})
    shown = tab(place(server))
    page = shown.page
    press(page, "1")
    run.end(first)
    page.get_by_role("button", name="Send now").press("Enter")
    page.get_by_role("heading", name="Came to nothing").wait_for()
    page.get_by_role("button", name="Drop it").press("Enter")
    page.get_by_role("heading", name="Came to nothing").wait_for(state="detached")
    assert run.said() == []
    shown.forgive("404")


def test_a_campaign_ends_by_what_a_person_says(tmp_path: Path, serve, tab) -> None:
    folder = tmp_path / "runs" / "depths"
    campaign = Campaign(
        generator={"use": "uniform", "options": {"low": [-1.0], "high": [1.0]}},
        model={"use": "random_features", "options": {"outputs": ["depth"], "members": 2}},
        oracles={"person": {"use": "human", "outside": 3, "options": {"outputs": {"depth": [1]}}}},
        output="depth",
        initial=3,
        holdout=0.0,
        budget={"labels": 6},
        engine="inline",
    )
    ended: list[Any] = []
    running = threading.Thread(
        target=lambda: ended.append(campaign.run(folder, progress=False, handle_signals=False))
    )
    server = serve(campaigns={"runs": str(folder.parent)})
    running.start()
    shown = tab(server.url)
    page = shown.page
    while not (folder / "manifest.json").exists():
        page.wait_for_timeout(50)
    page.goto(f"{server.url}/#/campaigns/runs:depths/questions")
    for number in range(6):
        page.get_by_label("depth").fill(str(number / 10))
        page.keyboard.press("Enter")
        sent(page)
    page.goto(f"{server.url}/#/campaigns/runs:depths")
    page.wait_for_selector("text=6 of 6")
    page.wait_for_selector(".state.finished")
    running.join(60)
    assert ended[0].status == "finished"
