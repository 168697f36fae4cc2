"""A real browser, pages in it that must not complain, and runs to look at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from querist.core.batch import Sample
from querist.store.run_folder import RunFolder
from querist.testing.runs import RunPlan, synthetic_run

AXE = Path(__file__).parent / "vendor" / "axe.js"
RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}"


@pytest.fixture(autouse=True)
def _only_where_asked(request: pytest.FixtureRequest) -> None:
    """One of these tests belongs to the slow ones; the rest run by ``make browser``."""
    here = request.node.get_closest_marker
    if here("browser") and not here("slow") and "QUERIST_CHROMIUM" not in os.environ:
        pytest.skip("runs by: make browser")


@pytest.fixture(scope="module")  # while it is open, its event loop runs in this thread
def browser() -> Iterator[Any]:
    found = os.environ.get("QUERIST_CHROMIUM") or shutil.which("chromium")
    if not found:
        pytest.skip("needs a Chromium, which `make browser` installs")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # The sandbox of Chromium does not start as root, as which containers run.
        sandbox = os.getuid() != 0
        opened = playwright.chromium.launch(executable_path=found, chromium_sandbox=sandbox)
        yield opened
        opened.close()


class Tab:
    """A page that notes what it must not do; of the same browser as another where that is given."""

    def __init__(self, browser: Any, url: str, context: Any = None, **how: Any) -> None:
        self.context = context or browser.new_context(**how)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._requested)
        self.page.goto(url)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"a script ran: {dialog.message}")
        dialog.dismiss()

    def _requested(self, request: Any) -> None:
        if not request.url.startswith("blob:"):
            self.hosts.add(urlsplit(request.url).hostname or request.url)

    def accessible(self) -> None:
        """Nothing that axe-core can see keeps anybody out."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate(f"axe.run(document, {RULES})")
        broken = [
            (one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found["violations"]
        ]
        assert broken == []

    def forgive(self, part: str) -> None:
        """Pass over complaints that a test brought about."""
        self.complaints = [one for one in self.complaints if part not in one]

    @property
    def overflows(self) -> bool:
        """Whether the page is wider than its window."""
        width: bool = self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return width

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Callable[..., Tab]]:
    """Opens pages; after the test none may have complained or asked another host."""
    opened: list[Tab] = []

    def open_tab(url: str, **how: Any) -> Tab:
        opened.append(Tab(browser, url, **how))
        return opened[-1]

    yield open_tab
    for one in opened:
        one.close()
    assert [one.complaints for one in opened] == [[] for _ in opened]
    assert {host for one in opened for host in one.hosts} <= {"127.0.0.1"}


class MadeRun:
    """A run's folder that the test writes, as a running campaign does."""

    def __init__(self, folder: Path, **plan: Any) -> None:
        self.folder = folder
        config = {"settings": {"budget": {"labels": 500}}}
        self.run = RunFolder.create(folder, config)
        self._writer = self.run.journal_writer()
        self._facts = synthetic_run(np.random.default_rng(3), RunPlan(ended=False, **plan))

    def go_on(self, labels: int) -> None:
        """Write facts until there are so many labels more."""
        for fact in self._facts:
            self._writer.append(fact.kind, fact.data, fact.arrays)
            labels -= fact.kind == "answer.label"
            if not labels:
                break
        self._writer.flush()

    def say(self, kind: str, data: dict[str, Any]) -> None:
        """Write one more fact."""
        self._writer.append(kind, data)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
def made_run(tmp_path: Path) -> Iterator[Callable[..., MadeRun]]:
    made: list[MadeRun] = []

    def make(**plan: Any) -> MadeRun:
        made.append(MadeRun(tmp_path / f"run-{len(made)}", **plan))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Asking:
    """A run's folder whose questions the test asks and withdraws, as a campaign does."""

    def __init__(self, folder: Path, outputs: dict[str, Any], **options: Any) -> None:
        person = {"use": "human", "outside": 20, "options": {"outputs": outputs, **options}}
        settings = {"budget": {"labels": 50}, "oracles": {"person": person}}
        self.folder = folder
        self.run = RunFolder.create(folder, {"settings": settings})
        self._writer = self.run.journal_writer()

    def ask(self, why: str = "uncertain", uri: str | None = None, **inputs: Any) -> str:
        sample = Sample.of(inputs, uri)
        told = {"question": f"{sample.id}.person.0", "sample": sample.id, "oracle": "person"}
        about = {"purpose": "train", "why": why, "score": 0.25, "t": 1.0, "uri": uri}
        arrays = {f"in/{name}": array for name, array in sample.arrays.items()}
        self._writer.append("question.asked", told | about, arrays)
        self._writer.flush()
        return told["question"]

    def end(self, question: str) -> None:
        self._writer.append("answer.abstention", {"question": question, "t": 2.0, "final": True})
        self._writer.flush()

    def said(self, *kinds: str) -> list[Any]:
        return [one for one in self.run.inbox.pending() if one.kind in (kinds or ("answer",))]

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Callable[..., Asking]]:
    made: list[Asking] = []

    def make(outputs: dict[str, Any], **options: Any) -> Asking:
        made.append(Asking(tmp_path / f"asking-{len(made)}", outputs, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


NAMES = ["cat", "dog", "<img src=x onerror=alert(1)>"]


@pytest.fixture
def pool(serve, tmp_path: Path, pictures, finished) -> Callable[..., Any]:
    """Makes a pool of pictures, or of texts, at a server of its own."""

    def make(things: int | dict[str, str], **more: Any) -> tuple[Any, str]:
        folder = pictures(things) if isinstance(things, int) else tmp_path / "texts"
        if isinstance(things, dict):
            folder.mkdir()
            for name, text in things.items():
                (folder / name).write_text(text, encoding="utf-8")
        server = serve(tenants={"default": {"roots": [str(folder)]}})
        body = {"name": "<b>digits</b>", "classes": NAMES, "uris": [str(folder)], **more}
        with server.client() as client:
            made = client.post("/v1/pools", json=body).json()
            assert finished(client, made["addition"])["state"] == "done"
        return server, made["id"]

    return make


class Desk:
    """The labelling page of a pool in a tab."""

    def __init__(self, shown: Tab, tab: Callable[..., Tab]) -> None:
        self.shown, self.page, self._tab = shown, shown.page, tab

    def again(self) -> Desk:
        """The same in another tab of the same browser."""
        return Desk(self._tab(self.page.url, context=self.shown.context), self._tab)

    def press(self, *keys: str) -> None:
        """Press keys when there is an item, and it is seen."""
        for key in keys:
            self.page.wait_for_selector("figure[aria-busy=false] figcaption")
            self.page.keyboard.press(key)

    def saved(self, number: int) -> None:
        """Wait until so many were said in this tab, and nothing waits to be saved."""
        fact = "dl.facts div:has(dt:text-is('{}')) dd:text-is('{}')"
        self.page.wait_for_selector(fact.format("said here", number))
        self.page.wait_for_selector(fact.format("not yet saved", 0))

    def ready(self) -> None:
        """Wait until the item can be marked."""
        self.page.wait_for_selector(".text [data-word], .frame.ready")


@pytest.fixture
def desk(tab: Callable[..., Tab]) -> Callable[..., Desk]:
    """Opens the labelling page of a pool."""

    def open_desk(server: Any, pool: str = "", **how: Any) -> Desk:
        url = f"{server.url}/#/pools/{pool}" if pool else server.url
        return Desk(tab(url, **how), tab)

    return open_desk


@pytest.fixture
def labels_of() -> Callable[[Any, str], list[Any]]:
    """The labels that hold, by item."""

    def labels(server: Any, pool: str) -> list[Any]:
        with server.client() as client:
            page = client.get(f"/v1/pools/{pool}/labels", params={"limit": 1000}).json()
        return [one["value"] for one in page["items"]]

    return labels
