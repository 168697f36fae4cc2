"""Against a real Triton server: `make triton`, or QUERIST_TRITON_PYTHON set by tools/triton.sh."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.core.errors import RunError
from querist.models.heads import softmax
from querist.models.inference import open_inference
from querist.testing.inference import INFERENCE_CHECKS, InferenceCase

PYTHON = os.environ.get("QUERIST_TRITON_PYTHON", "")
pytestmark = [
    pytest.mark.triton,
    pytest.mark.skipif(not PYTHON, reason="needs a Triton server; `make triton` installs one"),
]
pytest.importorskip("httpx")
SERVER = Path(__file__).resolve().parents[3] / "tools" / "triton_server.py"


@contextmanager
def triton(seed: int) -> Iterator[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    server = subprocess.Popen(
        [PYTHON, str(SERVER), str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert server.stdin
    assert server.stdout
    try:
        url = server.stdout.readline().strip()
        assert url, "the server did not start"
        yield url
    finally:
        server.stdin.close()
        try:
            server.wait(30)
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


@pytest.fixture(scope="module")
def urls() -> Iterator[tuple[str, str]]:
    with triton(0) as one, triton(1) as two:
        yield one, two


def opened(url: str, threads: int = 1, **more: Any) -> Any:
    told = {"use": "remote", "url": url, "model": "linear", "scores": "scores"}
    return open_inference({**told, "embeddings": "features", **more}, threads=threads)


def rows(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.normal(size=(count, 4)).astype(np.float32)


@pytest.mark.parametrize("encoding", ["binary", "json"])
def test_triton_computes_what_is_expected(urls: tuple[str, str], encoding: str) -> None:
    model = opened(urls[0], encoding=encoding)
    x = rows(np.random.default_rng(1), 150)  # above its largest batch of 32
    made = model.infer(x, model.provides)
    weights = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(made["probabilities"], softmax(x @ weights), atol=1e-5)
    np.testing.assert_allclose(made["embeddings"], x, atol=1e-6)
    model.close()


@pytest.mark.parametrize("check", INFERENCE_CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Any, urls: tuple[str, str]) -> None:
    provides = frozenset({"probabilities", "embeddings", "gradients"})
    wrong = partial(np.zeros, (2, 7), np.float32)
    models: list[Any] = []

    def kept(url: str, threads: int = 1) -> Any:
        models.append(opened(url, threads))
        return models[-1]

    one, two = partial(kept, urls[0]), partial(kept, urls[1])
    check(InferenceCase("triton", one, rows, provides, two, wrong, here=False))
    for model in models:  # Triton does not end while a client is connected
        model.close()


def test_a_model_that_triton_does_not_have(urls: tuple[str, str]) -> None:
    with pytest.raises(RunError, match=r"refused .*/v2/models/other: status 4"):
        opened(urls[0], model="other")
