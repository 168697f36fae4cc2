"""Rounds: label, train, query, and again."""

from __future__ import annotations

from typing import Any

import numpy as np

from querist.core.errors import ShapeError
from querist.pool.errors import PoolError
from querist.service.call import Call
from querist.service.index.index import Row, count, find, insert, newest_first, newest_page, now
from querist.service.jobs.records import new_job, told
from querist.service.models import may_ask
from querist.service.pools import models_for
from querist.service.problems import Refused
from querist.service.queries import folder_of, settings_of
from querist.service.rounds import check_oracle, check_trainer, home_of, register, trained_model
from querist.service.routes.checks import begun
from querist.service.routes.paging import After, Limit, OptionalId, PathId, page_of
from querist.service.routes.queries import begin_query, library_model, registered_model
from querist.service.wire.base import Page
from querist.service.wire.jobs import Job, JobState
from querist.service.wire.rounds import Drift, Round, RoundCreate

ANSWERS = "answers"
"""The kind of the jobs that ask oracles again."""

RECENT = 100
"""Of these jobs of a pool, the newest that may tell what a round waits for."""


def list_rounds(call: Call, pool: PathId, limit: Limit = 100, after: After = "") -> Page[Round]:
    """Rounds of a pool, the newest first."""
    call.service.own(call.who, "pools", "pool", pool)
    with call.service.index.read() as connection:
        rows = newest_page(connection, "rounds", {"pool": pool}, after, limit)
    return page_of(rows, lambda row: _told(call, row))


def create_round(call: Call, pool: PathId, body: RoundCreate) -> Round:
    """Begin the next round: train on the labels that there are, and query with the result.

    Without a trainer the query's model picks as it is. A training is part of the round's job, and
    goes on after a crash of the server, as the query does; its model is registered when that is
    done. With an oracle that is no person, what was picked is labelled before the job ends.
    """
    call.service.own(call.who, "pools", "pool", pool)
    if body.after is not None:
        call.service.own(call.who, "rounds", "round", body.after)
    if body.trainer or body.oracle:
        return _round_of_its_own(call, pool, body)
    if body.holdout is not None:
        raise Refused("invalid", "A hold-out judges what is trained; name a trainer.")
    query = begin_query(call, pool, body.query)
    with call.service.index.write() as connection:
        row = _recorded(connection, call, pool, query.id, body)
    return _told(call, row)


def _round_of_its_own(call: Call, pool: str, body: RoundCreate) -> Round:
    """One transaction records the job and the round; the job's process makes all folders."""
    service, job = call.service, call.new_id("job")
    home = home_of(service.workspace, call.who.tenant, pool, call.new_id("rnd"))
    asked = _asked(call, pool, body)
    folder = home.parent.parent / "queries" / job
    made = {
        "id": job,
        "tenant": call.who.tenant,
        "pool": pool,
        "kind": "round",
        "folder": str(folder.relative_to(service.workspace.data)),
        "asked": {
            "query": body.query.model_dump(mode="json"),
            "round": {**asked, "home": str(home)},
        },
    }
    with service.index.write() as connection:
        if find(connection, "jobs", id=job) is None:
            service.check_jobs(connection, call.who)
            new_job(connection, made)
        row = _recorded(connection, call, pool, job, body)
    service.runner.poke()
    return _told(call, row)


def _asked(call: Call, pool: str, body: RoundCreate) -> dict[str, Any]:
    """What the job is asked, checked."""
    from querist.pool.choosing import strategy_named
    from querist.pool.query_needs import needs_of
    from querist.pool.query_settings import parse_query

    model = library_model(call, body.query.model)
    settings = settings_of(body.query, None, call.service.settings)
    if body.query.where != "unlabelled":
        raise Refused("invalid", "A round picks of what is unlabelled; leave 'where' out.")
    parse_query({**settings, "model": {"use": "head"}})
    if body.query.strategy is not None:
        needs_of(strategy_named(body.query.strategy, body.query.options), True)
    with call.service.opened(call.who, pool) as opened:
        if body.trainer:
            check_trainer(opened, body.trainer, model)
        check_oracle(opened, body.oracle)
    if body.oracle.get("use") == "service":
        _check_address(call, body.oracle["labels"])
    return {
        "query": settings,
        "model": model,
        "registered": registered_model(call, body.query.model),
        "trainer": body.trainer,
        "holdout": _holdout(call, pool, body),
        "oracle": body.oracle,
    }


def _check_address(call: Call, url: str) -> None:
    """Refuse a service of labels that may not be asked; it is checked again when it is asked."""
    servers = models_for(call.who.tenant_name, call.service.settings)
    listed = any(url.startswith(f"{server.rstrip('/')}/") for server in servers.servers)
    if not listed and not may_ask(url.partition("?")[0], servers):
        raise Refused(
            "invalid",
            "The service of labels is in neither models.remote of service.yaml nor the tenant's "
            "model_hosts.",
        )


def _holdout(call: Call, pool: str, body: RoundCreate) -> str | None:
    """The name of the query that was set aside, checked."""
    if body.holdout is None:
        return None
    if not body.trainer:
        raise Refused("invalid", "A hold-out judges what is trained; name a trainer.")
    row = call.service.own(call.who, "jobs", "query", body.holdout)
    if row["pool"] != pool or row["kind"] != "query":
        raise Refused("invalid", "A hold-out is a query of this pool, and no round.")
    if row["state"] != JobState.DONE:
        raise Refused("conflict", f"The query {body.holdout} is {row['state']}, not done.")
    return folder_of(call.service.workspace, row).name


def _recorded(connection: Any, call: Call, pool: str, job: str, body: RoundCreate) -> Row:
    made: Row = {
        "id": call.new_id("rnd"),
        "tenant": call.who.tenant,
        "pool": pool,
        "job": job,
        "asked": body.model_dump(mode="json"),
        "created": now(),
    }
    found = find(connection, "rounds", id=made["id"])
    if found is None:
        made["number"] = count(connection, "rounds", pool=pool) + 1
        insert(connection, "rounds", made)
    return found or made


def get_round(call: Call, round: PathId) -> Round:
    """One round."""
    return _told(call, call.service.own(call.who, "rounds", "round", round))


def ask_again(call: Call, round: PathId) -> Job:
    """Have the oracle of a round label what it left, as when it could not be reached: a job.

    It has the kind "answers"; when it is done the round tells what still waits.
    """
    row = call.service.own(call.who, "rounds", "round", round)
    with call.service.index.read() as connection:
        job = find(connection, "jobs", id=row["job"])
    if job is None or job["state"] != JobState.DONE:
        raise Refused("conflict", "An oracle is asked again when its round is done.")
    asked = job["asked"].get("round", {})
    if not asked.get("oracle"):
        raise Refused("invalid", "This round has no oracle: people label what it picked.")
    if asked["oracle"]["use"] == "service":
        _check_address(call, asked["oracle"]["labels"])
    query = folder_of(call.service.workspace, job).name
    found: Job = begun(call, row["pool"], ANSWERS, {"of": round, "query": query, "round": asked})
    return found


def pool_drift(
    call: Call, pool: PathId, before: OptionalId = None, after: OptionalId = None
) -> Drift:
    """Whether what a query saw differs from what an earlier one did; by default last and first."""
    with call.service.pool(call.who, pool) as found:
        try:
            return Drift.model_validate(found.drift(before or "", after or "")._asdict())
        except (PoolError, ShapeError) as error:
            raise Refused("conflict", str(error)) from None


def _told(call: Call, row: Row) -> Round:
    with call.service.index.read() as connection:
        job = find(connection, "jobs", id=row["job"])
        where = {"pool": row["pool"], "kind": ANSWERS, "state": JobState.DONE.value}
        later = newest_first(connection, "jobs", where, None, RECENT)
    again: Row = next((one["result"] for one in later if one["asked"]["of"] == row["id"]), {})
    result = job["result"].get("round", {}) if job else {}
    if job and result.get("model"):
        register(call.service.index, call.service.workspace, job)  # a server may have died before
    metrics = {"labels": result["labels"], **result["metrics"]} if "labels" in result else {}
    picked, labelled = _labelled(call, job) if job else (0, 0)
    return Round(
        id=row["id"],
        number=row["number"],
        pool=row["pool"],
        query=row["job"],
        job=row["job"],
        state=told(job).state if job else "",
        error=job["error"] if job else "",
        picked=picked,
        labelled=labelled,
        model=row["asked"]["query"]["model"],
        trained=trained_model(row["job"]) if result.get("model") else None,
        metrics=metrics,
        drift=result.get("drift", {}),
        holdout=row["asked"].get("holdout"),
        waiting=again.get("waiting", result.get("waiting", "")),
        created=row["created"],
    )


def _labelled(call: Call, job: Row) -> tuple[int, int]:
    """How many items a round picked, and how many of them have an answer."""
    from querist.pool.query import query_picks
    from querist.pool.rounds_state import unanswered

    if job["state"] != JobState.DONE:
        return 0, 0
    folder = folder_of(call.service.workspace, job)
    rows = np.array([pick.row for pick in query_picks(folder)], np.int64)
    with call.service.opened(call.who, job["pool"]) as pool:
        items = pool.fetch(rows)
    return len(items), len(items) - len(unanswered(items))
