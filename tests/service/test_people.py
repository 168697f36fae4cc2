"""Keys: who is let in, with what, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from querist.core.errors import ConfigError
from querist.service import people
from querist.service.ids import key_text, new_id, new_secret
from querist.service.index.index import Index
from querist.service.problems import Refused
from querist.service.wire.access import Scope


def refused(http, key: str, path: str = "/v1") -> str:
    answer = http.get(path, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    return answer.json()["type"]


def test_without_a_key_loopback_is_let_in_and_a_proxied_request_is_not(shared) -> None:
    assert shared.http.get("/v1").json()["user"] == "local"
    for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        answer = shared.http.get("/v1", headers={header: "127.0.0.1"})
        assert answer.status_code == 401, header
        assert answer.json()["type"] == "/problems/no-key"


def test_another_machine_needs_a_key(local) -> None:
    from fastapi.testclient import TestClient

    app = local()
    far = TestClient(app.app, base_url="http://127.0.0.1", client=("192.0.2.7", 5))
    assert far.get("/v1").status_code == 401
    assert far.get("/v1", headers=app.as_(app.key())).status_code == 200


def test_a_server_that_strangers_reach_does_not_start_without_keys(local) -> None:
    with pytest.raises(ConfigError, match="nobody has a key"):
        local(listen={"host": "0.0.0.0"})


def test_a_key_says_who_and_what(shared) -> None:
    key = shared.key("acme", "grace", "read label")
    told = shared.http.get("/v1", headers=shared.as_(key)).json()
    assert (told["tenant"], told["user"], told["scopes"]) == ("acme", "grace", ["label", "read"])


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        ("read", "GET", "/v1/pools", 200),
        ("label", "GET", "/v1/pools", 403),
        ("read label", "POST", "/v1/pools", 403),
        ("read label query", "GET", "/v1/keys", 403),
        ("read query", "POST", "/v1/pools/pol_aaaaaaaaaaaaaaaaaaaa/labels", 403),
        ("read", "GET", "/metrics", 403),
        ("metrics", "GET", "/metrics", 200),
        ("admin", "GET", "/v1/keys", 200),
    ],
)
def test_scopes_are_kept(shared, scopes: str, method: str, path: str, status: int) -> None:
    key = shared.key("scopes", "ada", scopes)
    answer = shared.http.request(method, path, headers=shared.as_(key))
    assert answer.status_code == status


def test_wrong_keys_are_refused(shared) -> None:
    key = shared.key()
    wrong = key[:-1] + ("a" if key[-1] != "a" else "b")
    other = key_text(new_id("key"), new_secret())
    for text in (wrong, other, "qk_short", "", "x" * 5000, key.upper()):
        assert refused(shared.http, text) == "/problems/wrong-key"
    answer = shared.http.get("/v1", headers={"Authorization": f"Basic {key}"})
    assert answer.status_code == 401


def test_an_address_that_guesses_is_slowed_down(local) -> None:
    app = local(limits={"wrong_keys": 8})
    kinds = [
        app.http.get("/v1", headers=app.as_(key_text(new_id("key"), new_secret()))).json()["type"]
        for _ in range(4)
    ]
    assert kinds[:2] == ["/problems/wrong-key"] * 2
    assert kinds[-1] == "/problems/too-often"


def test_an_expired_or_revoked_key_is_refused(shared, monkeypatch) -> None:
    http = shared.http
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {"user": "ada", "scopes": ["read"], "expires": soon}
    made = http.post("/v1/keys", json=body).json()
    assert http.get("/v1", headers=shared.as_(made["secret"])).status_code == 200
    later = people.now() + 3601
    monkeypatch.setattr(people, "now", lambda: later)
    assert refused(http, made["secret"]) == "/problems/wrong-key"
    monkeypatch.undo()
    assert http.delete(f"/v1/keys/{made['id']}").status_code == 204
    assert refused(http, made["secret"]) == "/problems/wrong-key"
    assert http.post(f"/v1/keys/{made['id']}/rotate").status_code == 409


def test_a_rotated_key_works_with_both_secrets_for_an_hour(shared, monkeypatch) -> None:
    http, old = shared.http, shared.key("acme", "ada", "read")
    key = next(one for one in http.get("/v1/keys").json()["items"] if one["user"] == "ada")
    new = http.post(f"/v1/keys/{key['id']}/rotate").json()["secret"]
    assert new != old
    for secret in (old, new):
        assert http.get("/v1", headers=shared.as_(secret)).status_code == 200
    later = people.now() + people.ROTATION_S + 1
    monkeypatch.setattr(people, "now", lambda: later)
    assert refused(http, old) == "/problems/wrong-key"
    assert http.get("/v1", headers=shared.as_(new)).status_code == 200


def test_a_secret_is_shown_once_and_kept_nowhere(shared) -> None:
    http = shared.http
    body = {"user": "ada", "scopes": ["read"]}
    headers = {"Idempotency-Key": "one"}
    made = http.post("/v1/keys", json=body, headers=headers).json()
    again = http.post("/v1/keys", json=body, headers=headers)
    assert again.json() == {**made, "secret": ""}
    assert again.headers["idempotent-replayed"] == "true"
    assert all(one["secret"] == "" for one in http.get("/v1/keys").json()["items"])
    secret = made["secret"].rpartition("_")[2].encode()
    kept = b"".join(path.read_bytes() for path in shared.settings.data.glob("index.sqlite*"))
    assert secret not in kept


def test_an_expiry_in_the_past_is_refused(shared) -> None:
    body = {"user": "ada", "scopes": ["read"], "expires": "2001-01-01T00:00:00Z"}
    assert shared.http.post("/v1/keys", json=body).status_code == 422


def test_the_first_key_comes_from_a_file_once(tmp_path, settings_for) -> None:
    index = Index(settings_for(tmp_path).index_place)
    first, second = (key_text(new_id("key"), new_secret()) for _ in range(2))
    assert people.first_key(index, f"{first}\n")
    assert not people.first_key(index, second)
    door = people.Door(index, without_key=False)
    assert Scope.ADMIN in door.let_in(f"Bearer {first}", local=False).scopes
    with pytest.raises(Refused):
        door.let_in(f"Bearer {second}", local=False)
    index.close()
    with pytest.raises(ConfigError, match="and 52 random"):
        people.first_key(index, "password")


def test_a_tenant_has_a_quota_of_requests(local) -> None:
    app = local()
    http, key = app.http, app.key("acme")
    tenant = http.get("/v1/tenants", params={"name": "acme"}).json()["items"][0]
    changed = http.patch(f"/v1/tenants/{tenant['id']}", json={"quota": {"requests_per_minute": 8}})
    assert changed.json()["quota"]["requests_per_minute"] == 8
    answers = [http.get("/v1/pools", headers=app.as_(key)) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) >= 1
    assert http.get("/v1/pools").status_code == 200  # the other tenant does not wait


def test_only_one_tenant_has_a_name(shared) -> None:
    body = {"name": "twice"}
    assert shared.http.post("/v1/tenants", json=body).status_code == 201
    assert shared.http.post("/v1/tenants", json=body).status_code == 409


def test_who_asked_a_moment_ago_is_known_until_something_changes(local, monkeypatch) -> None:
    app = local()
    door, key = app.service.door, app.key("acme", "ada", "read")
    asked = (f"Bearer {key}", False)
    assert door.known(*asked) is None
    who = door.let_in(*asked)
    assert door.known(*asked) == who
    assert door.known(f"Bearer {key}x", False) is None
    assert door.known(None, False) is None
    assert key.rpartition("_")[2] not in repr(door._known)
    later = people.now() + people._KNOWN_S + 0.1
    monkeypatch.setattr(people, "now", lambda: later)
    assert door.known(*asked) is None
    monkeypatch.undo()
    door.let_in(*asked)
    (made,) = app.http.get("/v1/keys").json()["items"]
    app.http.delete(f"/v1/keys/{made['id']}")
    assert door.known(*asked) is None


def test_nobody_is_known_longer_than_his_key_may_be_used(local) -> None:
    app = local()
    soon = people.now() + 0.3
    with app.service.index.write() as connection:
        tenant = people.tenant_named(connection, "acme")["id"]
        expires = datetime.fromtimestamp(soon, UTC)
        made = people.make_key(connection, tenant, "ada", [Scope.READ], expires)
    asked = (f"Bearer {made.secret}", False)
    app.service.door.let_in(*asked)
    assert app.service.door._known[people._mark(*asked)][0] == pytest.approx(soon)
