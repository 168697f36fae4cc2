"""All routes: the table in docs/service.md is compared with this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_type_hints

from querist.service.call import Content, Download, Nothing, Plain, Route, Stream, Thumbnail
from querist.service.routes import (
    campaigns,
    checks,
    jobs,
    labels,
    maps,
    models,
    opinions,
    people,
    pools,
    queries,
    questions,
    rounds,
    server,
    strategies,
    suggestions,
    webhooks,
)
from querist.service.wire.access import Scope
from querist.service.wire.base import Ask

_QUESTION = "/v1/campaigns/{campaign}/questions/{question}"
READ, LABEL, QUERY, ADMIN = Scope.READ, Scope.LABEL, Scope.QUERY, Scope.ADMIN


def _get(path: str, handler: Callable[..., Any], scope: Scope | None = READ) -> Route:
    return Route("GET", path, handler, scope, _answer(handler))


def _look(path: str, handler: Callable[..., Any]) -> Route:
    """A GET that may take long: it takes one of the tenant's turns."""
    return Route("GET", path, handler, READ, _answer(handler), long=True)


def _post(path: str, handler: Callable[..., Any], scope: Scope, status: int = 201) -> Route:
    hints = get_type_hints(handler)
    asks = isinstance(hints.get("body"), type) and issubclass(hints["body"], Ask)
    body = "json" if asks else ""
    return Route("POST", path, handler, scope, _answer(handler), status, True, body)  # type: ignore[arg-type]


def _file(path: str, handler: Callable[..., Any], scope: Scope, status: int = 201) -> Route:
    return Route("POST", path, handler, scope, _answer(handler), status, True, "file")


def _delete(path: str, handler: Callable[..., Any], scope: Scope = QUERY) -> Route:
    answer = _answer(handler)
    return Route("DELETE", path, handler, scope, answer, 204 if answer is Nothing else 200)


def _answer(handler: Callable[..., Any]) -> Any:
    return get_type_hints(handler)["return"]


ROUTES: tuple[Route, ...] = (
    _get("/health/live", server.live, None),
    _get("/health/ready", server.ready, None),
    _get("/metrics", server.metrics, Scope.METRICS),
    _get("/v1", server.about),
    _get("/v1/usage", server.usage),
    _get("/v1/strategies", strategies.list_strategies),
    _get("/v1/strategies/{name}", strategies.get_strategy),
    _get("/v1/pools", pools.list_pools),
    _post("/v1/pools", pools.create_pool, QUERY),
    _get("/v1/pools/{pool}", pools.get_pool),
    _delete("/v1/pools/{pool}", pools.remove_pool),
    _post("/v1/pools/{pool}/additions", pools.add_to_pool, QUERY, 202),
    _file("/v1/pools/{pool}/manifests", pools.add_manifest, QUERY, 202),
    _look("/v1/pools/{pool}/items", pools.list_items),
    _get("/v1/pools/{pool}/items/{item:path}", pools.get_item),
    _post("/v1/pools/{pool}/erasures", pools.forget_items, LABEL, 200),
    _look("/v1/pools/{pool}/content/{item:path}", pools.item_content),
    _look("/v1/pools/{pool}/thumbnails/{item:path}", pools.item_thumbnail),
    _post("/v1/pools/{pool}/leases", labels.lease_items, LABEL, 200),
    _look("/v1/pools/{pool}/labels", labels.list_labels),
    _post("/v1/pools/{pool}/labels", labels.post_labels, LABEL),
    _get("/v1/pools/{pool}/history/{item:path}", labels.label_history),
    _look("/v1/pools/{pool}/accord", opinions.get_accord),
    _look("/v1/pools/{pool}/disputes", opinions.list_disputes),
    _file("/v1/pools/{pool}/label-files", labels.import_labels, LABEL),
    _look("/v1/pools/{pool}/export", labels.export_pool),
    _post("/v1/pools/{pool}/estimates", queries.estimate_query, READ, 200),
    _look("/v1/pools/{pool}/drift", rounds.pool_drift),
    _post("/v1/pools/{pool}/reviews", checks.review_labels, QUERY, 202),
    _look("/v1/reviews/{review}/issues", checks.list_issues),
    _post("/v1/pools/{pool}/agreements", checks.compare_models, QUERY, 202),
    _post("/v1/pools/{pool}/maps", maps.create_map, QUERY, 202),
    _post("/v1/pools/{pool}/suggestions", suggestions.suggest_labels, QUERY, 202),
    _look("/v1/maps/{map}/points", maps.map_points),
    _look("/v1/pools/{pool}/rounds", rounds.list_rounds),
    _post("/v1/pools/{pool}/rounds", rounds.create_round, QUERY, 202),
    _get("/v1/rounds/{round}", rounds.get_round),
    _post("/v1/rounds/{round}/answers", rounds.ask_again, QUERY, 202),
    _post("/v1/pools/{pool}/queries", queries.create_query, QUERY, 202),
    _get("/v1/queries", queries.list_queries),
    _get("/v1/queries/{query}", queries.get_query),
    _look("/v1/queries/{query}/picks", queries.query_picks),
    _look("/v1/queries/{query}/manifest", queries.query_manifest),
    _get("/v1/jobs", jobs.list_jobs),
    _get("/v1/jobs/{job}", jobs.get_job),
    _delete("/v1/jobs/{job}", jobs.remove_job),
    _post("/v1/jobs/{job}/cancel", jobs.cancel_job, QUERY, 202),
    _get("/v1/jobs/{job}/events", jobs.job_events),
    _look("/v1/jobs/{job}/failures", jobs.job_failures),
    _file("/v1/uploads", models.create_upload, QUERY),
    _get("/v1/uploads", models.list_uploads),
    _get("/v1/uploads/{upload}", models.get_upload),
    _delete("/v1/uploads/{upload}", models.remove_upload),
    _get("/v1/models", models.list_models),
    _post("/v1/models", models.create_model, QUERY),
    _get("/v1/models/{model}", models.get_model),
    _delete("/v1/models/{model}", models.remove_model),
    _look("/v1/campaigns", campaigns.list_campaigns),
    _look("/v1/campaigns/{campaign}", campaigns.get_campaign),
    _get("/v1/campaigns/{campaign}/events", campaigns.campaign_events),
    _post("/v1/campaigns/{campaign}/commands", campaigns.command_campaign, QUERY, 202),
    _look("/v1/campaigns/{campaign}/questions", questions.list_questions),
    _post("/v1/campaigns/{campaign}/leases", questions.lease_questions, LABEL, 200),
    _look(f"{_QUESTION}/inputs/{{input:path}}", questions.show_input),
    _look(f"{_QUESTION}/content", questions.question_content),
    _post("/v1/campaigns/{campaign}/answers", questions.answer_question, LABEL, 202),
    _get("/v1/webhooks", webhooks.list_webhooks),
    _post("/v1/webhooks", webhooks.create_webhook, QUERY),
    _get("/v1/webhooks/{webhook}", webhooks.get_webhook),
    _delete("/v1/webhooks/{webhook}", webhooks.remove_webhook),
    _post("/v1/webhooks/{webhook}/ping", webhooks.ping_webhook, QUERY, 202),
    _get("/v1/webhooks/{webhook}/deliveries", webhooks.list_deliveries),
    _get("/v1/tenants", people.list_tenants, ADMIN),
    _post("/v1/tenants", people.create_tenant, ADMIN),
    _get("/v1/tenants/{tenant}", people.get_tenant, ADMIN),
    Route(
        "PATCH",
        "/v1/tenants/{tenant}",
        people.change_tenant,
        ADMIN,
        _answer(people.change_tenant),
        body="json",
    ),
    _get("/v1/keys", people.list_keys, ADMIN),
    _post("/v1/keys", people.create_key, ADMIN),
    _post("/v1/keys/{key}/rotate", people.rotate_key, ADMIN, 200),
    _delete("/v1/keys/{key}", people.revoke_key, ADMIN),
)

SPECIAL = (Download, Stream, Plain, Content, Thumbnail, Nothing)
