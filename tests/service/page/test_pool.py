"""Pools in a browser: made, seen, asked, mapped and compared; strange names run nothing."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)>\"'`&<script>alert(2)<%2Fscript>"
FILE = {"Content-Type": "application/octet-stream"}
PHONE = {"width": 390, "height": 800}


@pytest.fixture
def texts(serve, finished) -> Any:
    """Makes a pool of texts, by id, at a server of its own."""

    def make(items: dict[str, str], **config: Any) -> tuple[Any, str]:
        server = serve(**config)
        lines = [json.dumps({"id": id, "text": text}) for id, text in items.items()]
        body = {"name": HOSTILE, "transform": {"modality": "text"}, "classes": [HOSTILE, "b"]}
        with server.client() as client:
            made = client.post("/v1/pools", json=body).json()["id"]
            url = f"/v1/pools/{made}/manifests"
            sent = "\n".join(lines).encode()
            job = client.post(url, params={"format": "jsonl"}, content=sent, headers=FILE).json()
            assert finished(client, job["id"])["state"] == "done"
        return server, made

    return make


def choose(page: Any, name: str, option: str) -> None:
    page.get_by_role("combobox", name=name).select_option(option)


def ask(page: Any, strategy: str, budget: str) -> None:
    """Run a query from the page of queries to its picks."""
    page.get_by_role("navigation", name="Parts").get_by_role("link", name="Queries").press("Enter")
    page.get_by_role("heading", name="Which items next?").wait_for()
    choose(page, "Strategy", strategy)
    page.get_by_role("spinbutton", name="Items to pick").fill(budget)
    page.get_by_role("button", name="Pick", exact=True).press("Enter")
    page.get_by_role("list", name="Picks").wait_for()


def part(page: Any, name: str) -> None:
    page.get_by_role("navigation", name="Parts").get_by_role("link", name=name).press("Enter")


@pytest.mark.slow
def test_from_a_folder_to_picks_on_a_map(serve, pictures, tab, tmp_path: Path) -> None:
    folder = pictures(60)
    server = serve(tenants={"default": {"roots": [str(folder)]}})
    shown = tab(server.url + "/#/pools")
    page = shown.page
    page.get_by_role("textbox", name="Name").fill("small")
    page.get_by_role("textbox", name="Folders").fill(str(folder))
    page.get_by_role("textbox", name="Classes").fill("cat, dog")
    shown.accessible()
    page.keyboard.press("Enter")
    page.wait_for_selector(".cell img.thumbnail")  # by itself, when they are listed
    assert page.locator("dd").first.inner_text() == "60"
    shown.accessible()
    page.locator(".cell").first.press("Enter")
    page.wait_for_selector("dialog img")
    shown.accessible()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")

    part(page, "Queries")
    page.get_by_role("button", name="What will it cost?").press("Enter")
    page.wait_for_selector("text=60 items are looked at")
    shown.accessible()
    ask(page, "k-center", "5")
    assert page.locator(".cell .what").first.inner_text().startswith("1. k-center")
    shown.accessible()
    with page.expect_download() as loading:
        choose(page, "as", "jsonl")
        page.get_by_role("button", name="Download the picks").press("Enter")
    saved = loading.value.path().read_text(encoding="utf-8").splitlines()
    assert (len(saved), loading.value.suggested_filename) == (5, "small-k-center.jsonl")
    ask(page, "typiclust", "5")

    part(page, "Compare")
    page.get_by_role("list", name="Picks of the second query").wait_for()
    with server.client() as client:
        queries = client.get("/v1/queries").json()["items"]
        [one, two] = [
            {pick["id"] for pick in client.get(f"/v1/queries/{q['id']}/picks").json()["items"]}
            for q in queries
        ]
    both = page.locator("dl.facts div:has(dt:text-is('picked by both')) dd")
    assert both.inner_text() == str(len(one & two))
    shown.accessible()

    part(page, "Map")
    page.wait_for_selector(f"canvas[aria-label*='{60 - len(one | two)} not labelled']")
    page.locator("canvas").press("ArrowRight")
    page.wait_for_selector("text=/unlabelled · picked [1-5]\\.: /")
    page.locator("canvas").press("Enter")
    page.wait_for_selector("dialog img")
    page.keyboard.press("Escape")
    shown.accessible()
    page.get_by_text("Draw another map").press("Enter")
    page.get_by_role("spinbutton", name="Items, at most").fill("20")
    page.get_by_role("button", name="Draw", exact=True).press("Enter")
    page.wait_for_selector("text=20 of 60 items are on it")


def test_hostile_names_and_texts_stay_words_dark_and_narrow(texts, tab) -> None:
    items = {f"{HOSTILE}-{n}": f"{HOSTILE} {n} javascript:alert(3)" for n in range(12)}
    server, _ = texts(items)
    shown = tab(f"{server.url}/#/pools", color_scheme="dark", viewport=PHONE)
    page = shown.page
    page.get_by_role("link", name=HOSTILE, exact=True).press("Enter")
    page.wait_for_selector(".thumbnail.words")
    assert HOSTILE in page.locator(".thumbnail.words").first.inner_text()
    assert not shown.overflows
    shown.accessible()
    page.locator(".cell").first.press("Enter")
    page.wait_for_selector("dialog pre")
    shown.accessible()
    page.get_by_role("button", name="Close").press("Enter")
    ask(page, "random", "4")
    assert not shown.overflows
    shown.accessible()
    part(page, "Queries")
    page.get_by_label("Note").fill(
        "words of a note that are many, " * 4
    )  # lists name queries by it
    ask(page, "k-center", "4")
    for name in ("Compare", "Map"):
        part(page, name)
        page.wait_for_selector("canvas" if name == "Map" else ".sides .cell")
        assert not shown.overflows
        shown.accessible()
    assert page.locator("img[src=x], script:not([src])").count() == 0


def test_hostile_file_names_stay_names(serve, pictures, tab, finished) -> None:
    folder = pictures(2)
    names = ["<img src=x onerror=alert(1)>", '"><script>alert(2)<', "'`${alert(3)}{{alert(4)}}"]
    for number, name in enumerate(names):
        copied = (folder / f"{number % 2:05}.png").read_bytes() + bytes(number + 1)  # no duplicate
        (folder / f"{name}.png").write_bytes(copied)
    server = serve(tenants={"default": {"roots": [str(folder)]}})
    with server.client() as client:
        body = {"name": "p", "classes": ["a", "b"], "uris": [str(folder)]}
        made = client.post("/v1/pools", json=body).json()
        assert finished(client, made["addition"])["state"] == "done"
    shown = tab(f"{server.url}/#/pools/{made['id']}/items")
    page = shown.page
    page.wait_for_selector(".cell img.thumbnail")
    seen = page.locator(".cell .name").all_inner_texts()
    assert {f"{name}.png" for name in names} <= set(seen)
    shown.accessible()
    page.locator(".cell").nth(seen.index(f"{names[0]}.png")).press("Enter")
    page.wait_for_selector("dialog img")
    page.keyboard.press("Escape")
    ask(page, "random", "5")
    part(page, "Map")
    page.wait_for_selector("canvas")
    page.locator("canvas").press("ArrowRight")
    page.get_by_role("link", name="Label", exact=True).press("Enter")
    said = set()
    page.wait_for_selector("dl.facts div:has(dt:text-is('without a label')) dd:text-is('5')")
    for number in range(5):
        page.wait_for_selector("figure[aria-busy=false] figcaption")  # keys count once it is seen
        said.add(page.locator("figure figcaption").inner_text())
        page.keyboard.press("ab"[number % 2])  # classes that are letters
        page.wait_for_selector(
            f"dl.facts div:has(dt:text-is('said here')) dd:text-is('{number + 1}')"
        )
    assert said == set(seen)
    page.wait_for_selector("dl.facts div:has(dt:text-is('without a label')) dd:text-is('0')")
    assert page.locator("img[src=x], script:not([src])").count() == 0


def test_umap_where_it_is_installed(texts, tab) -> None:
    pytest.importorskip("umap")
    server, pool = texts({f"{n}": f"text of item {n}" for n in range(40)})
    shown = tab(f"{server.url}/#/pools/{pool}/map")
    page = shown.page
    page.wait_for_selector("text=/Principal components: /")
    page.get_by_text("Draw another map").press("Enter")
    choose(page, "By", "umap")
    page.get_by_role("button", name="Draw", exact=True).press("Enter")
    page.wait_for_selector("text=/UMAP: neighbours lie together/", timeout=240_000)
    shown.accessible()


def test_umap_where_it_is_missing(texts, tab) -> None:
    server, pool = texts({f"{n}": f"text of item {n}" for n in range(4)})
    shown = tab("about:blank")
    page = shown.page

    def without(route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json={**response.json(), "maps": ["pca"]})

    page.route("**/v1", without)
    page.goto(f"{server.url}/#/pools/{pool}/map")
    page.wait_for_selector("canvas")
    page.get_by_text("Draw another map").press("Enter")
    page.wait_for_selector("text=querist[umap]")
    assert page.locator("option[value=umap]").is_disabled()
    shown.accessible()


def test_pools_of_all_pages_are_listed(serve, tab) -> None:
    server = serve()
    with server.client() as client:
        for n in range(3):
            body = {"name": f"pool {n}", "transform": {"modality": "text"}}
            client.post("/v1/pools", json=body).raise_for_status()
    page = tab("about:blank").page
    short = "**/v1/pools?limit=1000**"
    page.route(short, lambda route: route.continue_(url=route.request.url.replace("1000", "2")))
    page.goto(f"{server.url}/#/pools")
    for n in range(3):
        page.get_by_role("link", name=f"pool {n}", exact=True).wait_for()


def test_ten_thousand_items_are_scrolled(texts, tab) -> None:
    server, pool = texts({f"item-{n:05}": f"text of item {n}" for n in range(10_000)})
    shown = tab(f"{server.url}/#/pools/{pool}/items")
    page = shown.page
    page.wait_for_selector(".thumbnail.words")
    most = 0
    for step in range(40):
        page.locator(".grid").evaluate("(e, s) => e.scrollTop = e.scrollHeight * s / 40", step)
        page.wait_for_timeout(20)
        most = max(most, page.locator(".grid li").count())
    assert most < 120
    page.locator(".cell").last.focus()
    page.keyboard.press("End")
    page.wait_for_selector(".cell:focus >> text=item-09999")
    page.wait_for_selector(".cell:focus >> text=text of item 9999")
    assert page.locator(".grid li[aria-posinset='10000']").get_attribute("aria-setsize") == "10000"
    page.keyboard.press("Home")
    page.wait_for_selector(".cell:focus >> text=text of item 0")
    shown.accessible()


def test_a_key_between_a_drawing_and_its_effects_is_not_lost(texts, tab) -> None:
    server, pool = texts({f"item-{n:05}": f"text of item {n}" for n in range(500)})
    page = tab(f"{server.url}/#/pools/{pool}/items").page
    page.wait_for_selector(".thumbnail.words")
    page.locator(".cell").first.focus()
    page.evaluate(
        """async () => {
            const grid = document.querySelector(".grid");
            grid.scrollTop = 1000;
            grid.dispatchEvent(new Event("scroll"));
            for (let turn = 0; turn < 20; turn += 1) await null;  // drawn; effects wait for a frame
            const pressed = new KeyboardEvent("keydown", { key: "End", bubbles: true });
            document.activeElement.dispatchEvent(pressed);
        }"""
    )
    page.wait_for_selector(".cell:focus >> text=item-00499", timeout=10_000)


def test_a_query_is_watched_through_a_restart_of_the_server(serve, pictures, tab, finished) -> None:
    folder = pictures(40)
    server = serve(
        tenants={"default": {"roots": [str(folder)]}},
        models={"use": ["python"], "python": ["slow_model:Slow"]},
    )
    body = {"name": "slow", "uris": [str(folder)], "transform": {"modality": "image", "size": 8}}
    with server.client() as client:
        made = client.post("/v1/pools", json=body).json()
        assert finished(client, made["addition"])["state"] == "done"
        settings = {"use": "python", "object": "slow_model:Slow"}
        answer = client.post("/v1/models", json={"name": "slow", "settings": settings})
        assert answer.status_code == 201, answer.text
    server.pause(0.2)
    shown = tab(f"{server.url}/#/pools/{made['id']}/queries")
    page = shown.page
    choose(page, "Model", "slow")
    choose(page, "Strategy", "margin")
    page.get_by_role("spinbutton", name="Items to pick").fill("3")
    page.get_by_role("button", name="Pick", exact=True).press("Enter")
    page.wait_for_selector(".state.running")
    server.end(signal.SIGKILL)
    server.pause(0)
    server.start()
    page.get_by_role("list", name="Picks").wait_for()
    assert page.locator(".cell .what").first.inner_text().startswith("1. margin")
    # While the server was away the browser itself said so.
    shown.complaints = [one for one in shown.complaints if "ERR_" not in one]


def test_rounds_train_on_labels_and_judge_on_a_hold_out(texts, tab) -> None:
    kinds = ("the red apple", "a blue whale")
    server, pool = texts({f"{n}": f"{kinds[n % 2]} number {n}" for n in range(60)})
    shown = tab(f"{server.url}/#/pools/{pool}/queries")
    page = shown.page

    def label_picks() -> str:
        query = str(page.url.split("/")[-1])
        with server.client() as client:
            picks = client.get(f"/v1/queries/{query}/picks").json()["items"]
            said = [{"id": one["id"], "value": (HOSTILE, "b")[int(one["id"]) % 2]} for one in picks]
            assert client.post(f"/v1/pools/{pool}/labels", json={"labels": said}).is_success
        return query

    ask(page, "random", "20")
    holdout = label_picks()
    ask(page, "typiclust", "12")
    label_picks()
    ask(page, "k-center", "2")
    picks = [name.inner_text() for name in page.locator(".cell .name").all()]
    page.get_by_role("link", name="Label these").press("Enter")
    for name in picks:
        page.wait_for_selector(f"figcaption:text-is('{name}')")
        page.keyboard.press("12"[int(name) % 2])
    page.wait_for_selector("text=Nothing waits for a label now.")
    page.wait_for_selector("dl.facts div:has(dt:text-is('not yet saved')) dd:text-is('0')")
    page.get_by_role("link", name="The pool").press("Enter")
    part(page, "Train")
    choose(page, "Hold-out", holdout)
    page.get_by_role("spinbutton", name="Then pick").fill("4")
    shown.accessible()
    page.get_by_role("button", name="Train", exact=True).press("Enter")
    page.wait_for_selector("tr:has-text('14 labels'):has-text('accuracy 100 %')")
    shown.accessible()
    page.get_by_role("table").get_by_role("link", name="1", exact=True).press("Enter")
    page.get_by_role("list", name="Picks").wait_for()
    page.locator(".grid li").nth(3).wait_for()  # they are drawn after the list
    assert page.locator(".grid li").count() == 4
