"""The page below a path of a host that it shares, through a proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proxies import proxy

from querist.service.ids import key_text, new_id, new_secret

pytestmark = pytest.mark.browser


class Shown:
    """A server below a path, with its key."""

    def __init__(self, serve: Any, folder: Path, root: str, **config: Any) -> None:
        folder.mkdir()
        self.key = key_text(new_id("key"), new_secret())
        (folder / "key").write_text(self.key)
        first = {"first": str(folder / "key")}
        self.server = serve(listen={"root_path": root}, keys=first, **config)


def kept(page: Any) -> list[str]:
    """Names of what the tab keeps."""
    names: list[str] = page.evaluate(
        "[...Object.keys(sessionStorage), ...Object.keys(localStorage)]"
    )
    return names


@pytest.mark.parametrize("strips", [True, False])
def test_all_of_the_page_works_below_a_path(
    serve, pictures, made_run, tab, finished, tmp_path: Path, strips: bool
) -> None:
    folder, run = pictures(12), made_run(labels=400)
    run.go_on(80)
    more = {"tenants": {"default": {"roots": [str(folder)]}}, "campaigns": {"c": str(run.folder)}}
    made = Shown(serve, tmp_path / "made", "/labs/querist", **more)
    body = {"name": "small", "classes": ["cat", "dog"], "uris": [str(folder)]}
    with made.server.client(made.key) as client:
        pool = client.post("/v1/pools", json=body).json()
        finished(client, pool["addition"])
    with proxy({"/labs/querist": made.server.port}, strips) as (host, seen):
        url = f"{host}/labs/querist"
        shown = tab(f"{url}/#/pools/{pool['id']}/items")
        page = shown.page
        page.get_by_label("Key").fill(made.key)
        page.get_by_label("Key").press("Enter")
        page.wait_for_selector(".cell img.thumbnail")
        page.get_by_role("navigation", name="Parts").get_by_role("link", name="Queries").click()
        page.get_by_role("spinbutton", name="Items to pick").fill("5")
        page.get_by_role("button", name="Pick", exact=True).click()
        page.get_by_role("list", name="Picks").wait_for()  # its events came through
        page.goto(f"{url}/#/pools/{pool['id']}")
        page.wait_for_selector("figure img")
        page.keyboard.press("1")
        page.wait_for_selector("dl.facts div:has(dt:text-is('said here')) dd:text-is('1')")
        page.wait_for_selector("dl.facts div:has(dt:text-is('not yet saved')) dd:text-is('0')")
        page.goto(f"{url}/#/campaigns/c")
        page.wait_for_selector("text=80 of 500")
        run.go_on(60)
        page.wait_for_selector("text=140 of 500")
        assert {path for path in seen if not path.startswith("/labs/querist/")} == set()
        shown.forgive("401")  # before the key was given


def test_two_services_of_one_host_get_nothing_of_each_other(serve, tab, tmp_path: Path) -> None:
    """What a tab keeps belongs to a host: the key of one would have been sent to the other."""
    made = [Shown(serve, tmp_path / name, f"/{name}") for name in ("one", "two")]
    with proxy({"/one": made[0].server.port, "/two": made[1].server.port}) as (url, _):
        shown = tab(f"{url}/one/")
        page = shown.page
        page.get_by_label("Key").fill(made[0].key)
        page.get_by_label("Key").press("Enter")
        page.get_by_role("button", name="Leave").wait_for()
        assert "querist/one-key" in kept(page)
        asked = []
        page.on("request", lambda request: asked.append(request.all_headers().get("authorization")))
        page.goto(f"{url}/two/")
        page.get_by_label("Key").wait_for()
        assert set(asked) == {None}
        page.goto(f"{url}/one/")
        page.get_by_role("button", name="Leave").wait_for()
        shown.forgive("401")
