"""All that handlers use, opened once."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError
from querist.pool.pool import Pool
from querist.pool.settings import AccessSettings
from querist.service.asking import Asking
from querist.service.guard import Scope as AsgiScope
from querist.service.housekeeping import Housekeeping
from querist.service.index.index import (
    Connection,
    Index,
    Row,
    change,
    count,
    count_alone,
    find,
    grouped,
    total,
)
from querist.service.jobs.hub import Hub, InThread
from querist.service.jobs.records import UNFINISHED
from querist.service.jobs.removal import erase_manifest
from querist.service.jobs.runner import Runner
from querist.service.leases import Leases
from querist.service.limits import Limiter
from querist.service.metrics import Metrics
from querist.service.people import Door, Principal, first_key, has_keys, secret_in, tenant_told
from querist.service.pools import Shelf, access_for, models_for, renew
from querist.service.presence import Presence
from querist.service.problems import Refused, missing
from querist.service.rounds import register
from querist.service.settings import ServiceSettings
from querist.service.thumbnails import Thumbnails
from querist.service.watch import Watch
from querist.service.webhooks.sender import Sender
from querist.service.wire.access import Quota
from querist.service.workspace import Workspace
from querist.store.manifest import git_state

_LOG = logging.getLogger("querist.service.requests")
_LOOK_S = 5.0  # whether a stream's key still holds: another server may have revoked it
_READ_AT_ONCE = 2  # files of one tenant that processes of their own read for requests
_AT_ONCE = 24  # of web.THREADS: so many requests of one tenant that may take long


class Service:
    """The open service.

    Args:
        settings: What the administrator decided.

    Raises:
        ConfigError: If it would listen to strangers without keys, or the index cannot be used.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.workspace = Workspace(settings.data)
        self.index = Index(settings.index_place)
        try:
            _require_key(self.index, settings)
        except BaseException:
            self.index.close()
            raise
        self.presence = Presence(self.workspace.servers)
        self.door = Door(self.index, settings.open_here)
        self.nobody = Principal("", "", "", frozenset(), Quota())
        self.shelf, self.leases, self.thumbnails = Shelf(), Leases(self.index), Thumbnails()
        self.asking = Asking()
        self.code = git_state()  # once: what is imported does not change, and asking takes long
        self.metrics = Metrics(self._gauges)
        self.sender = Sender(self.index, settings.webhooks)
        self.runner = Runner(self.index, self.workspace, settings, self._tell, self._after)
        self._housekeeping = Housekeeping(self.index, self.workspace, settings)
        self._lock = threading.Lock()
        self._rates, self._wrong = Limiter(), Limiter()
        self._streams: Counter[str] = Counter()
        self._receiving: Counter[str] = Counter()
        self._reading: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Semaphore] = {}
        self.stopping = False
        self._in_thread: InThread
        self._hub: Hub
        self._watch: Watch

    def open_streams(self, in_thread: InThread) -> None:
        """Make event streams possible; on the thread of the event loop."""
        self._in_thread = in_thread
        self._hub = Hub(self.index, in_thread)
        self._watch = Watch(in_thread)
        self._turns = {}

    @contextmanager
    def receiving(self, who: Principal) -> Iterator[None]:
        """While a file of a tenant's arrives; on the event loop.

        Raises:
            Refused: If many do already.
        """
        if self._receiving[who.tenant] >= _AT_ONCE:
            raise Refused("quota-exceeded", f"{_AT_ONCE} files arrive already.", retry_after=5.0)
        self._receiving[who.tenant] += 1
        try:
            yield
        finally:
            self._receiving[who.tenant] -= 1

    @contextmanager
    def reading(self, who: Principal) -> Iterator[None]:
        """While a process reads a file for a request of a tenant's.

        Raises:
            Refused: If several do already.
        """
        with self._lock:
            if self._reading[who.tenant] >= _READ_AT_ONCE:
                raise Refused("too-often", "Files are being read already.", retry_after=5.0)
            self._reading[who.tenant] += 1
        try:
            yield
        finally:
            with self._lock:
                self._reading[who.tenant] -= 1

    def turn(self, who: Principal) -> asyncio.Semaphore:
        """Held while something of a tenant's is done that may take long; on the event loop."""
        return self._turns.setdefault(who.tenant, asyncio.Semaphore(_AT_ONCE))

    def follow(self, who: Principal, job: str, last_event: str) -> AsyncIterator[bytes]:
        """Events of a job."""
        return self._streamed(who, self._hub.follow(job, last_event))

    def watch(self, who: Principal, folder: Path) -> AsyncIterator[bytes]:
        """Views of a run."""
        return self._streamed(who, self._watch.follow(folder))

    async def _streamed(self, who: Principal, parts: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
        """A stream, as long as whoever asked for it may ask; on the event loop."""
        if self._streams[who.tenant] >= self.settings.limits.streams:
            yield b"retry: 5000\n\n"  # several came at the same time: he asks again
            return
        self._streams[who.tenant] += 1
        try:
            async with aclosing(parts):
                changes, looked = self.door.changes, time.monotonic()
                async for part in parts:
                    now = self.door.changes, time.monotonic()
                    if now[0] != changes or now[1] - looked > _LOOK_S:
                        if not await self._in_thread(self.door.still, who):
                            return
                        changes, looked = now
                    yield part
        finally:
            self._streams[who.tenant] -= 1

    def check_streams(self, who: Principal) -> None:
        """Refuse a stream to a tenant that has many.

        Raises:
            Refused: If it has.
        """
        most = self.settings.limits.streams
        if self._streams[who.tenant] >= most:
            raise Refused("quota-exceeded", f"{most} event streams are open.", retry_after=5.0)

    def start(self) -> None:
        """Begin to run jobs and to send messages."""
        self.presence.begin()
        self._housekeeping.start()
        if self.settings.jobs.here:
            self.runner.start()
            self.sender.start()

    def stop(self) -> None:
        """Suspend jobs, finish messages, close files."""
        self.stopping = self._hub.closing = self._watch.closing = True
        if self.settings.jobs.here:
            self.runner.stop()
            self.sender.stop()
        self._housekeeping.stop()
        self.shelf.close()
        self.index.close()
        self.presence.end()

    # -- who may, and how much ----------------------------------------------------------------

    def check_rate(self, who: Principal) -> None:
        """Count a request.

        Raises:
            Refused: If the tenant had too many of late.
        """
        per_minute = self.quota(who).requests_per_minute or 1
        with self._lock:
            wait = self._rates.take(who.tenant, per_minute, time.monotonic())
        if wait:
            raise Refused(
                "too-often", f"The tenant may ask {per_minute} times a minute.", retry_after=wait
            )

    def note_wrong_key(self, address: str) -> None:
        """Count a wrong key; right ones from the same address are not slowed down.

        Raises:
            Refused: If many came from there of late.
        """
        with self._lock:
            wait = self._wrong.take(address, self.settings.limits.wrong_keys, time.monotonic())
        if wait:
            raise Refused("too-often", "Too many wrong keys came from here.", retry_after=wait)

    def quota(self, who: Principal) -> Quota:
        """What the tenant may use."""
        return self.settings.quota_of(who.tenant_name, who.quota)

    def check_jobs(self, connection: Connection, who: Principal) -> None:
        """Refuse one more job beyond the quota; exact in the transaction that records the job.

        Raises:
            Refused: If the tenant has as many as it may.
        """
        most = self.quota(who).jobs or 0
        if count_alone(connection, "jobs", who.tenant, state=list(UNFINISHED)) >= most:
            raise Refused(
                "quota-exceeded",
                f"The tenant may have {most} unfinished jobs; wait until some are finished.",
                retry_after=10.0,
            )

    # -- things of a tenant -------------------------------------------------------------------

    def own(self, who: Principal, table: str, what: str, id: str) -> Row:
        """A row of the tenant's.

        Raises:
            Refused: If there is none, or it is another tenant's.
        """
        with self.index.read() as connection:
            return self.owned(connection, who, table, what, id)

    def owned(self, connection: Connection, who: Principal, table: str, what: str, id: str) -> Row:
        """As :meth:`own`, within a transaction."""
        row = find(connection, table, id=id, tenant=who.tenant)
        if row is None:
            raise missing(what, id)
        return row

    @contextmanager
    def pool(self, who: Principal, pool: str) -> Iterator[Pool]:
        """An open pool of the tenant's."""
        with self.opened(who, self.own(who, "pools", "pool", pool)["id"]) as found:
            yield found

    @contextmanager
    def opened(self, who: Principal, pool: str) -> Iterator[Pool]:
        """As :meth:`pool`, for who has asked already whether it is the tenant's."""
        folder = self.workspace.pool(who.tenant, pool)
        if not self.shelf.holds(folder):
            self.renew(who.tenant, who.tenant_name, pool)
        with self.shelf.pool(folder) as found:
            yield found

    def renew(self, tenant: str, name: str, pool: str) -> Path:
        """The folder of a pool that may read what its tenant may now."""
        folder = self.workspace.pool(tenant, pool)
        renew(folder, self.access(tenant, name), models_for(name, self.settings))
        return folder

    def access(self, tenant: str, name: str) -> AccessSettings:
        """What the pools of a tenant may read now."""
        own = self.workspace.manifests(tenant)
        return access_for(self.settings.tenant(name), self.settings.limits, own)

    def _tell(self, row: Row, tenant: Row) -> Mapping[str, Any]:
        """What a job's process is told."""
        folder = self.renew(tenant["id"], tenant["name"], row["pool"])
        quota = self.settings.quota_of(tenant["name"], tenant_told(tenant).quota)
        with self.index.read() as connection:
            used = total(connection, "pools", "items", tenant=tenant["id"])
        return {
            "kind": row["kind"],
            "pool": str(folder),
            "folder": str(self.workspace.data / row["folder"]) if row["folder"] else "",
            "home": str(self.workspace.job(row["tenant"], row["id"])),
            "asked": row["asked"],
            "room": max(0, (quota.items or 0) - used),
            "memory_mb": self.settings.jobs.memory_mb,
        }

    def _after(self, row: Row) -> None:
        """A job's process started or ended."""
        erase_manifest(row)
        if row["kind"] == "addition":
            self.count_items(row["tenant"], row["pool"])
        if row["kind"] == "round":
            register(self.index, self.workspace, row)
        self.sender.poke()

    def count_items(self, tenant: str, pool: str) -> None:
        """Bring the index's number of a pool's items up to date."""
        with self.shelf.pool(self.workspace.pool(tenant, pool)) as found:
            items = len(found)
        with self.index.write() as connection:
            change(connection, "pools", {"id": pool}, items=items)

    # -- numbers ------------------------------------------------------------------------------

    def observe(self, scope: AsgiScope, status: int, seconds: float) -> None:
        """Count and log a request."""
        state = scope["state"]
        route = state.get("route")
        who: Principal = state.get("who") or self.nobody
        path = route.path if route is not None else ""
        self.metrics.requests.labels(path, scope["method"][:10], str(status)).inc()
        self.metrics.seconds.labels(path).observe(seconds)
        _LOG.info(
            "request",
            extra={
                "request": state["request"],
                "method": scope["method"][:10],
                "route": path,
                "status": status,
                "ms": round(seconds * 1000, 2),
                "tenant": who.tenant,
                "key": who.key,
                "address": scope["client"][0] if scope.get("client") else "",
            },
        )

    def _gauges(self) -> dict[str, list[tuple[tuple[str, ...], float]]]:
        with self.index.read() as connection:
            jobs = grouped(connection, "jobs", ("kind", "state"))
            sent = grouped(connection, "deliveries", ("state",))
            pools = count(connection, "pools")
            items = total(connection, "pools", "items")
        return {
            "querist_jobs": [((kind, state), number) for kind, state, number in jobs],
            "querist_webhook_deliveries": [((state,), number) for state, number in sent],
            "querist_pools": [((), pools)],
            "querist_items": [((), items)],
            "querist_disk_free_bytes": [((), self.workspace.free_bytes())],
        }


def _require_key(index: Index, settings: ServiceSettings) -> None:
    """Make the first key where one is named; without any, only this machine is served.

    Raises:
        ConfigError: If it would listen to strangers, and nobody has a key.
    """
    if settings.keys.first is not None:
        first_key(index, secret_in(settings.keys.first))
    if not settings.open_here and not has_keys(index):
        raise ConfigError(
            f"The service would listen on {settings.listen.host} and nobody has a key. Make "
            "one first (keys.first in service.yaml names a file with one), or listen on "
            "127.0.0.1 without listen.root_path, where no key is needed."
        )
