"""Labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from querist.service.client.call import Call, Flow, Listing, get, new_key, pages, path_of, post
from querist.service.client.calls.references import Ref, pool_id
from querist.service.wire.base import MAX_BATCH, Page
from querist.service.wire.labels import (
    Imported,
    Label,
    LabelSet,
    LabelsPost,
    LeaseAsk,
    Recorded,
    Statement,
)
from querist.service.wire.opinions import Accord, Dispute
from querist.service.wire.pools import Item

Which: TypeAlias = Literal["unlabelled", "second", "disputed"]


def labels(pool: Ref) -> Listing[Label]:
    """The present labels of a pool."""

    def page(after: str | None) -> Flow[Page[Label]]:
        id_ = yield from pool_id(pool)
        found: Page[Label] = yield from pages(Label, "pools", id_, "labels")(after)
        return found

    return Listing(page)


def history(pool: Ref, item: str) -> Listing[Statement]:
    """All that was ever said of an item, the first first."""

    def page(after: str | None) -> Flow[Page[Statement]]:
        id_ = yield from pool_id(pool)
        found: Page[Statement] = yield from pages(Statement, "pools", id_, "history", item)(after)
        return found

    return Listing(page)


def label(pool: Ref, values: Mapping[str, Any], *, by: str | None = None) -> Flow[Recorded]:
    """Record labels, item id -> value; they are on disk when this returns.

    More than 10,000 are sent in pieces, each of which is recorded whole or not at all.
    """
    said = [LabelSet(id=item, value=value) for item, value in values.items()]
    return (yield from _sent(pool, said, by))


def decide(pool: Ref, values: Mapping[str, Any], *, by: str | None = None) -> Flow[Recorded]:
    """Record labels that hold, whatever annotators say, until they are withdrawn (``unlabel``)."""
    said = [LabelSet(id=item, value=value, kind="decide") for item, value in values.items()]
    return (yield from _sent(pool, said, by))


def disputes(pool: Ref) -> Listing[Dispute]:
    """Items of which annotators say different things, and nobody has decided."""

    def page(after: str | None) -> Flow[Page[Dispute]]:
        id_ = yield from pool_id(pool)
        found: Page[Dispute] = yield from pages(Dispute, "pools", id_, "disputes")(after)
        return found

    return Listing(page)


def accord(pool: Ref) -> Flow[Accord]:
    """How far those who labelled the same items agree."""
    found: Accord = yield from get(Accord, "pools", (yield from pool_id(pool)), "accord")
    return found


def skip(
    pool: Ref, items: Iterable[str], *, reason: str = "", by: str | None = None
) -> Flow[Recorded]:
    """Record that items could not be labelled: they are not asked for again."""
    said = [LabelSet(id=item, value=reason, kind="skip") for item in items]
    return (yield from _sent(pool, said, by))


def unlabel(pool: Ref, items: Iterable[str], *, by: str | None = None) -> Flow[Recorded]:
    """Take back what was said of items."""
    said = [LabelSet(id=item, kind="withdraw") for item in items]
    return (yield from _sent(pool, said, by))


def _sent(pool: Ref, said: list[LabelSet], by: str | None) -> Flow[Recorded]:
    id_ = yield from pool_id(pool)
    recorded = 0
    for start in range(0, len(said), MAX_BATCH):
        body = LabelsPost(labels=said[start : start + MAX_BATCH], by=by)
        done: Recorded = yield from post(Recorded, "pools", id_, "labels", body=body)
        recorded += done.labels
    return Recorded(labels=recorded)


def import_labels(pool: Ref, file: Path | str, format: str) -> Flow[Imported]:
    """Record the labels of a manifest for items that the pool has.

    Args:
        pool: The pool.
        file: The manifest.
        format: "csv", "jsonl", "parquet", "label_studio", "coco", "yolo", "conll", "huggingface"
            or "ground_truth".
    """
    path = path_of("pools", (yield from pool_id(pool)), "label-files")
    said = {"format": format}
    done: Imported = yield Call("POST", path, Imported, said, file=Path(file), once=new_key())
    return done


def lease(
    pool: Ref,
    holder: str,
    number: int = 10,
    *,
    which: Which = "unlabelled",
    among: Iterable[str] = (),
    by: str | None = None,
) -> Flow[list[Item]]:
    """Items that nobody else gets for five minutes; asking again renews them.

    Args:
        pool: The pool.
        holder: A word that is this program's or person's own.
        number: How many, at most 100.
        which: "unlabelled" ones, those for a "second" opinion, or "disputed" ones.
        among: Ids to choose from, in order; all such items when left out.
        by: Who will label, where that is not the key's user.
    """
    body = LeaseAsk(holder=holder, number=number, which=which, among=list(among), by=by)
    id_ = yield from pool_id(pool)
    page: Page[Item] = yield from post(Page[Item], "pools", id_, "leases", body=body)
    return list(page.items)


def content(pool: Ref, item: str, to: Path | str) -> Flow[Path]:
    """Write an item's picture (PNG, JPEG, GIF, WebP) or text, as the labelling page shows it."""
    path = path_of("pools", (yield from pool_id(pool)), "content", item)
    written: Path = yield Call("GET", path, Path, save=Path(to))
    return written
