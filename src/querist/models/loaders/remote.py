"""Models behind servers of the Open Inference Protocol v2."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, RunError, ShapeError

from ..backends.triton import DTYPES, Connect, Server, Tensor, plain_client
from ..heads import Head
from ..inference_settings import Normalise, RemoteSettings, suggest
from ..inferring import (
    Feeds,
    Inference,
    InferenceInfo,
    NetworkInference,
    Outputs,
    check_rows,
    digest_of,
)

ROWS = 64
# Places to which outputs are rounded before they enter the digest.
PLACES = 3
TEXTS = ["a probe of the model", "another"]


def load(settings: RemoteSettings, connect: Connect | None = None) -> Inference:
    """The model that the server has; its metadata are read, and a fixed batch is run.

    Raises:
        ConfigError: If the URL is no HTTP URL, or the model has no input or output of a name.
        MissingExtra: If httpx is not installed.
        RunError: If the server cannot be reached or has no such model.
    """
    parts = urlsplit(settings.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"a model server's url looks like http://host:8000, but got {settings.url!r}."
        )
    token = _token(settings)
    client = (connect or plain_client)(settings.timeout)
    server = Server(settings.url, settings.model, settings.version, token, settings.tries, client)
    try:
        runner = RemoteRunner(server, settings)
        head = Head(settings.task, settings.output, settings.classes)
        digest = digest_of({**_told(settings), **runner.told, "seen": runner.fingerprint()})
    except BaseException:
        server.close()
        raise
    return NetworkInference(runner, head, digest, runner.prepare)


def _token(settings: RemoteSettings) -> str:
    if not settings.token_from:
        return ""
    token = os.environ.get(settings.token_from, "")
    if not token:
        raise ConfigError(
            f"the token of the model server is taken from the environment variable "
            f"{settings.token_from}, which is not set."
        )
    return token


def _told(settings: RemoteSettings) -> dict[str, Any]:
    """Settings that the outputs depend on."""
    how = {"encoding", "rows", "connections", "timeout", "tries", "token_from", "backend"}
    return settings.model_dump(mode="json", exclude=how)


class RemoteRunner:
    """Asks a server, with some requests at a time.

    Args:
        server: Of the model.
        settings: What is asked of it.
    """

    def __init__(self, server: Server, settings: RemoteSettings) -> None:
        self._server, self._settings = server, settings
        deadline = self._deadline()
        told = server.metadata(deadline)
        self._input = _named(told.get("inputs", ()), settings.input, "input")
        self._names = self._outputs(told.get("outputs", ()))
        self._binary = settings.encoding == "binary" or (
            settings.encoding == "auto" and "binary_tensor_data" in server.extensions(deadline)
        )
        largest = int(server.config(deadline).get("max_batch_size") or 0)
        self._rows = settings.rows or largest or ROWS
        self.told = {key: told.get(key) for key in ("platform", "versions")}
        self.gives = frozenset(self._names)
        self._pool = ThreadPoolExecutor(settings.connections, "querist-remote")
        self.info = InferenceInfo("remote", "triton", "server's", settings.url)

    def _outputs(self, told: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Raw name -> the server's name of an output."""
        wanted = {
            "scores": self._settings.scores,
            "embeddings": self._settings.embeddings or None,
            "member_scores": self._settings.members or None,
        }
        return {
            raw: _named(told, name, "output").name
            for raw, name in wanted.items()
            if name is not None
        }

    def _deadline(self) -> float:
        return time.monotonic() + self._settings.timeout

    def prepare(self, batch: Any) -> Feeds:
        """A batch as the server's input takes it.

        Raises:
            ShapeError: If it cannot.
        """
        if self._input.datatype == "BYTES":
            texts = [str(text).encode() for text in batch]
            array: NDArray[Any] = np.empty((len(texts), *self._input.shape[1:2]), object)
            array.reshape(-1)[:] = texts
            return {"x": array}
        array = np.asarray(batch)
        if array.dtype.kind not in "biuf":
            raise ShapeError(
                f"the model's input {self._input.name!r} takes {self._input.datatype}, but got "
                f"{type(batch).__name__} of {array.dtype}."
            )
        array = self._normalised(array).astype(DTYPES[self._input.datatype], copy=False)
        self._check(array)
        return {"x": array}

    def _normalised(self, array: NDArray[Any]) -> NDArray[Any]:
        told = self._settings.normalise
        if told is None:
            return array
        made = affine(array, told)
        channels_first = array.ndim == 4 and told.layout == "channels-first"
        return np.ascontiguousarray(made.transpose(0, 3, 1, 2)) if channels_first else made

    def _check(self, array: NDArray[Any]) -> None:
        wanted = self._input.shape[1:]
        got = array.shape[1:]
        if len(wanted) != len(got) or any(
            want not in (-1, size) for want, size in zip(wanted, got, strict=False)
        ):
            raise ShapeError(
                f"the model's input {self._input.name!r} takes items of the shape {list(wanted)} "
                f"(-1 for any), but got {list(got)}; set the transform's size, or 'normalise' with "
                "its layout."
            )

    def run(self, feeds: Feeds, names: Sequence[str]) -> Outputs:
        """Raw outputs of n items."""
        array, deadline = feeds["x"], self._deadline()
        parts = [array[start : start + self._rows] for start in range(0, len(array), self._rows)]
        wanted = [self._names[name] for name in names]

        def ask(part: NDArray[Any]) -> dict[str, NDArray[Any]]:
            made = self._server.infer(part, self._input, wanted, self._binary, deadline)
            return {name: check_rows(name, made[name], len(part), "the server") for name in wanted}

        if not wanted or not parts:
            return {}
        made = list(self._pool.map(ask, parts)) if len(parts) > 1 else [ask(parts[0])]
        whole = {name: np.concatenate([each[self._names[name]] for each in made]) for name in names}
        if "member_scores" in whole:  # (n, T, C) on the wire
            whole["member_scores"] = np.swapaxes(whole["member_scores"], 0, 1)
        return whole

    def fingerprint(self) -> list[Any]:
        """Rounded outputs of a fixed batch, so that other weights have another digest.

        Raises:
            RunError: If the model fails at it.
        """
        batch = self._probe()
        if batch is None:
            return []
        made = self.run(self.prepare(batch) if isinstance(batch, list) else batch, [*self.gives])
        rounded = {name: np.round(made[name].astype(np.float64), PLACES) for name in made}
        return [[name, rounded[name].tolist()] for name in sorted(rounded)]

    def _probe(self) -> Any:
        """A fixed batch; None where the shape of items is not known."""
        shape = self._input.shape[1:]
        if self._input.datatype == "BYTES":
            return TEXTS
        if any(size < 1 for size in shape):
            return None
        rng = np.random.default_rng(0)
        kind = np.dtype(DTYPES[self._input.datatype])
        whole = kind.kind in "iu"
        drawn = rng.integers(0, 100, (2, *shape)) if whole else rng.normal(size=(2, *shape))
        return {"x": drawn.astype(kind)}

    def close(self) -> None:
        """Close the connections."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._server.close()


def affine(array: NDArray[Any], told: Normalise) -> NDArray[np.float32]:
    """``(x / scale - mean) / std`` over the last axis, in NumPy."""
    scale = told.scale or (255.0 if array.dtype == np.uint8 else 1.0)
    std = np.array(told.std or (1.0,), np.float32)
    mean = np.array(told.mean or (0.0,), np.float32)
    made: NDArray[np.float32] = array.astype(np.float32)
    made *= 1.0 / (scale * std)
    made -= mean / std
    return made


def _named(told: Sequence[Mapping[str, Any]], name: str, what: str) -> Tensor:
    tensors = [Tensor.of(each) for each in told]
    if not tensors:
        raise RunError(f"the model server tells of no {what}; it may still be loading the model.")
    found = [each for each in tensors if each.name == name] if name else tensors[:1]
    if not found:
        names = [each.name for each in tensors]
        raise ConfigError(f"the served model has no {what} {name!r}. {suggest(name, names)}")
    return found[0]
