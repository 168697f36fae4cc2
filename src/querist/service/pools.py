"""Pools of tenants: opened by id, each with what its tenant may reach now."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from querist.pool.errors import PoolExists
from querist.pool.pool import Pool
from querist.pool.settings import (
    AccessSettings,
    ModelAccess,
    PoolSettings,
    read_settings,
    write_settings,
)
from querist.service.problems import Refused
from querist.service.settings import LimitSettings, ServiceSettings, TenantSettings
from querist.sources.access import CLOSED
from querist.sources.transforms.contract import Transform

_KEPT = 64


def access_for(tenant: TenantSettings, limits: LimitSettings, own: Path) -> AccessSettings:
    """What the pools of a tenant may read: what the administrator listed, and uploaded manifests.

    Args:
        tenant: The section of service.yaml.
        limits: Of sizes and times.
        own: The folder of the tenant's uploaded manifests.
    """
    return AccessSettings(
        roots=(*(root.resolve() for root in tenant.roots), own),
        hosts=tenant.hosts,
        private=tenant.private,
        schemes=CLOSED.schemes,
        credentials=tenant.credentials,
        max_bytes=limits.item_bytes,
        timeout=limits.item_seconds,
        stall=min(CLOSED.stall, limits.item_seconds),
        redirects=CLOSED.redirects,
    )


def models_for(name: str, settings: ServiceSettings) -> ModelAccess:
    """Which servers of models the tenant of a name may ask."""
    tenant = settings.tenant(name)
    return ModelAccess(
        servers=settings.models.remote, hosts=tenant.model_hosts, private=tenant.private
    )


def limited(transform: Mapping[str, Any], limits: LimitSettings) -> dict[str, Any]:
    """A transform that decodes no larger images than the server allows."""
    if transform.get("modality") != "image":
        return dict(transform)
    wanted = transform.get("max_pixels")
    most = limits.pixels
    fits = isinstance(wanted, int) and not isinstance(wanted, bool) and 0 < wanted < most
    return {**transform, "max_pixels": wanted if fits else most}


def check_size(transform: Transform, limits: LimitSettings) -> None:
    """Refuse a transform whose results are larger than what may be decoded.

    Raises:
        Refused: If they are.
    """
    height, width = getattr(transform, "shape", (1, 1))[:2]
    short, samples = getattr(transform, "short", 0), getattr(transform, "samples", 1)
    if height * width > limits.pixels or short**2 > limits.pixels:
        raise Refused("invalid", f"'size' and 'short' may give {limits.pixels} pixels.")
    if 4 * samples > limits.item_bytes:
        raise Refused("invalid", f"'seconds' may give {limits.item_bytes // 4} samples.")


def renew(folder: Path, access: AccessSettings, models: ModelAccess) -> None:
    """Give a pool the access that its tenant has now, before a job reads anything."""
    settings = read_settings(folder)
    if (settings.access, settings.models) != (access, models):
        write_settings(folder, settings.model_copy(update={"access": access, "models": models}))


def make(folder: Path, settings: PoolSettings) -> None:
    """Make a pool, or finish making it. Secrets stay in the service's own folder, as they came."""
    with suppress(PoolExists):  # an earlier try of the same request, whose server died, made it
        Pool.create(folder, settings, keep_secrets=True).close()


@dataclass(slots=True, eq=False)
class _Shelved:
    pool: Pool
    users: int = 0
    dropped: bool = False


class Shelf:
    """Pools that are open, the last used ones: opening costs more than most requests.

    A pool is used by any number of threads; it is closed when nobody does and others came since.
    To close what a thread still reads would end the process.
    """

    def __init__(self) -> None:
        self._left = threading.Condition()
        self._open: OrderedDict[Path, _Shelved] = OrderedDict()

    @contextmanager
    def pool(self, folder: Path) -> Iterator[Pool]:
        """An open pool."""
        with self._left:
            found = self._open.get(folder)
            if found is None:
                found = self._open[folder] = _Shelved(Pool.open(folder))
            self._open.move_to_end(folder)
            found.users += 1
        try:
            yield found.pool
        finally:
            with self._left:
                found.users -= 1
                if found.dropped and not found.users:
                    found.pool.close()
                self._trim()
                self._left.notify_all()

    def holds(self, folder: Path) -> bool:
        """Whether a pool is open."""
        return folder in self._open

    def drop(self, folder: Path, patience: float = 10.0) -> None:
        """Close a pool that is to be removed, when those who use it are done.

        Args:
            folder: Of the pool.
            patience: Seconds to wait for them; then the last of them closes it.
        """
        with self._left:
            found = self._open.pop(folder, None)
            if found is None:
                return
            found.dropped = True
            if not found.users:
                found.pool.close()
            self._left.wait_for(lambda: not found.users, patience)

    def close(self) -> None:
        """Close all."""
        for folder in list(self._open):
            self.drop(folder, 1.0)

    def _trim(self) -> None:
        for folder, one in list(self._open.items()):
            if len(self._open) <= _KEPT:
                return
            if not one.users:
                self._open.pop(folder).pool.close()
