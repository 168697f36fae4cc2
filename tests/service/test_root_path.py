"""The service below a path of a host that it shares, behind a proxy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proxies import proxy
from pydantic import ValidationError

from querist import Client
from querist.core.errors import ConfigError
from querist.service.ids import key_text, new_id, new_secret
from querist.service.page.files import POLICY
from querist.service.settings import ListenSettings

ROOT = "/labs/querist"
Below = Callable[..., Any]


@pytest.fixture
def below(local, tmp_path: Path) -> Below:
    """Makes an application below ROOT, with its key in ``auth``."""

    def make(**listen: Any) -> Any:
        key = key_text(new_id("key"), new_secret())
        (tmp_path / "key").write_text(key)
        app = local(listen={"root_path": ROOT, **listen}, keys={"first": str(tmp_path / "key")})
        app.auth = app.as_(key)
        return app

    return make


@pytest.mark.parametrize("prefix", [ROOT, ""])
def test_it_answers_whether_the_proxy_passes_its_path_on_or_not(below: Below, prefix: str) -> None:
    app = below()
    assert app.http.get(f"{prefix}/v1", headers=app.auth).status_code == 200
    assert app.http.get(f"{prefix}/health/ready").status_code == 200
    page = app.http.get(f"{prefix}/")
    assert page.headers["content-security-policy"] == POLICY
    assert f'src="{ROOT}/page/app.js"' in page.text
    assert '"/page/' not in page.text
    assert app.http.get(f"{prefix}/page/app.js").status_code == 200
    document = app.http.get(f"{prefix}/v1/openapi.json").json()
    assert document["servers"] == [{"url": ROOT}]
    assert f"see {ROOT}/v1/openapi.json" in app.http.get(f"{prefix}/v2").json()["detail"]


def test_the_path_without_a_slash_is_the_page_and_longer_words_are_not(below: Below) -> None:
    app = below()
    assert app.http.get(ROOT).headers["content-type"].startswith("text/html")
    for path in (f"{ROOT}s/v1", "/labs/v1", f"{ROOT}{ROOT}/v1", f"{ROOT}/page/%2e%2e/app.py"):
        assert app.http.get(path, headers=app.auth).status_code == 404, path


def test_without_the_setting_no_path_is_taken_off(shared) -> None:
    assert shared.http.get(f"{ROOT}/v1").status_code == 404
    assert "servers" not in shared.http.get("/v1/openapi.json").json()


def test_the_guard_is_as_strict_below_a_path(below: Below) -> None:
    app = below(hosts=["labs.example.org"])
    there = {**app.auth, "Host": "labs.example.org"}
    path = f"{ROOT}/v1/pools"
    assert app.http.get(path, headers={**there, "Host": "evil.example.org"}).status_code == 421
    for more in (
        {"Origin": "https://evil.example.org"},
        {"Origin": "https://labs.example.org", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        answer = app.http.post(path, json={"name": "forged"}, headers={**there, **more})
        assert answer.json()["type"] == "/problems/foreign-origin"
    own = {"Origin": "https://labs.example.org", "Sec-Fetch-Site": "same-origin"}
    answer = app.http.post(path, json={"name": "own"}, headers={**there, **own})
    assert answer.status_code == 201
    assert answer.headers["x-frame-options"] == "DENY"
    assert "access-control-allow-origin" not in answer.headers


def test_files_that_are_larger_than_other_bodies_are_taken_there_too(local, below: Below) -> None:
    app = below()
    more = {"Content-Type": "application/octet-stream", **app.auth}
    sent = b"x" * (app.settings.limits.body + 1)
    url = f"{ROOT}/v1/uploads"
    answer = app.http.post(url, params={"kind": "safetensors"}, content=sent, headers=more)
    assert answer.status_code == 422  # it is read, and no such file
    answer = app.http.post(f"{ROOT}/v1/pools", content=sent, headers=more)
    assert answer.status_code == 413


def test_what_a_proxy_sends_needs_a_key_though_it_comes_from_this_machine(
    below: Below, local
) -> None:
    assert below().http.get(f"{ROOT}/v1").status_code == 401
    assert below().http.get("/v1").status_code == 401


def test_without_any_key_it_does_not_start(local) -> None:
    with pytest.raises(ConfigError, match=r"without listen\.root_path"):
        local(listen={"root_path": ROOT})


def test_a_path_of_the_settings_is_one() -> None:
    for path, known in {"": "", "/": "", "/a/": "/a", "/user/a@b.org/x.y~z": None}.items():
        assert ListenSettings(root_path=path).root_path == (path if known is None else known)
    for path in ("a", "//a", "/a//b", "/..", "/a/../b", "/a b", '/"', "/a?b", "https://a/b", "/é"):
        with pytest.raises(ValidationError, match="is a path such as /querist"):
            ListenSettings(root_path=path)
    for path in ("/v1", "/page/x", "/health", "/metrics"):
        with pytest.raises(ValidationError, match="cannot begin with"):
            ListenSettings(root_path=path)


@pytest.mark.parametrize("strips", [True, False])
def test_a_client_works_through_a_proxy(serve, pictures, tmp_path: Path, strips: bool) -> None:
    key = key_text(new_id("key"), new_secret())
    (tmp_path / "key").write_text(key)
    folder = pictures(12)
    server = serve(
        listen={"root_path": ROOT},
        keys={"first": str(tmp_path / "key")},
        tenants={"default": {"roots": [str(folder)]}},
    )
    with proxy({ROOT: server.port}, strips) as (url, seen):
        with Client(f"{url}{ROOT}/", key) as client:
            client = client.within(60)
            client.create_pool("birds", classes=["owl", "robin"])
            states = []
            client.wait(client.add("birds", str(folder)), lambda job: states.append(job.state))
            assert states[-1] == "done"
            picked = client.query("birds", budget=4, strategy="k-center")
            assert len(picked) == 4
            client.label("birds", dict.fromkeys(picked.ids, "owl"), by="ada")
            assert len(list(client.items("birds", where="unlabelled"))) == 8
            client.export("birds", tmp_path / "birds.csv", "csv")
            assert client.content("birds", picked.ids[0], tmp_path / "one").stat().st_size > 0
            client.delete_pool("birds")
        assert {path for path in seen if not path.startswith(f"{ROOT}/v1")} == set()
        assert any(path.endswith("/events") for path in seen)
