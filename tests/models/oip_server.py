"""A small server of the Open Inference Protocol, for what real servers do not do on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from querist.models.backends.triton import DTYPES, HEADER


class Served:
    """What the server serves, and how it misbehaves.

    Attributes:
        weights: ``(d, C)``; scores are items times these.
        binary: Whether it has the binary extension.
        failures: Statuses to answer before anything else.
        requests: Paths and headers that came, in order.
        datatype: Of the input.
    """

    def __init__(self, weights: np.ndarray, binary: bool = True, datatype: str = "FP32") -> None:
        self.weights, self.binary, self.datatype = weights, binary, datatype
        self.failures: list[int] = []
        self.requests: list[tuple[str, dict[str, str]]] = []

    def told(self, path: str) -> dict[str, Any] | None:
        if path == "/v2":
            return {"extensions": ["binary_tensor_data"] if self.binary else []}
        if path == "/v2/models/linear":
            kind = {"name": "x", "datatype": self.datatype, "shape": [-1, len(self.weights)]}
            names = {"scores": self.weights.shape[1], "features": len(self.weights)}
            out = [{"name": n, "datatype": "FP32", "shape": [-1, k]} for n, k in names.items()]
            return {"name": "linear", "platform": "test", "inputs": [kind], "outputs": out}
        return None

    def answer(self, body: bytes, header: str | None) -> tuple[bytes, str | None]:
        size = int(header) if header else len(body)
        told = json.loads(body[:size])
        (given,) = told["inputs"]
        kind = DTYPES[given["datatype"]]
        array = np.frombuffer(body[size:], kind) if header else np.array(given["data"], kind)
        x = array.reshape(given["shape"]).astype(np.float32)
        made = {"scores": x @ self.weights, "features": x}
        outputs, tail = [], b""
        for name in (each["name"] for each in told["outputs"]):
            data = made[name].astype(np.float32)
            output: dict[str, Any] = {"name": name, "datatype": "FP32", "shape": data.shape}
            if header:
                output["parameters"] = {"binary_data_size": data.nbytes}
                tail += data.tobytes()
            else:
                output["data"] = data.reshape(-1).tolist()
            outputs.append(output)
        front = json.dumps({"outputs": outputs}).encode()
        return front + tail, str(len(front)) if header else None


@contextmanager
def serving(served: Served) -> Iterator[str]:
    """The URL of a server, meanwhile."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def send(self, status: int, body: bytes, header: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if header:
                self.send_header(HEADER, header)
            self.end_headers()
            self.wfile.write(body)

        def failed(self) -> bool:
            served.requests.append((self.path, dict(self.headers)))
            if served.failures:
                self.send(served.failures.pop(0), b'{"error": "not now"}')
                return True
            return False

        def do_GET(self) -> None:
            if not self.failed():
                told = served.told(self.path)
                body = json.dumps(told or {"error": f"no {self.path}"}).encode()
                self.send(200 if told else 404, body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not self.failed():
                self.send(200, *served.answer(body, self.headers.get(HEADER)))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
