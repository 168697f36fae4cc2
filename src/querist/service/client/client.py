"""The clients: the same methods, plain and to be awaited, made of one description each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self, Unpack

from querist.core.errors import ConfigError
from querist.service.client.address import Address, address_of
from querist.service.client.attempts import Retries
from querist.service.client.calls import campaigns as campaigns_
from querist.service.client.calls import checks as checks_
from querist.service.client.calls import jobs as jobs_
from querist.service.client.calls import labels as labels_
from querist.service.client.calls import maps as maps_
from querist.service.client.calls import models as models_
from querist.service.client.calls import pools as pools_
from querist.service.client.calls import queries as queries_
from querist.service.client.calls import rounds as rounds_
from querist.service.client.calls import service as service_
from querist.service.client.calls import suggestions as suggestions_
from querist.service.client.calls import tenants as tenants_
from querist.service.client.calls import webhooks as webhooks_
from querist.service.client.calls.queries import QueryOptions
from querist.service.client.calls.references import Ref
from querist.service.client.errors import JobFailed
from querist.service.client.events import Stream
from querist.service.client.methods import awaited, awaited_many, many, plain
from querist.service.client.transport import (
    AsyncTransport,
    Limits,
    Transport,
    load_httpx,
    options,
)
from querist.service.wire.jobs import Job, JobEvent, JobState
from querist.service.wire.queries import Pick, Query


@dataclass(frozen=True)
class Picked:
    """The result of a query that was waited for.

    Attributes:
        query: The query, with its counts.
        picks: The items to label, the most useful first.
    """

    query: Query
    picks: tuple[Pick, ...]

    @property
    def ids(self) -> list[str]:
        """Ids of the items, the most useful first."""
        return [pick.id for pick in self.picks]

    @property
    def uris(self) -> list[str]:
        """URIs of the items, the most useful first."""
        return [pick.uri for pick in self.picks]

    def __len__(self) -> int:
        return len(self.picks)

    def __iter__(self) -> Iterator[Pick]:
        return iter(self.picks)


class Client:
    """A client of a service, for use as it is or in a ``with`` block.

    Requests that are lost are sent again where that does no harm: what creates something carries an
    idempotency key, so that the service does it once. Pools and models may be named by id, by name,
    or by what a method returned. Thread-safe. What goes wrong at the service or on the way to it is
    a :class:`~querist.service.client.errors.ServiceError` of some kind.

    Args:
        url: Of the service; by default QUERIST_SERVER, or a service on this machine.
        key: By default QUERIST_API_KEY. It is never shown.
        timeout: Seconds without an answer after which a try counts as lost.
        retries: How often, and when, it is tried again.
        insecure: Whether the key may travel over http:// to another machine.
        transport: Of httpx, for proxies and tests.

    Raises:
        ConfigError: If the URL is none, or the key would travel unencrypted.
    """

    def __init__(
        self,
        url: str = "",
        key: str | None = None,
        *,
        timeout: float = 30.0,
        retries: Retries | None = None,
        insecure: bool = False,
        transport: Any = None,
    ) -> None:
        address = address_of(url, key, insecure=insecure)
        http = load_httpx().Client(**options(address, timeout, transport))
        self._transport = Transport(address, Limits(timeout, retries or Retries()), http)

    @property
    def url(self) -> str:
        """The service's address."""
        return self._transport.address.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give connections back."""
        self._transport.http.close()

    def within(self, seconds: float) -> Self:
        """The same client with a deadline for everything that is asked of it from now on.

        Args:
            seconds: From now; what takes longer raises ``DeadlinePassed``.
        """
        limited = object.__new__(type(self))
        here = self._transport
        limited._transport = Transport(here.address, here.how.within(_positive(seconds)), here.http)
        return limited

    def events(self, job: Ref) -> Iterator[JobEvent]:
        """Follow a job until its end; a stream that breaks is taken up where it was."""
        return self._transport.events(_stream(job, self._transport.address, self._transport.how))

    def wait(self, job: Ref, progress: Callable[[Job], None] | None = None) -> Job:
        """Wait for a job's end.

        Args:
            job: Which.
            progress: Called with the job as it stands, about once a second.

        Raises:
            JobFailed: If it failed or was cancelled.
            DeadlinePassed: If this client has a deadline; the job goes on.
        """
        for event in self.events(job):
            if progress is not None:
                progress(event.job)
        return _ended(self.job(job))

    def query(
        self,
        pool: Ref,
        *,
        progress: Callable[[Job], None] | None = None,
        **said: Unpack[QueryOptions],
    ) -> Picked:
        """Begin a query, wait for its end, and get the items to label.

        Raises:
            JobFailed: If it failed or was cancelled.
        """
        begun = self.start_query(pool, **said)
        self.wait(begun, progress)
        return Picked(self.query_status(begun), tuple(self.picks(begun)))

    about = plain(service_.about)
    health = plain(service_.health)
    usage = plain(service_.usage)
    strategies = many(service_.strategies)
    strategy = plain(service_.strategy)

    pools = many(pools_.pools)
    pool = plain(pools_.pool)
    create_pool = plain(pools_.create_pool)
    delete_pool = plain(pools_.delete_pool)
    add = plain(pools_.add)
    add_manifest = plain(pools_.add_manifest)
    items = many(pools_.items)
    item = plain(pools_.item)
    forget = plain(pools_.forget)
    export = plain(pools_.export)

    labels = many(labels_.labels)
    history = many(labels_.history)
    label = plain(labels_.label)
    skip = plain(labels_.skip)
    decide = plain(labels_.decide)
    disputes = many(labels_.disputes)
    accord = plain(labels_.accord)
    unlabel = plain(labels_.unlabel)
    import_labels = plain(labels_.import_labels)
    lease = plain(labels_.lease)
    content = plain(labels_.content)

    start_query = plain(queries_.start_query)
    estimate = plain(queries_.estimate)
    queries = many(queries_.queries)
    query_status = plain(queries_.query_status)
    picks = many(queries_.picks)
    save_picks = plain(queries_.save_picks)

    jobs = many(jobs_.jobs)
    job = plain(jobs_.job)
    cancel = plain(jobs_.cancel)
    delete_job = plain(jobs_.delete_job)
    failures = many(jobs_.failures)

    upload = plain(models_.upload)
    uploads = many(models_.uploads)
    upload_status = plain(models_.upload_status)
    delete_upload = plain(models_.delete_upload)
    models = many(models_.models)
    model = plain(models_.model)
    create_model = plain(models_.create_model)
    delete_model = plain(models_.delete_model)

    rounds = many(rounds_.rounds)
    round = plain(rounds_.round)
    start_round = plain(rounds_.start_round)
    ask_again = plain(rounds_.ask_again)
    drift = plain(rounds_.drift)

    start_review = plain(checks_.start_review)
    issues = many(checks_.issues)
    start_agreement = plain(checks_.start_agreement)

    start_map = plain(maps_.start_map)
    map_points = plain(maps_.map_points)
    start_suggestions = plain(suggestions_.start_suggestions)

    campaigns = many(campaigns_.campaigns)
    campaign = plain(campaigns_.campaign)
    command = plain(campaigns_.command)
    questions = many(campaigns_.questions)
    lease_questions = plain(campaigns_.lease_questions)
    question_picture = plain(campaigns_.question_picture)
    question_content = plain(campaigns_.question_content)
    answer = plain(campaigns_.answer)

    webhooks = many(webhooks_.webhooks)
    webhook = plain(webhooks_.webhook)
    create_webhook = plain(webhooks_.create_webhook)
    delete_webhook = plain(webhooks_.delete_webhook)
    ping = plain(webhooks_.ping)
    deliveries = many(webhooks_.deliveries)

    tenants = many(tenants_.tenants)
    tenant = plain(tenants_.tenant)
    create_tenant = plain(tenants_.create_tenant)
    set_quota = plain(tenants_.set_quota)
    keys = many(tenants_.keys)
    create_key = plain(tenants_.create_key)
    rotate_key = plain(tenants_.rotate_key)
    revoke_key = plain(tenants_.revoke_key)


class AsyncClient:
    """A client of a service for asyncio, for use in an ``async with`` block.

    It has the methods of :class:`Client` with their arguments and errors. They are awaited; those
    that give many things are read by ``async for``.

    Args:
        url: Of the service; by default QUERIST_SERVER, or a service on this machine.
        key: By default QUERIST_API_KEY. It is never shown.
        timeout: Seconds without an answer after which a try counts as lost.
        retries: How often, and when, it is tried again.
        insecure: Whether the key may travel over http:// to another machine.
        transport: Of httpx, for proxies and tests.

    Raises:
        ConfigError: If the URL is none, or the key would travel unencrypted.
    """

    def __init__(
        self,
        url: str = "",
        key: str | None = None,
        *,
        timeout: float = 30.0,
        retries: Retries | None = None,
        insecure: bool = False,
        transport: Any = None,
    ) -> None:
        address = address_of(url, key, insecure=insecure)
        http = load_httpx().AsyncClient(**options(address, timeout, transport))
        self._transport = AsyncTransport(address, Limits(timeout, retries or Retries()), http)

    @property
    def url(self) -> str:
        """The service's address."""
        return self._transport.address.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give connections back."""
        await self._transport.http.aclose()

    def within(self, seconds: float) -> Self:
        """The same client with a deadline for everything that is asked of it from now on.

        Args:
            seconds: From now; what takes longer raises ``DeadlinePassed``.
        """
        limited = object.__new__(type(self))
        here, how = self._transport, self._transport.how.within(_positive(seconds))
        limited._transport = AsyncTransport(here.address, how, here.http)
        return limited

    def events(self, job: Ref) -> AsyncIterator[JobEvent]:
        """Follow a job until its end; a stream that breaks is taken up where it was."""
        return self._transport.events(_stream(job, self._transport.address, self._transport.how))

    async def wait(self, job: Ref, progress: Callable[[Job], None] | None = None) -> Job:
        """Wait for a job's end; as ``Client.wait``."""
        async for event in self.events(job):
            if progress is not None:
                progress(event.job)
        return _ended(await self.job(job))

    async def query(
        self,
        pool: Ref,
        *,
        progress: Callable[[Job], None] | None = None,
        **said: Unpack[QueryOptions],
    ) -> Picked:
        """Begin a query, wait for its end, and get the items to label; as ``Client.query``."""
        begun = await self.start_query(pool, **said)
        await self.wait(begun, progress)
        query = await self.query_status(begun)
        return Picked(query, tuple([pick async for pick in self.picks(query)]))

    about = awaited(service_.about)
    health = awaited(service_.health)
    usage = awaited(service_.usage)
    strategies = awaited_many(service_.strategies)
    strategy = awaited(service_.strategy)

    pools = awaited_many(pools_.pools)
    pool = awaited(pools_.pool)
    create_pool = awaited(pools_.create_pool)
    delete_pool = awaited(pools_.delete_pool)
    add = awaited(pools_.add)
    add_manifest = awaited(pools_.add_manifest)
    items = awaited_many(pools_.items)
    item = awaited(pools_.item)
    forget = awaited(pools_.forget)
    export = awaited(pools_.export)

    labels = awaited_many(labels_.labels)
    history = awaited_many(labels_.history)
    label = awaited(labels_.label)
    skip = awaited(labels_.skip)
    decide = awaited(labels_.decide)
    disputes = awaited_many(labels_.disputes)
    accord = awaited(labels_.accord)
    unlabel = awaited(labels_.unlabel)
    import_labels = awaited(labels_.import_labels)
    lease = awaited(labels_.lease)
    content = awaited(labels_.content)

    start_query = awaited(queries_.start_query)
    estimate = awaited(queries_.estimate)
    queries = awaited_many(queries_.queries)
    query_status = awaited(queries_.query_status)
    picks = awaited_many(queries_.picks)
    save_picks = awaited(queries_.save_picks)

    jobs = awaited_many(jobs_.jobs)
    job = awaited(jobs_.job)
    cancel = awaited(jobs_.cancel)
    delete_job = awaited(jobs_.delete_job)
    failures = awaited_many(jobs_.failures)

    upload = awaited(models_.upload)
    uploads = awaited_many(models_.uploads)
    upload_status = awaited(models_.upload_status)
    delete_upload = awaited(models_.delete_upload)
    models = awaited_many(models_.models)
    model = awaited(models_.model)
    create_model = awaited(models_.create_model)
    delete_model = awaited(models_.delete_model)

    rounds = awaited_many(rounds_.rounds)
    round = awaited(rounds_.round)
    start_round = awaited(rounds_.start_round)
    ask_again = awaited(rounds_.ask_again)
    drift = awaited(rounds_.drift)

    start_review = awaited(checks_.start_review)
    issues = awaited_many(checks_.issues)
    start_agreement = awaited(checks_.start_agreement)

    start_map = awaited(maps_.start_map)
    map_points = awaited(maps_.map_points)
    start_suggestions = awaited(suggestions_.start_suggestions)

    campaigns = awaited_many(campaigns_.campaigns)
    campaign = awaited(campaigns_.campaign)
    command = awaited(campaigns_.command)
    questions = awaited_many(campaigns_.questions)
    lease_questions = awaited(campaigns_.lease_questions)
    question_picture = awaited(campaigns_.question_picture)
    question_content = awaited(campaigns_.question_content)
    answer = awaited(campaigns_.answer)

    webhooks = awaited_many(webhooks_.webhooks)
    webhook = awaited(webhooks_.webhook)
    create_webhook = awaited(webhooks_.create_webhook)
    delete_webhook = awaited(webhooks_.delete_webhook)
    ping = awaited(webhooks_.ping)
    deliveries = awaited_many(webhooks_.deliveries)

    tenants = awaited_many(tenants_.tenants)
    tenant = awaited(tenants_.tenant)
    create_tenant = awaited(tenants_.create_tenant)
    set_quota = awaited(tenants_.set_quota)
    keys = awaited_many(tenants_.keys)
    create_key = awaited(tenants_.create_key)
    rotate_key = awaited(tenants_.rotate_key)
    revoke_key = awaited(tenants_.revoke_key)


def _positive(seconds: float) -> float:
    if not seconds > 0:
        raise ConfigError(f"A deadline is a number of seconds above 0, got {seconds}.")
    return seconds


def _stream(job: Ref, address: Address, how: Limits) -> Stream:
    return Stream(jobs_.events_path(job), address.url, how.retries, how.deadline)


def _ended(job: Job) -> Job:
    if job.state is not JobState.DONE:
        raise JobFailed(job.id, job.state.value, job.error)
    return job
