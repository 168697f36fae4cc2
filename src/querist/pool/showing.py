"""What a pool looks like in a notebook: what it is for, how far it is labelled, its first items."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from querist.accounting.notebook import card, facts, grid
from querist.accounting.report_html import Html, tag
from querist.pool.items import Item
from querist.pool.pool import Pool
from querist.sources.source import SourceError
from querist.sources.transforms.contract import BadItem
from querist.sources.transforms.image import thumbnail

ITEMS = 6
CLASSES = 12
_LABELS = 10_000  # that are counted by class
_SIDE, _PIXELS, _BYTES, _WORDS = 96, 50_000_000, 16 << 20, 200


def shown(pool: Pool) -> str:
    """The card of a pool, as HTML; everything that it holds is escaped."""
    settings, counts = pool.settings, pool.counts()
    states = ", ".join(f"{number:,} {state}" for state, number in counts.items() if number)
    rows = [
        ("items", f"{len(pool):,}" + (f": {states}" if states else "")),
        ("task", settings.task),
        ("classes", ", ".join(pool.classes) or "–"),
        ("folder", str(pool.folder)),
    ]
    said = list(_labels(pool))
    if said:
        rows.insert(1, ("labels", ", ".join(said)))
    first = [(_picture(pool, item), item.id, _label(item)) for item in pool.items(limit=ITEMS)]
    more = [grid(("first items", "id", "label"), first)] if first else []
    return str(card(f"Pool {pool.name}", facts(rows), *more))


def _labels(pool: Pool) -> Iterator[str]:
    """How many labels each class has."""
    if pool.settings.task != "classification":
        return
    labels = islice(pool.labels(), _LABELS)
    found = Counter(one.value if isinstance(one.value, str) else "empty" for one in labels)
    for name, number in found.most_common(CLASSES):
        yield f"{number:,} {name}"
    if len(found) > CLASSES:
        yield f"{len(found) - CLASSES} other classes"


def _label(item: Item) -> str:
    if item.label is None:
        return item.state
    return item.label if isinstance(item.label, str) else json.dumps(item.label)


def _picture(pool: Pool, item: Item) -> Html | str:
    """A small picture of a file that lies here; else where the item is, or its first words."""
    if item.inline is not None:
        return str(item.inline)[:_WORDS]
    if item.uri.startswith("file://") and (item.size or 0) <= _BYTES:
        try:
            data, kind = thumbnail(pool.sources.read(item.uri, _BYTES), _SIDE, _PIXELS)
        except (SourceError, BadItem):
            return item.uri
        return tag("img", src=f"data:{kind};base64,{base64.b64encode(data).decode()}", alt=item.uri)
    return item.uri
