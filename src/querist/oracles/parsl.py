"""Parsl's workers as an executor: blocks of a site's queue, or processes of this host."""

from __future__ import annotations

import getpass
import os
import shlex
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError, require
from querist.core.tasks import resolve


class ParslPool(Executor):
    """Calls go to the workers of a Parsl configuration; a call that began cannot be cancelled.

    Args:
        config: A ``parsl.Config``, a function that makes one, or "package.module:attribute" of
            either; None starts workers on this host.
        workers: How many, where there is no configuration.
        folder: For Parsl's logs, where there is no configuration; a temporary one by default.

    Raises:
        MissingExtra: If Parsl is not installed.
        ConfigError: If there is no such configuration, or the user has no name.
    """

    def __init__(self, config: Any = None, workers: int = 1, folder: str = "") -> None:
        parsl = require("parsl", "parsl", "the executor 'parsl'")
        concurrent = require("parsl.concurrent", "parsl", "the executor 'parsl'")
        made = resolve(config) if isinstance(config, str) else config
        made = made() if callable(made) else made
        if made is None:
            made = _local(workers, folder or tempfile.mkdtemp(prefix="parsl-"))
        if not isinstance(made, parsl.Config):
            raise ConfigError(f"config should be or make a parsl.Config, but is {made!r}.")
        _need_name()
        # Not parsl.load, which serves one configuration a process.
        self._kernel = parsl.DataFlowKernel(config=made)
        self._executor = concurrent.ParslPoolExecutor(dfk=self._kernel)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a call; RuntimeError after :meth:`shutdown`."""
        if self._kernel is None:
            raise RuntimeError("the executor was shut down")
        future: Future[Any] = self._executor.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End its workers; calls that go on are lost unless they are waited for."""
        kernel, self._kernel = self._kernel, None
        if kernel is None:
            return
        if wait and not cancel_futures:
            kernel.wait_for_current_tasks()
        kernel.cleanup()


def _need_name() -> None:
    """Parsl asks who its user is, which nobody knows in many containers."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        raise ConfigError(
            f"Parsl wants the name of its user, and number {os.getuid()} has none here: set the "
            "environment variable USER to any name."
        ) from None


def _local(workers: int, folder: str) -> Any:
    parsl = require("parsl", "parsl", "the executor 'parsl'")
    executors = require("parsl.executors", "parsl", "the executor 'parsl'")
    providers = require("parsl.providers", "parsl", "the executor 'parsl'")
    path = shlex.quote(":".join(filter(None, sys.path)))
    # Parsl's programs lie beside this interpreter, whether or not its environment is activated.
    beside = Path(sys.executable).parent
    interchange = beside / "interchange.py"
    executor = executors.HighThroughputExecutor(
        label="here",
        address="127.0.0.1",
        max_workers_per_node=workers,
        encrypted=False,
        interchange_launch_cmd=[str(interchange)] if interchange.exists() else None,
        # Modules beside a campaign's file are known to this process only.
        provider=providers.LocalProvider(
            init_blocks=1,
            max_blocks=1,
            worker_init=f"export PYTHONPATH={path} PATH={shlex.quote(str(beside))}:$PATH",
        ),
    )
    return parsl.Config(executors=[executor], run_dir=folder, strategy="none")
