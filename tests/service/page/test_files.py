"""The page's files: served with a strict policy, and never anything else."""

from __future__ import annotations

import re

from querist.service.page.files import POLICY, files


def test_the_page_is_served_at_the_root_with_its_policy(shared) -> None:
    answer = shared.http.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in POLICY


def test_a_file_is_sent_again_only_when_it_changed(shared) -> None:
    first = shared.http.get("/page/app.js")
    assert first.headers["content-type"].startswith("text/javascript")
    again = shared.http.get("/page/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert shared.http.head("/page/app.js").headers["content-length"] == str(len(first.content))


def test_nothing_but_the_page_can_be_had_below_its_path(shared) -> None:
    for path in ("/page/files.py", "/page/", "/page/../app.py", "/page/%2e%2e/app.py", "/page//"):
        assert shared.http.get(path).status_code == 404, path
    assert shared.http.post("/page/app.js").status_code in (404, 405)


def test_all_that_a_file_names_is_there_and_ours() -> None:
    found = files()
    for path, file in found.items():
        if "/vendor/" in path or path.endswith(".svg"):
            continue
        text = file.content.decode()
        assert "http://" not in text, path
        assert "https://" not in text, path
        named = re.findall(r'(?:from|href=|src=)\s?"(/page/[^"]+|\./[^"]+)"', text)
        for name in named:
            assert name.replace("./", "/page/", 1) in found, (path, name)
    assert "<script>" not in found["/"].content.decode()
    assert "style=" not in found["/"].content.decode()
