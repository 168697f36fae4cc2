"""The server itself: what it is, whether it lives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from querist.service.wire.access import Scope
from querist.service.wire.base import Count, Told


class About(Told):
    """What a client may want to know before it asks for anything.

    Attributes:
        version: Of Querist.
        tenant, user, scopes: Who the request's key says you are.
        max_body, max_upload: Bytes.
        shows: What its page shows: "campaigns", "pools"; it begins with the first.
        maps: How it can draw maps of pools: "umap" needs the extra umap on the server.
    """

    version: str
    tenant: str
    user: str
    scopes: list[Scope]
    max_body: Count
    max_upload: Count
    shows: list[Literal["campaigns", "pools"]] = Field(default_factory=list)
    maps: list[Literal["pca", "umap"]] = Field(default_factory=list)


class Health(Told):
    """Whether the server lives, or is ready for requests.

    Attributes:
        checks: Each check's name and "ok", or what is wrong.
    """

    status: Literal["ok", "failing"]
    checks: dict[str, str] = Field(default_factory=dict)
