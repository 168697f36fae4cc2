"""Dask's workers as an executor: a cluster that runs already, or processes of this host."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from querist.core.errors import require


class DaskPool(Executor):
    """Calls go to the workers of a Dask cluster; a call whose worker dies is not repeated.

    Args:
        address: Of a scheduler, such as "tcp://host:8786"; "" starts workers on this host.
        scheduler_file: Instead of the address: the file that ``dask scheduler`` writes.
        options: Of ``distributed.LocalCluster`` where workers are started, such as ``n_workers``;
            else of ``distributed.Client``.

    Raises:
        MissingExtra: If ``distributed`` is not installed.
        OSError: If no scheduler answers.
    """

    def __init__(self, address: str = "", scheduler_file: str = "", **options: Any) -> None:
        dask = require("dask", "dask", "the executor 'dask'")
        distributed = require("distributed", "dask", "the executor 'dask'")
        self._cluster = None
        if scheduler_file:
            self._client = distributed.Client(scheduler_file=scheduler_file, **options)
        elif address:
            self._client = distributed.Client(address, **options)
        else:
            # The campaign decides what is tried again.
            dask.config.set({"distributed.scheduler.allowed-failures": 0})
            plain = {"threads_per_worker": 1, "dashboard_address": None, **options}
            self._cluster = distributed.LocalCluster(**plain)
            self._client = distributed.Client(self._cluster)
        self._executor = self._client.get_executor(pure=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a call; RuntimeError after :meth:`shutdown`."""
        future: Future[Any] = self._executor.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; workers that were started here end."""
        self._executor.shutdown(wait=wait and not cancel_futures)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()
