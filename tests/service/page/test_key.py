"""A key that is revoked, or expires, while somebody works."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist import Client
from querist.service.ids import key_text, new_id, new_secret

pytestmark = pytest.mark.browser
SCOPES = ["read", "label", "query"]


def test_another_key_is_asked_for_where_one_is_and_nothing_is_lost(
    serve, pictures, desk, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(key_text(new_id("key"), new_secret()))
    folder = pictures(8)
    server = serve(
        keys={"first": str(tmp_path / "key"), "without": "never"},
        tenants={"default": {"roots": [str(folder)]}},
    )
    with Client(server.url, (tmp_path / "key").read_text()) as admin:
        pool = admin.create_pool("small", classes=["cat", "dog"])
        admin.wait(admin.add(pool, str(folder)))
        first, second = (admin.create_key("ada", SCOPES) for _ in range(2))
        at = desk(server, pool.id, viewport={"width": 390, "height": 800})
        page = at.page
        page.get_by_label("Key").fill(first.secret)
        page.get_by_label("Key").press("Enter")
        at.press("1")
        at.saved(1)
        admin.revoke_key(first.id)
        at.press("2")
        page.wait_for_selector("text=This key is not valid any more")
        at.shown.accessible()
        assert not at.shown.overflows
        page.get_by_role("textbox", name="Key").fill(second.secret)
        page.get_by_role("button", name="Go on").click()
        page.wait_for_selector("text=This key is not valid any more", state="detached")
        at.press("1")
        at.saved(1)
        assert sorted(one.value for one in admin.labels(pool)) == ["cat", "cat", "dog"]
    at.shown.forgive("401")
