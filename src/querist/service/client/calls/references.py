"""Things named by id, by name, or by what the service said of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from querist.service.client.call import Flow, get, post
from querist.service.client.errors import NotFound
from querist.service.wire.base import Page
from querist.service.wire.models import Model, ModelCreate
from querist.service.wire.pools import Pool
from querist.service.wire.problem import Problem
from querist.service.wire.rounds import Round

ID = re.compile("[a-z]{3}_[a-z2-7]{20}")


class Known(Protocol):
    """Anything that the service gave an id."""

    @property
    def id(self) -> str:
        """Its id."""
        ...


Ref: TypeAlias = "str | Known"
"""An id, or the object that carries it; of pools and models also the name."""

ModelRef: TypeAlias = "str | Known | Mapping[str, Any] | None"
"""As ``Ref``; or a model's settings, which are registered where they are new; or none."""


def id_of(thing: Ref) -> str:
    """The id of a thing that is known by its id only."""
    return thing if isinstance(thing, str) else thing.id


def job_id(thing: Ref) -> str:
    """The id of a job; of a round that of its job, which is its query, too."""
    return thing.query if isinstance(thing, Round) else id_of(thing)


def pool_id(pool: Ref) -> Flow[str]:
    """The id of a pool, looked up where a name is given.

    Raises:
        NotFound: If there is none of that name.
    """
    return (yield from _looked_up(pool, "pool", Pool))


def model_id(model: ModelRef) -> Flow[str | None]:
    """The id of a model; settings are registered under a name made of their digest."""
    if model is None:
        return None
    if not isinstance(model, Mapping):
        return (yield from _looked_up(model, "model", Model))
    settings = dict(model)
    text = json.dumps(settings, sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    name = f"{settings.get('use', 'model')}-{digest}"
    page = yield from get(Page[Model], "models", name=name)
    for found in page.items:
        return str(found.id)
    made = yield from post(Model, "models", body=ModelCreate(name=name, settings=settings))
    return str(made.id)


def _looked_up(thing: Ref, noun: str, kind: Any) -> Flow[str]:
    if not isinstance(thing, str) or ID.fullmatch(thing):
        return id_of(thing)
    page = yield from get(Page[kind], f"{noun}s", name=thing)
    for found in page.items:
        if found.name == thing:
            return str(found.id)
    detail = f"The service has no {noun} named {thing!r} that this key may see."
    raise NotFound(
        Problem(type="/problems/not-found", title="Not found", status=404, detail=detail)
    )
