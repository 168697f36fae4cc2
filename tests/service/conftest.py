"""A server in a process of its own, and one within the test's."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from querist.service.app import create_app
from querist.service.people import make_key, tenant_named
from querist.service.settings import ServiceSettings, parse_settings
from querist.service.wire.access import Scope

SERVE = """
import sys
from querist.service.serving import serve
from querist.service.settings import load_settings
serve(load_settings(sys.argv[1]))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """``querist serve`` in a process, on a free port of loopback."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder, self.port = folder, free_port()
        listen = {"port": self.port, **config.get("listen", {})}
        config = {"data": "data", "log": {"file": "log"}, **config, "listen": listen}
        self.config = folder / "service.yaml"
        self.config.write_text(json.dumps(config), encoding="utf-8")
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "slow_model.py").write_text(SLOW_MODEL, encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, program: str = SERVE, *args: str) -> Server:
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", program, *args, str(self.config)],
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(self.folder)])},
            )
        for _ in range(600):
            if self.process.poll() is not None:
                raise AssertionError((self.folder / "output").read_text())
            try:
                if httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the server did not get ready")

    def end(self, signum: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(signum)
        return self.process.wait(60)

    def pause(self, seconds: float) -> None:
        """How long the slow model takes for an item."""
        (self.folder / "pause").write_text(str(seconds))

    def client(self, key: str = "", **more: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False, **more)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text() + (self.folder / "output").read_text()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers with these settings; ends them after the test."""
    started: list[Server] = []

    def start(**config: Any) -> Server:
        folder = tmp_path / f"server-{len(started)}"
        folder.mkdir()
        started.append(Server(folder, config))
        return started[-1].start()

    yield start
    for server in started:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
            server.process.wait()


@pytest.fixture(scope="session")
def settings_for() -> Callable[..., ServiceSettings]:
    def make(data: Path, **config: Any) -> ServiceSettings:
        return parse_settings({"data": str(data), **config}, "the test's settings")

    return make


class Local:
    """The application within this process."""

    def __init__(self, settings: ServiceSettings, stack: ExitStack) -> None:
        from fastapi.testclient import TestClient

        self.settings = settings
        self.app = create_app(settings)
        self.service = self.app.service
        self._make = lambda **more: stack.enter_context(
            TestClient(self.app, base_url="http://127.0.0.1", client=("127.0.0.1", 5), **more)
        )
        self.http = self._make()

    def key(
        self, tenant: str = "default", user: str = "ada", scopes: str = "read label query"
    ) -> str:
        with self.service.index.write() as connection:
            row = tenant_named(connection, tenant)
            made = make_key(connection, row["id"], user, [Scope(one) for one in scopes.split()])
        return made.secret

    def as_(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="session")
def make_local() -> type[Local]:
    """Makes an application of settings and the stack that closes it."""
    return Local


@pytest.fixture
def local(tmp_path: Path, settings_for: Callable[..., ServiceSettings]) -> Iterator[Callable]:
    """Makes applications within this process."""
    with ExitStack() as stack:
        yield lambda **config: Local(settings_for(tmp_path / "data", **config), stack)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory, settings_for: Callable[..., ServiceSettings]) -> Iterator[Callable]:
    """Makes applications that last for a module."""
    with ExitStack() as stack:
        yield lambda **config: Local(
            settings_for(tmp_path_factory.mktemp("lasting"), **config), stack
        )


@pytest.fixture(scope="module")
def shared(tmp_path_factory, settings_for: Callable[..., ServiceSettings]) -> Iterator[Local]:
    """One application with default settings, for tests that leave no trace in each other's way."""
    with ExitStack() as stack:
        yield Local(settings_for(tmp_path_factory.mktemp("shared")), stack)


def draw(folder: Path, number: int) -> Path:
    """That many tiny images in a folder."""
    import numpy as np
    from PIL import Image

    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(7)
    for n in range(number):
        pixels = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{n:05}.png")
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[int], Path]:
    """A folder of that many tiny images."""
    return lambda number: draw(tmp_path / "pictures", number)


@pytest.fixture(scope="module")
def pooled(tmp_path_factory, settings_for: Callable[..., ServiceSettings]) -> Iterator[Local]:
    """An application with a pool of twenty images and a broken one: ``pooled.pool``."""
    folder = draw(tmp_path_factory.mktemp("pooled") / "pictures", 20)
    (folder / "broken.png").write_bytes(b"no image")
    config = {
        "tenants": {"default": {"roots": [str(folder)]}},
        "models": {"use": ["python", "features", "head", "onnx", "torch", "sklearn"]},
    }
    with ExitStack() as stack:
        app = Local(settings_for(tmp_path_factory.mktemp("data"), **config), stack)
        body = {
            "name": "pictures",
            "classes": ["cat", "dog"],
            "transform": {"modality": "image", "size": 8},
            "uris": [str(folder)],
        }
        pool = app.http.post("/v1/pools", json=body).json()
        assert wait_for(app.http, pool["addition"])["state"] == "done"
        app.pool, app.folder = pool["id"], folder
        yield app


SLOW_MODEL = """
import time
from pathlib import Path
import numpy as np

class Slow:
    # So many seconds an item as the file beside this one says.

    digest, provides, classes = "slow", frozenset({"probabilities"}), ("cat", "dog")

    def infer(self, batch, wanted):
        time.sleep(len(batch) * float(Path(__file__).with_name("pause").read_text()))
        share = np.asarray(batch, np.float64).mean(axis=(1, 2, 3)) / 255
        return {"probabilities": np.stack([share, 1 - share], 1)}

    def close(self):
        pass
"""


def wait_for(client: httpx.Client, job: str, seconds: float = 60) -> dict[str, Any]:
    """The job when it is finished."""
    for _ in range(int(seconds / 0.05)):
        found = client.get(f"/v1/jobs/{job}").json()
        if found["state"] in ("done", "failed", "cancelled"):
            return found
        time.sleep(0.05)
    raise AssertionError(f"not finished: {found}")


@pytest.fixture(scope="session")
def finished() -> Callable[..., dict[str, Any]]:
    return wait_for
