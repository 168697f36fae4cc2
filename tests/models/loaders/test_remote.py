from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from querist.core.errors import ConfigError, RunError, ShapeError
from querist.models.backends.triton import HEADER, parsed, plain_client, request
from querist.models.heads import softmax
from querist.models.inference import open_inference
from querist.testing.inference import INFERENCE_CHECKS, InferenceCase

pytest.importorskip("httpx")
from oip_server import Served, serving

WEIGHTS = np.random.default_rng(3).normal(size=(4, 3)).astype(np.float32)
P = frozenset({"probabilities"})


def rows(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.normal(size=(count, 4)).astype(np.float32)


@pytest.fixture
def served() -> Served:
    return Served(WEIGHTS)


@pytest.fixture
def url(served: Served) -> Iterator[str]:
    with serving(served) as url:
        yield url


def opened(url: str, **more: Any) -> Any:
    told = {"use": "remote", "url": url, "model": "linear", "embeddings": "features", **more}
    return open_inference(told)


@pytest.mark.parametrize("encoding", ["auto", "binary", "json"])
def test_it_gives_what_the_server_computes(url: str, served: Served, encoding: str) -> None:
    model = opened(url, encoding=encoding, classes=["a", "b", "c"])
    x = rows(np.random.default_rng(0), 150)
    made = model.infer(x, model.provides)
    np.testing.assert_allclose(made["probabilities"], softmax(x @ WEIGHTS), atol=1e-6)
    np.testing.assert_allclose(made["embeddings"], x, atol=1e-6)
    asked = [headers for path, headers in served.requests if path.endswith("infer")]
    assert all((HEADER in headers) is (encoding != "json") for headers in asked)
    assert len(asked) == 1 + 3  # the probe, and 150 rows in parts of 64
    model.close()


def test_json_is_spoken_to_servers_without_the_extension(served: Served, url: str) -> None:
    served.binary = False
    model = opened(url)
    x = rows(np.random.default_rng(0), 5)
    np.testing.assert_allclose(model.infer(x, P)["probabilities"], softmax(x @ WEIGHTS), atol=1e-6)
    assert all(HEADER not in headers for _, headers in served.requests)
    model.close()


@pytest.mark.parametrize("check", INFERENCE_CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Any, served: Served, url: str) -> None:
    other = Served(2.0 * WEIGHTS)
    models: list[Any] = []

    def open_at(address: str, threads: int = 1) -> Any:
        models.append(opened(address))
        return models[-1]

    with serving(other) as elsewhere:

        def others() -> Any:
            # At the same address other weights, as after a deployment.
            served.weights = other.weights
            found = open_at(url)
            served.weights = WEIGHTS
            return _Moved(found, served, other)

        provides = P | {"embeddings", "gradients"}
        wrong = partial(np.zeros, (2, 7), np.float32)
        case = InferenceCase(
            "remote", partial(open_at, url), rows, provides, others, wrong, here=False
        )
        check(case)
        assert elsewhere != url
    for model in models:
        model.close()


class _Moved:
    """The model at the same address while it has the other weights."""

    def __init__(self, model: Any, served: Served, other: Served) -> None:
        self.model, self.served, self.other = model, served, other
        self.digest, self.provides = model.digest, model.provides

    def infer(self, batch: Any, wanted: Any) -> Any:
        kept, self.served.weights = self.served.weights, self.other.weights
        try:
            return self.model.infer(batch, wanted)
        finally:
            self.served.weights = kept


def test_what_may_pass_is_tried_again(served: Served, url: str) -> None:
    model = opened(url)
    served.failures = [503, 429]
    assert model.infer(rows(np.random.default_rng(0), 2), P)["probabilities"].shape == (2, 3)
    served.failures = [503] * 4
    with pytest.raises(RunError, match=r"4 tries: status 503, not now. Check that it runs"):
        model.infer(rows(np.random.default_rng(0), 2), P)
    served.failures = [400]
    before = len(served.requests)
    with pytest.raises(RunError, match=r"refused .*/infer: status 400, not now"):
        model.infer(rows(np.random.default_rng(0), 2), P)
    assert len(served.requests) == before + 1
    model.close()


def test_a_deadline_ends_the_tries(served: Served, url: str) -> None:
    model = opened(url, timeout=0.4, tries=1000)
    served.failures = [503] * 2000
    with pytest.raises(RunError, match="did not answer"):
        model.infer(rows(np.random.default_rng(0), 2), P)
    model.close()


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(RunError, match=r"http://127.0.0.1:1 did not answer /v2/models/linear"):
        opened("http://127.0.0.1:1", tries=2)
    with pytest.raises(ConfigError, match="looks like http://host:8000"):
        opened("127.0.0.1:8000")


def test_names_and_shapes_are_explained(url: str) -> None:
    with pytest.raises(ConfigError, match=r"no output 'featurs'. Did you mean 'features'"):
        opened(url, embeddings="featurs")
    with pytest.raises(RunError, match=r"refused .*/v2/models/liner: status 404"):
        opened(url, model="liner")
    model = opened(url)
    with pytest.raises(ShapeError, match=r"takes items of the shape \[4\]"):
        model.infer(np.zeros((2, 5), np.float32), P)
    with pytest.raises(ShapeError, match="takes FP32"):
        model.infer(["a text"], P)
    model.close()


def test_the_token_is_sent_and_never_said(served: Served, url: str, monkeypatch: Any) -> None:
    with pytest.raises(ConfigError, match="environment variable QUERIST_TEST_TOKEN"):
        opened(url, token_from="QUERIST_TEST_TOKEN")
    monkeypatch.setitem(os.environ, "QUERIST_TEST_TOKEN", "hush")
    model = opened(url, token_from="QUERIST_TEST_TOKEN")
    assert all(headers.get("Authorization") == "Bearer hush" for _, headers in served.requests)
    served.failures = [401]
    with pytest.raises(RunError) as caught:
        model.infer(rows(np.random.default_rng(0), 2), P)
    assert "hush" not in str(caught.value)
    model.close()


def test_a_policy_may_refuse_to_connect(url: str) -> None:
    class Refusing:
        def __init__(self, timeout: float) -> None:
            self.client = plain_client(timeout)

        def request(self, method: str, address: str, **_: Any) -> Any:
            raise PermissionDenied(f"{address} is in a private network")

        def close(self) -> None:
            self.client.close()

    class PermissionDenied(Exception):
        pass

    told = {"use": "remote", "url": url, "model": "linear"}
    with pytest.raises(RunError, match="is in a private network"):
        open_inference(told, connect=Refusing)


def test_tensors_on_the_wire() -> None:
    from querist.models.backends.triton import Tensor

    texts = np.array([b"ab", b""], object)
    body, headers = request(texts, Tensor("t", "BYTES", (-1,)), ["y"], True)
    assert body[int(headers[HEADER]) :] == b"\x02\x00\x00\x00ab\x00\x00\x00\x00"
    half = np.array([1.5], np.float32).view(np.uint32) >> 16
    size = b'"parameters":{"binary_data_size":2}'
    told = b'{"outputs":[{"name":"y","datatype":"BF16","shape":[1],%s}]}' % size
    made = parsed(told + half.astype("<u2").tobytes(), str(len(told)))
    assert made["y"].tolist() == [1.5]
    with pytest.raises(ValueError, match="for the shape"):
        parsed(b'{"outputs":[{"name":"y","datatype":"FP32","shape":[2],"data":[1.0]}]}', None)
