"""S3: signatures, addresses, regions, roles, listing in pages, errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from querist.core.errors import ConfigError
from querist.sources.access import CLOSED, OPEN, Access
from querist.sources.network import Network
from querist.sources.opening import Sources
from querist.sources.s3 import S3Source
from querist.sources.s3_signing import S3Options, Signer
from querist.sources.source import Forbidden, MissingItem, SourceError, Unreachable
from querist.testing.servers.http import HttpServer, Reply
from querist.testing.servers.s3 import S3Server

pytest.importorskip("botocore")
pytest.importorskip("moto")

KEYS = {f"many/{n:04d}": b"%d" % n for n in range(1203)}
FILES = {
    **KEYS,
    "folder/": b"",
    "folder/x": b"x",
    "a/../b": b"dots",
    "//slashes": b"s",
    "é /+": b"e",
}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server(FILES) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch, tmp_path) -> None:
    """No credentials of whoever runs the tests."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_listing_of_several_pages_goes_on_anywhere(server: S3Server) -> None:
    with closing(S3Source(options=server.options)) as source:
        every = [entry.uri for entry in source.entries(f"{server.url}many")]
        assert every == [f"s3://pool/{key}" for key in KEYS]
        for n in (0, 999, 1000, 1201):
            again = source.entries(f"{server.url}many", every[n])
            assert [entry.uri for entry in again] == every[n + 1 :]


def test_a_listing_asks_for_the_next_page_when_it_is_wanted(server: S3Server) -> None:
    with (
        HttpServer() as counting,
        closing(S3Source(options={**server.options, "endpoint": counting.url})) as source,
    ):
        page = (
            b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true'
            b"</IsTruncated><NextContinuationToken>t+/=</NextContinuationToken>"
            b"<Contents><Key>a+b%2Bc</Key><Size>7</Size><ETag>&quot;e&quot;</ETag></Contents>"
            b"</ListBucketResult>"
        )
        counting.replies["/pool/?encoding-type=url&list-type=2&prefix="] = Reply(page)
        listing = source.entries("s3://pool")
        assert next(listing) == ("s3://pool/a b+c", 7, "e")
        assert len(counting.requests) == 1
        with pytest.raises(MissingItem):
            next(listing)
        assert "continuation-token=t%2B%2F%3D" in counting.requests[-1].path
        source.close()


@pytest.mark.parametrize("key", ["a/../b", "//slashes", "é /+", "folder/x"])
def test_keys_are_taken_as_they_are(server: S3Server, key: str) -> None:
    with closing(S3Source(options=server.options)) as source:
        assert source.read(server.url + key) == FILES[key]


def test_the_signature_is_botocores_own(server: S3Server) -> None:
    """The headers that we send are those that botocore computes for the URL that we send."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    with HttpServer({"pool/é /+": b"e"}) as plain:
        options = {**server.options, "endpoint": plain.url, "token": "temporary"}
        with closing(S3Source(options=options)) as source:
            assert source.read("s3://pool/é /+") == b"e"
        sent = plain.requests[-1]
        request = AWSRequest("GET", plain.url.rstrip("/") + sent.path)
        request.headers["X-Amz-Date"] = sent.headers["x-amz-date"]
        auth = S3SigV4Auth(Credentials("key", "secret", "temporary"), "s3", "us-east-1")
        request.context["timestamp"] = sent.headers["x-amz-date"]
        request.headers["X-Amz-Security-Token"] = sent.headers["x-amz-security-token"]
        request.headers["X-Amz-Content-SHA256"] = sent.headers["x-amz-content-sha256"]
        expected = auth.signature(
            auth.string_to_sign(request, auth.canonical_request(request)), request
        )
        assert sent.headers["authorization"].endswith(f"Signature={expected}")


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "https://b-1.s3.eu-west-1.amazonaws.com/k"),
        ({"region": "cn-north-1"}, "https://b-1.s3.cn-north-1.amazonaws.com.cn/k"),
        ({"addressing": "path"}, "https://s3.eu-west-1.amazonaws.com/b-1/k"),
        ({"endpoint": "http://minio:9000/"}, "http://minio:9000/b-1/k"),
        ({"endpoint": "http://h:9", "addressing": "virtual"}, "http://b-1.h:9/k"),
    ],
)
def test_addresses(options: dict, url: str) -> None:
    source = S3Source(options={"region": "eu-west-1", "anonymous": True, **options})
    assert source._url(("b-1", "k"), source._signer.region) == url


def test_a_bucket_with_a_dot_is_addressed_by_path() -> None:
    source = S3Source(options={"anonymous": True})
    assert source._url(("a.b", "k"), "us-east-1") == "https://s3.us-east-1.amazonaws.com/a.b/k"


def test_the_region_of_a_bucket_is_found_and_kept() -> None:
    with HttpServer() as server:
        elsewhere = Reply(
            b"<Code>PermanentRedirect</Code>", 301, {"x-amz-bucket-region": "eu-north-1"}
        )
        server.replies["/pool/x"] = [elsewhere, Reply(b"found"), Reply(b"again")]
        options = {"endpoint": server.url, "key": "k", "secret": "s"}
        with closing(S3Source(options=options)) as source:
            assert source.read("s3://pool/x") == b"found"
            assert source.read("s3://pool/x") == b"again"
        regions = [sent.headers["authorization"].split("/")[2] for sent in server.requests]
        assert regions == ["us-east-1", "eu-north-1", "eu-north-1"]


def test_an_anonymous_request_has_no_signature() -> None:
    with HttpServer({"pool/x": b"x"}) as server:
        options = {"endpoint": server.url, "anonymous": True, "requester_pays": True}
        access = replace(CLOSED, hosts=("127.0.0.0/8",))
        with closing(S3Source(access, options)) as source:
            assert source.read("s3://pool/x") == b"x"
        assert "authorization" not in server.requests[0].headers
        assert server.requests[0].headers["x-amz-request-payer"] == "requester"


def test_a_role_is_assumed(server: S3Server, monkeypatch) -> None:
    """The role's temporary key signs, not the key that asked for the role."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "asking")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with HttpServer({"pool/x": b"x"}) as seen:
        options = {
            "endpoint": seen.url,
            "role": "arn:aws:iam::123456789012:role/reader",
            "external_id": "pool",
            "sts_endpoint": server.endpoint,
        }
        with closing(S3Source(options=options)) as source:
            assert source.read("s3://pool/x") == b"x"
        sent = seen.requests[0].headers
    assert "Credential=asking/" not in sent["authorization"]
    assert sent["x-amz-security-token"]


def test_a_role_is_asked_for_through_the_proxy_that_was_chosen(
    server: S3Server, monkeypatch
) -> None:
    """Not through that of the environment, unless the policy says so."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "asking")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    dead = "http://127.0.0.1:1"
    monkeypatch.setenv("http_proxy", dead)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    role = "arn:aws:iam::123456789012:role/reader"
    told = {"role": role, "sts_endpoint": server.endpoint}
    with HttpServer({"pool/x": b"x"}) as seen:
        with closing(S3Source(options={**told, "endpoint": seen.url})) as source:
            assert source.read("s3://pool/x") == b"x"
        for proxy in ("environment", dead):
            signer = Signer(S3Options.of(told, OPEN), proxy)
            with pytest.raises(Forbidden, match=r"(?i)proxy"):
                signer.signed("GET", seen.url, "us-east-1")


def test_a_role_that_cannot_be_assumed_is_a_sentence(monkeypatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "asking")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    options = {"role": "arn:aws:iam::123456789012:role/r", "sts_endpoint": "http://127.0.0.1:1"}
    with closing(S3Source(options=options)) as source, pytest.raises(Forbidden, match="signed"):
        source.read("s3://pool/x")


def test_without_credentials_it_says_what_to_give() -> None:
    with closing(S3Source()) as source, pytest.raises(Forbidden, match="set anonymous"):
        source.read("s3://pool/x")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"endpont": "x"}, "Did you mean 'endpoint'"),
        ({"addressing": "host"}, "auto, path or virtual"),
        ({"key": "k"}, "both or not at all"),
        ({"region": "evil.example/"}, "a name like eu-west-1"),
    ],
)
def test_unfitting_options_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        S3Source(options=options)


@pytest.mark.parametrize(
    "options", [{}, {"profile": "p"}, {"role": "r", "key": "k", "secret": "s"}]
)
def test_the_closed_policy_uses_no_credentials_of_the_machine(options: dict) -> None:
    with pytest.raises(ConfigError, match="access policy forbids"):
        S3Source(CLOSED, options)


def test_the_closed_policy_ignores_an_endpoint_of_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://169.254.169.254")
    own = {"key": "k", "secret": "s"}
    assert S3Source(options=own)._endpoint == "http://169.254.169.254"
    assert S3Source(CLOSED, own)._endpoint == ""


def test_an_endpoint_in_a_private_network_is_refused() -> None:
    options = {"endpoint": "http://127.0.0.1:1", "anonymous": True}
    access = Access(private=False)
    with (
        closing(S3Source(access, options, Network(access))) as source,
        pytest.raises(Forbidden, match="private or special"),
    ):
        source.read("s3://pool/x")


@pytest.mark.parametrize(
    "uri", ["s3://", "s3:///k", "s3://a", "s3://a@b/k", "s3://a b/k", "s3://.b./"]
)
def test_senseless_buckets_are_refused(uri: str) -> None:
    with closing(S3Source(options={"anonymous": True})) as source:
        with pytest.raises(SourceError, match="names no bucket"):
            source.read(uri)
        with pytest.raises(SourceError, match="names no bucket"):
            next(source.entries(uri))


def test_errors_carry_the_code_of_s3() -> None:
    with HttpServer() as server:
        source = S3Source(options={"endpoint": server.url, "anonymous": True})
        for status, code, kind in [
            (403, "AccessDenied", Forbidden),
            (403, "InvalidObjectState", Forbidden),
            (503, "SlowDown", Unreachable),
            (404, "NoSuchBucket", MissingItem),
        ]:
            server.replies["/pool/x"] = Reply(f"<Error><Code>{code}</Code>".encode(), status)
            with pytest.raises(kind, match=rf"{status} \({code}\)"):
                source.read("s3://pool/x")
        server.replies["/pool/?encoding-type=url&list-type=2&prefix="] = Reply(b"<not xml")
        with pytest.raises(Unreachable, match="cannot be understood"):
            next(source.entries("s3://pool"))
        source.close()


def test_a_bomb_of_entities_is_not_unfolded() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a0 "lol">' + "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)
    )
    with HttpServer() as server:
        server.replies["/pool/?encoding-type=url&list-type=2&prefix="] = Reply(
            f"{bomb}]><x>&a11;</x>".encode()
        )
        source = S3Source(options={"endpoint": server.url, "anonymous": True})
        with pytest.raises(SourceError):
            next(source.entries("s3://pool"))
        source.close()


def test_strange_numbers_are_sentences_or_nothing() -> None:
    with HttpServer() as server:
        source = S3Source(options={"endpoint": server.url, "anonymous": True})
        server.replies["/pool/x"] = Reply(headers={"Content-Length": "9" * 30})
        assert source.stat("s3://pool/x").size is None
        page = b"<L><Contents><Key>k</Key><Size>many</Size></Contents></L>"
        server.replies["/pool/?encoding-type=url&list-type=2&prefix="] = Reply(page)
        with pytest.raises(Unreachable, match="cannot be understood"):
            next(source.entries("s3://pool"))
        source.close()


def test_patterns_over_keys(server: S3Server) -> None:
    with Sources(options={"s3": server.options}) as sources:
        found = [entry.uri for entry in sources.entries("s3://pool/many/120?")]
    assert found == ["s3://pool/many/1200", "s3://pool/many/1201", "s3://pool/many/1202"]
