"""Labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from querist.service.client.call import Call, Flow, Listing, new_key, pages, path_of, post
from querist.service.client.calls.references import Ref, pool_id
from querist.service.wire.base import MAX_BATCH, Page
from querist.service.wire.labels import Label, LabelSet, LabelsPost, Recorded


def labels(pool: Ref) -> Listing[Label]:
    """The present labels of a pool."""

    def page(after: str | None) -> Flow[Page[Label]]:
        id_ = yield from pool_id(pool)
        found: Page[Label] = yield from pages(Label, "pools", id_, "labels")(after)
        return found

    return Listing(page)


def label(pool: Ref, values: Mapping[str, Any], *, by: str | None = None) -> Flow[Recorded]:
    """Record labels, item id -> value; they are on disk when this returns.

    More than 10,000 are sent in pieces, each of which is recorded whole or not at all.
    """
    id_ = yield from pool_id(pool)
    said = [LabelSet(id=item, value=value) for item, value in values.items()]
    recorded = 0
    for start in range(0, len(said), MAX_BATCH):
        body = LabelsPost(labels=said[start : start + MAX_BATCH], by=by)
        done: Recorded = yield from post(Recorded, "pools", id_, "labels", body=body)
        recorded += done.labels
    return Recorded(labels=recorded)


def import_labels(pool: Ref, file: Path | str, format: str) -> Flow[Recorded]:
    """Record the labels of a manifest: Label Studio, COCO, YOLO, CoNLL, CSV ..."""
    path = path_of("pools", (yield from pool_id(pool)), "label-files")
    said = {"format": format}
    done: Recorded = yield Call("POST", path, Recorded, said, file=Path(file), once=new_key())
    return done
