"""Several people's labels of the same items."""

from __future__ import annotations

from itertools import islice

from querist.pool.opinions import accord, disputes
from querist.service.call import Call
from querist.service.routes.paging import After, Limit, PathId, number_of
from querist.service.routes.pools import item_told
from querist.service.wire.base import Page
from querist.service.wire.opinions import Accord, Dispute, Opinion, Pair


def get_accord(call: Call, pool: PathId) -> Accord:
    """How far those who labelled the same items agree."""
    with call.service.pool(call.who, pool) as found:
        measured, contested = accord(found), found.count("contested")
    pairs = [Pair(**pair._asdict()) for pair in measured.pairs]
    return Accord(**{**measured._asdict(), "pairs": pairs}, contested=contested)


def list_disputes(call: Call, pool: PathId, limit: Limit = 100, after: After = "") -> Page[Dispute]:
    """Items of which annotators say different things, and nobody has decided.

    Post a label of kind `decide` to decide.
    """
    with call.service.pool(call.who, pool) as found:
        shown = list(islice(disputes(found, number_of(after)), limit + 1))
    told = [
        Dispute(
            item=item_told(one.item),
            opinions=[Opinion(by=by, value=value) for by, value in one.opinions.items()],
            agreement=one.agreement,
        )
        for one in shown[:limit]
    ]
    more = str(shown[limit - 1].item.row) if len(shown) > limit else None
    return Page[Dispute](items=told, next=more)
