"""The server itself: health, metrics, who asks."""

from __future__ import annotations

from querist import __version__
from querist.service.call import Call, Plain
from querist.service.index.index import count, total
from querist.service.index.sql import database_errors
from querist.service.jobs.records import UNFINISHED
from querist.service.metrics import MEDIA_TYPE
from querist.service.problems import Refused
from querist.service.routes.maps import methods
from querist.service.wire.about import About, Health
from querist.service.wire.access import Usage


def live(call: Call) -> Health:
    """Whether the process answers."""
    return Health(status="ok")


def ready(call: Call) -> Health:
    """Whether it can do its work: 503 with the reason where it cannot."""
    checks = {"index": "ok", "jobs": "ok", "disk": "ok"}
    try:
        call.service.index.ping()
    except database_errors():
        checks["index"] = "the database does not answer"
    if call.service.stopping:
        checks["jobs"] = "the server is stopping"
    elif call.service.settings.jobs.here and not call.service.runner.alive:
        checks["jobs"] = "the runner of jobs does not answer"
    if call.service.workspace.free_bytes() < 256 << 20:
        checks["disk"] = "nearly full"
    wrong = {name: said for name, said in checks.items() if said != "ok"}
    if wrong:
        said = "; ".join(f"{name}: {why}" for name, why in wrong.items())
        raise Refused("busy", said, retry_after=5.0)
    return Health(status="ok", checks=checks)


def metrics(call: Call) -> Plain:
    """Numbers for Prometheus."""
    return Plain(call.service.metrics.text(), MEDIA_TYPE)


def about(call: Call) -> About:
    """The version, the limits, and who you are."""
    settings = call.service.settings
    limits, there = settings.limits, bool(settings.campaigns_of(call.who.tenant_name))
    return About(
        version=__version__,
        tenant=call.who.tenant_name,
        user=call.who.user,
        scopes=sorted(call.who.scopes),
        max_body=limits.body,
        max_upload=limits.upload,
        shows=sorted(settings.page.shows, key=lambda one: one == "campaigns" and not there),
        maps=methods(),
    )


def usage(call: Call) -> Usage:
    """What your tenant uses, and its quota."""
    tenant = call.who.tenant
    with call.service.index.read() as connection:
        items = total(connection, "pools", "items", tenant=tenant)
        used = total(connection, "uploads", "size", tenant=tenant)
        running = count(connection, "jobs", tenant=tenant, state=list(UNFINISHED[1:]))
        jobs = count(connection, "jobs", tenant=tenant, state=list(UNFINISHED))
    return Usage(
        tenant=tenant,
        items=items,
        bytes=used,
        jobs=jobs,
        running=running,
        quota=call.service.quota(call.who),
    )
