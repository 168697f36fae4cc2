"""Client of the Open Inference Protocol v2 over HTTP: Triton, MLServer, KServe.

Tensors travel as bytes where the server has the binary tensor extension, else as JSON.
"""

from __future__ import annotations

import json
import math
import random
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, QueristError, RunError, require

Array = NDArray[Any]
Connect = Callable[[float], Any]

DTYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
HEADER = "Inference-Header-Content-Length"


def plain_client(timeout: float) -> Any:
    """A client that pools connections and follows no redirects.

    Raises:
        MissingExtra: If httpx is not installed.
    """
    httpx = require("httpx", "client", "a model behind a server")
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    return httpx.Client(timeout=timeout, limits=limits, trust_env=False, follow_redirects=False)


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a served model.

    Attributes:
        name: Its name.
        datatype: "FP32", "UINT8", "BYTES" ...
        shape: -1 where any number is allowed.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Tensor:
        """From a server's metadata."""
        shape = tuple(int(size) for size in told.get("shape", ()))
        return cls(str(told["name"]), str(told["datatype"]), shape)


class Server:
    """A model behind a server.

    Args:
        url: Of the server.
        model: Name of the model.
        version: Empty for the server's choice.
        token: Sent as a bearer token; empty for none. Never in an error or a log.
        tries: Of one request.
        client: What :data:`Connect` made.
    """

    def __init__(
        self, url: str, model: str, version: str, token: str, tries: int, client: Any
    ) -> None:
        self.url, self.model = url.rstrip("/"), model
        self._path = f"/v2/models/{_part(model)}" + (
            f"/versions/{_part(version)}" if version else ""
        )
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._tries, self._client = tries, client

    def extensions(self, deadline: float) -> tuple[str, ...]:
        """What the server has beyond the protocol."""
        return tuple(self._json("GET", "/v2", deadline).get("extensions") or ())

    def metadata(self, deadline: float) -> dict[str, Any]:
        """What the server tells of the model: platform, versions, inputs, outputs."""
        return self._json("GET", self._path, deadline)

    def config(self, deadline: float) -> dict[str, Any]:
        """Triton's own configuration of the model; empty where there is none."""
        try:
            return self._json("GET", f"{self._path}/config", deadline)
        except RunError:  # other servers have no such page
            return {}

    def infer(
        self, array: Array, tensor: Tensor, names: Sequence[str], binary: bool, deadline: float
    ) -> dict[str, Array]:
        """Outputs of one request.

        Args:
            array: The input, rows first.
            tensor: Which input that is.
            names: Of the outputs that are wanted.
            binary: Whether tensors travel as bytes.
            deadline: Instant of ``time.monotonic`` when it must be over.

        Raises:
            RunError: If the server refuses, cannot be reached, or says what makes no sense.
        """
        body, headers = request(array, tensor, names, binary)
        response = self._send("POST", f"{self._path}/infer", deadline, body, headers)
        try:
            made = parsed(response.content, response.headers.get(HEADER))
            return {name: made[name] for name in names}
        except (KeyError, ValueError, TypeError, struct.error) as error:
            raise RunError(
                f"the model server at {self.url} answered what is not of the Open Inference "
                f"Protocol, or without the outputs {', '.join(names)}: {error!r}"
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _json(self, method: str, path: str, deadline: float) -> dict[str, Any]:
        response = self._send(method, path, deadline)
        try:
            return dict(response.json())
        except (ValueError, TypeError) as error:
            raise RunError(
                f"{self.url}{path} should answer JSON of the Open Inference Protocol v2, but got "
                f"{response.content[:80]!r}; check the 'url'."
            ) from error

    def _send(
        self,
        method: str,
        path: str,
        deadline: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The response of a request, tried again while there is time and reason."""
        began, said = time.monotonic(), "there was no time left"
        tried = 0
        while tried < self._tries and (left := deadline - time.monotonic()) > 0.0:
            tried, wait = tried + 1, 0.0
            try:
                response = self._client.request(
                    method,
                    self.url + path,
                    content=body,
                    headers={**self._headers, **(headers or {})},
                    timeout=left,
                )
            except OSError as error:
                said = str(error) or type(error).__name__
            except Exception as error:  # httpx has its own tree of errors
                if not _passing(error):
                    raise RunError(
                        f"the model server at {self.url} may not or cannot be asked: {error}"
                    ) from error
                said = str(error) or type(error).__name__
            else:
                if response.status_code < 300:
                    return response
                said = _said(response)
                if response.status_code not in PASSING:
                    raise RunError(f"the model server refused {self.url}{path}: {said}")
                wait = _asked(response)
            if tried < self._tries:
                pause = max(wait, random.random() * min(5.0, 0.1 * 2.0**tried))  # full jitter
                time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
        spent = time.monotonic() - began
        raise RunError(
            f"the model server at {self.url} did not answer {path} in {spent:.1f} s and {tried} "
            f"tries: {said}. Check that it runs and serves the model {self.model!r}."
        )


def _part(name: str) -> str:
    """A name as one part of a path, which leads nowhere else.

    Raises:
        ConfigError: If it can be none.
    """
    if name in ("", ".", ".."):
        raise ConfigError(f"a model server's models and versions have names, but got {name!r}.")
    return quote(name, safe="")


def _passing(error: Exception) -> bool:
    """Whether an error of the client is one of the network."""
    if isinstance(error, QueristError):  # of a client of ours, whose network's errors are OSErrors
        return False
    httpx = require("httpx", "client", "a model behind a server")
    return isinstance(error, httpx.TransportError)


def _said(response: Any) -> str:
    """What a server says of its refusal."""
    try:
        told = response.json()
        text = str(told.get("error") or told.get("detail") or told)
    except (ValueError, AttributeError):
        text = response.text
    return f"status {response.status_code}, {text[:500] or 'no reason given'}"


def _asked(response: Any) -> float:
    """Seconds that a server asks to wait."""
    try:
        return float(response.headers.get("Retry-After", 0.0))
    except ValueError:
        return 0.0


def request(
    array: Array, tensor: Tensor, names: Sequence[str], binary: bool
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an inference request."""
    told: dict[str, Any] = {
        "name": tensor.name,
        "shape": list(array.shape),
        "datatype": tensor.datatype,
    }
    outputs: list[dict[str, Any]] = [{"name": name} for name in names]
    if not binary:
        told["data"] = _plain(array).reshape(-1).tolist()
        body = json.dumps({"inputs": [told], "outputs": outputs}).encode()
        return body, {"Content-Type": "application/json"}
    data = _bytes(array)
    told["parameters"] = {"binary_data_size": len(data)}
    for output in outputs:
        output["parameters"] = {"binary_data": True}
    header = json.dumps({"inputs": [told], "outputs": outputs}).encode()
    return header + data, {
        "Content-Type": "application/octet-stream",
        HEADER: str(len(header)),
    }


def _plain(array: Array) -> Array:
    if array.dtype.kind != "O":
        return array
    return np.array([text.decode() for text in array.reshape(-1)], object)


def _bytes(array: Array) -> bytes:
    """Little-endian, row by row; texts with their length before them."""
    if array.dtype.kind == "O":
        return b"".join(struct.pack("<I", len(item)) + item for item in array.reshape(-1).tolist())
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def parsed(body: bytes, header: str | None) -> dict[str, Array]:
    """Outputs of a response by name.

    Raises:
        ValueError: If lengths and shapes do not fit.
    """
    size = int(header) if header else len(body)
    told, rest, found = json.loads(body[:size]), body[size:], {}
    for output in told["outputs"]:
        shape = tuple(int(each) for each in output["shape"])
        length = (output.get("parameters") or {}).get("binary_data_size")
        if length is None:
            flat = _listed(output)
        else:
            flat, rest = _read(rest[:length], output["datatype"]), rest[length:]
        if flat.size != math.prod(shape):
            raise ValueError(f"{output['name']} has {flat.size} numbers for the shape {shape}")
        found[str(output["name"])] = flat.reshape(shape)
    return found


def _listed(output: Mapping[str, Any]) -> Array:
    if output["datatype"] not in DTYPES:
        raise ValueError(f"{output['name']} is of the type {output['datatype']}, no numbers")
    return np.asarray(output["data"], DTYPES[output["datatype"]]).reshape(-1)


def _read(data: bytes, datatype: str) -> Array:
    if datatype == "BF16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    if datatype not in DTYPES:
        raise ValueError(f"an output is of the type {datatype}, no numbers")
    return np.frombuffer(data, np.dtype(DTYPES[datatype]).newbyteorder("<"))
