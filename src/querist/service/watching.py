"""Serves the page for one run on loopback, with nothing set up and nothing left behind."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from querist.core.errors import ConfigError
from querist.service.serving import need_server, serve
from querist.service.settings import (
    JobSettings,
    ListenSettings,
    LogSettings,
    PageSettings,
    ServiceSettings,
    TenantSettings,
)
from querist.store.run_folder import RunFolder

HOST = "127.0.0.1"


@contextmanager
def watching(
    run: Path, port: int = 0, roots: Sequence[Path] = ()
) -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of the page of a run, and what serves it until SIGINT or SIGTERM.

    Args:
        run: Its folder.
        port: Of loopback; 0 takes a free one.
        roots: Folders of files that questions may show, where they are asked about addresses.

    Raises:
        MissingExtra: If the extra service is not installed.
        NotARun: If the folder holds no run.
        ConfigError: If another process listens there.
    """
    need_server()
    folder = RunFolder(run.resolve()).path
    with tempfile.TemporaryDirectory(prefix="querist-watch-") as data, _listening(port) as found:
        number = found.getsockname()[1]
        settings = ServiceSettings(
            data=Path(data),
            listen=ListenSettings(host=HOST, port=number),
            jobs=JobSettings(here=False),
            campaigns={"run": folder},
            log=LogSettings(level="error"),
            tenants={"default": TenantSettings(roots=tuple(root.resolve() for root in roots))},
            page=PageSettings(shows=("campaigns",)),
        )
        yield f"http://{HOST}:{number}/#/campaigns/run", lambda: serve(settings, [found])


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    found = socket.socket(proto=socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY by it
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with found:
        try:
            found.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} of {HOST} cannot be used: {error.strerror}. Choose another by --port."
            ) from error
        found.listen()  # a browser that is quicker than the server waits
        yield found
