"""An example of each thing on the wire, and what parameters mean: for the interface's document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_AT = "2026-01-31T14:25:01Z"
_POOL, _JOB, _MODEL = (
    "pol_3ocdqnrq3xsxfxsbonva",
    "job_3ocdqns7zajzi2kdoy2b",
    "mod_3ocdqntj4k2uy5zvmwqa",
)
_ROUND, _UPLOAD, _HOOK = (
    "rnd_3ocdqnv2aafa5jlkq6xc",
    "upl_3ocdqnx7rls3bsr5g2hd",
    "whk_3ocdqnyt6mu5ciz7oemp",
)
_TENANT, _KEY = "ten_3ocdqnpf2zl4w6ghkr3s", "key_3ocdqnqk5ye7d4jtxm2v"
_ITEM, _URI = "9d2a41c0f57e8b36", "file:///data/birds/0007.jpg"

_QUERY_ASKED: dict[str, Any] = {"model": _MODEL, "strategy": "margin", "budget": 50, "seed": 1}
_PROGRESS = {"stage": "scan of candidates", "done": 1200, "total": 5000, "failed": 2, "rate": 310.5}
_JOB_TOLD: dict[str, Any] = {
    "id": _JOB,
    "kind": "query",
    "pool": _POOL,
    "state": "running",
    "progress": _PROGRESS,
    "attempts": 1,
    "error": "",
    "created": _AT,
    "started": _AT,
    "finished": None,
}
_SETTINGS = {"use": "onnx", "file": f"upload:{_UPLOAD}", "classes": ["owl", "robin"]}
_QUOTA = {"items": 1_000_000, "jobs": 20}

EXAMPLES: Mapping[str, Any] = {
    "About": {
        "version": "0.1.0",
        "tenant": "default",
        "user": "ada",
        "scopes": ["label", "query", "read"],
        "max_body": 8_388_608,
        "max_upload": 1_073_741_824,
        "shows": ["campaigns", "pools"],
    },
    "Addition": {"uris": ["/data/birds", "s3://pictures/2026/"], "only_new": True},
    "AgreementCreate": {"model": _MODEL, "other": {"precision": "bf16"}, "budget": 0.25},
    "AgreementJob": {**_JOB_TOLD, "kind": "agreement", "agreement": None},
    "Campaign": {
        "id": "potentials:run-1",
        "state": "finished",
        "reason": "500 labels (of 500)",
        "labels": 500,
        "seconds": 86_400.0,
    },
    "CampaignCommand": {"command": "set", "values": {"labels": 1000}, "why": "more is granted"},
    "Accord": {
        "items": 120,
        "agreement": 0.91,
        "alpha": 0.83,
        "pairs": [{"one": "ada", "two": "bob", "items": 120, "agreement": 0.91, "kappa": 0.83}],
        "contested": 4,
    },
    "Dispute": {
        "item": {"id": _ITEM, "uri": _URI, "state": "labelled"},
        "opinions": [{"by": "ada", "value": "owl"}, {"by": "bob", "value": "robin"}],
        "agreement": 0.0,
    },
    "LeaseAsk": {"holder": "tab-1", "number": 5},
    "Delivery": {
        "id": "dlv_3ocdqo2cbn7e4ky5wu6r",
        "webhook": _HOOK,
        "event": "job.done",
        "state": "delivered",
        "attempts": 1,
        "status": 204,
        "created": _AT,
    },
    "Drift": {"method": "mmd", "statistic": 0.021, "p_value": 0.34, "before": 500, "after": 500},
    "Estimate": {
        "items": 5000,
        "requests": 5000,
        "bytes": 61_000_000,
        "seconds": 16.1,
        "labels": 50,
    },
    "Failure": {
        "id": _ITEM,
        "uri": _URI,
        "reason": "broken",
        "message": "Damaged image: image file is truncated.",
    },
    "Erasure": {"items": [_ITEM]},
    "Forgotten": {"ids": [_ITEM], "at": _AT, "left": []},
    "Health": {"status": "ok", "checks": {"index": "ok", "jobs": "ok", "disk": "ok"}},
    "Item": {"id": _ITEM, "uri": _URI, "size": 12_345, "state": "labelled", "label": "owl"},
    "Job": _JOB_TOLD,
    "Key": {"id": _KEY, "user": "ada", "tenant": _TENANT, "scopes": ["read"], "created": _AT},
    "KeyCreate": {"user": "ada", "scopes": ["read", "label", "query"]},
    "LabelIssue": {
        "id": _ITEM,
        "item": _URI,
        "given": "owl",
        "suggested": "robin",
        "quality": 0.04,
    },
    "Label": {"id": _ITEM, "value": "owl"},
    "LabelsPost": {
        "labels": [
            {"id": _ITEM, "value": "owl"},
            {"id": "1b7f00aa31c2d9e4", "value": []},
            {"id": "77c0de90aa1e5b21", "kind": "skip", "value": "too dark"},
        ]
    },
    "MapCreate": {"method": "pca", "queries": [_JOB]},
    "SuggestionJob": {**_JOB_TOLD, "kind": "suggestion", "suggested": 1200},
    "SuggestionCreate": {"model": _MODEL, "limit": 10000},
    "MapJob": {**_JOB_TOLD, "kind": "map", "asked": {"method": "pca"}, "made": None},
    "MapPoints": {
        "ids": [_ITEM, "1b7f00aa31c2d9e4"],
        "x": [-0.31, 0.28],
        "y": [0.07, 0.11],
        "states": ["labelled", "unlabelled"],
        "labels": ["owl", None],
    },
    "Model": {"id": _MODEL, "name": "owls", "settings": _SETTINGS, "created": _AT},
    "ModelCreate": {"name": "owls", "settings": _SETTINGS},
    "Pick": {
        "rank": 0,
        "id": _ITEM,
        "uri": _URI,
        "score": 0.93,
        "why": "margin 0.07: owl or robin",
    },
    "Pool": {
        "id": _POOL,
        "name": "birds",
        "task": "classification",
        "classes": ["owl", "robin"],
        "transform": {"modality": "image", "size": 224},
        "items": 5000,
        "states": {"unlabelled": 4950, "labelled": 50},
        "created": _AT,
        "addition": _JOB,
    },
    "PoolCreate": {
        "name": "birds",
        "classes": ["owl", "robin"],
        "transform": {"modality": "image", "size": 224},
        "uris": ["/data/birds"],
    },
    "OpenQuestion": {
        "id": "5f2c.person.0",
        "oracle": "person",
        "why": "uncertain",
        "purpose": "train",
        "score": 0.4,
        "at": 12.5,
        "inputs": {"x": [0.1, 0.2]},
        "shapes": {"x": [2]},
        "shown": {"x": "numbers"},
    },
    "QuestionLease": {"holder": "ada's tab", "number": 4, "first": ["5f2c.person.0"]},
    "QuestionAnswer": {"question": "5f2c.person.0", "outputs": {"depth": 1.5}, "by": "ada"},
    "Posted": {"id": "1", "campaign": "potentials:run-1", "command": "pause", "at": _AT},
    "Query": {**_JOB_TOLD, "asked": _QUERY_ASKED, "counts": {"candidates": 5000, "scanned": 1198}},
    "QueryCreate": _QUERY_ASKED,
    "Imported": {"labels": 148, "why_nothing": ""},
    "Recorded": {"labels": 3},
    "ReviewCreate": {},
    "ReviewJob": {**_JOB_TOLD, "kind": "review", "issues": None},
    "Round": {
        "id": _ROUND,
        "number": 2,
        "pool": _POOL,
        "query": _JOB,
        "job": _JOB,
        "state": "done",
        "picked": 50,
        "labelled": 12,
        "created": _AT,
    },
    "RoundCreate": {
        "query": {"strategy": "margin", "budget": 50},
        "trainer": {"use": "linear_head"},
    },
    "Statement": {"at": _AT, "by": "ada", "kind": "label", "value": "owl"},
    "Strategy": {
        "name": "margin",
        "family": "uncertainty",
        "summary": "Where the two most likely classes are closest.",
        "needs": ["probabilities"],
        "pointwise": True,
    },
    "Tenant": {"id": _TENANT, "name": "acme", "quota": _QUOTA, "created": _AT},
    "TenantChange": {"quota": _QUOTA},
    "TenantCreate": {"name": "acme", "quota": _QUOTA},
    "Upload": {
        "id": _UPLOAD,
        "kind": "onnx",
        "size": 44_700_000,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "created": _AT,
    },
    "Usage": {
        "tenant": _TENANT,
        "items": 5000,
        "bytes": 44_700_000,
        "jobs": 1,
        "running": 1,
        "quota": _QUOTA,
    },
    "Webhook": {
        "id": _HOOK,
        "url": "https://hooks.example.org/querist",
        "events": ["job.done"],
        "created": _AT,
    },
    "WebhookCreate": {"url": "https://hooks.example.org/querist", "events": ["job.done"]},
}

PARAMETERS: Mapping[str, str] = {
    "Idempotency-Key": "A request that is sent again with the same key and body does nothing again "
    "and gets the first answer; kept for two days.",
    "after": "The `next` of the page before; empty for the first page.",
    "before": "The id of an earlier query to compare with.",
    "campaign": "ROOT:NAME: a folder that the administrator named, and a run in it; ROOT: a run.",
    "format": "Of the manifest.",
    "input": "The name of an input.",
    "item": "The id of an item.",
    "job": "The id of a job: job_...",
    "key": "The id of a key: key_...",
    "kind": "Only of this kind; of an upload what it is.",
    "limit": "How many there are on a page, at most.",
    "map": "The id of a map: job_...",
    "model": "The id of a model: mod_...",
    "name": "A name, or of a strategy also an alias; of a list the one that is looked for.",
    "pool": "The id of a pool: pol_...",
    "query": "The id of a query: job_...",
    "question": "The id of a question.",
    "review": "The id of a review: job_...",
    "round": "The id of a round: rnd_...",
    "side": "Pixels of the longer side of a thumbnail, at most.",
    "state": "Only those in this state.",
    "tenant": "The id of a tenant: ten_...",
    "upload": "The id of an upload: upl_...",
    "webhook": "The id of a webhook: whk_...",
    "where": "Which items: a word such as unlabelled, labelled or all, or a filter in JSON.",
    "which": "Which items: a word such as unlabelled, labelled or all, or a filter in JSON.",
}
