"""What the items of a pool are, where nobody said: told by their names."""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from querist.core.errors import ConfigError
from querist.pool.items import Item
from querist.pool.pool import Pool
from querist.sources.transforms.contract import Transform
from querist.sources.transforms.table import Category, Table

LOOKED_AT = 1000

SUFFIXES: Mapping[str, str] = {
    **dict.fromkeys(
        "jpg jpeg png webp gif bmp tif tiff ppm pgm jp2 avif ico tga".split(),  # noqa: SIM905
        "image",
    ),
    **dict.fromkeys(("txt", "md", "text", "html"), "text"),
    **dict.fromkeys(("wav", "flac", "ogg", "mp3", "opus", "aif", "aiff"), "audio"),
    "json": "table",
}

_BEGINNING = 24  # characters of base64: eighteen bytes
_SIGNS = (
    (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP|II\*\0|MM\0\*|....ftypavif", "image"),
    (rb"RIFF....WAVE|fLaC|OggS|ID3|FORM....AIF", "audio"),
)


def modality_of_item(item: Item) -> str:
    """What one item is: image, text, table or audio; "" where its name does not tell."""
    if item.inline is not None:
        return "text" if isinstance(item.inline, str) else "table"
    if item.uri.startswith("data:"):
        return _modality_of_data(item.uri)
    name = item.uri.partition("?")[0].rpartition("/")[2]
    return SUFFIXES.get(name.rpartition(".")[2].lower(), "")


def _modality_of_data(uri: str) -> str:
    """By the media type, or by the first bytes where it names none."""
    head, _, body = uri.partition(",")
    kind = head.removeprefix("data:").partition("/")[0].lower()
    if kind in ("image", "audio", "text"):
        return kind
    text = body[:_BEGINNING] if head.endswith(";base64") else ""
    with suppress(ValueError):
        first = b64decode(text)
        return next((what for sign, what in _SIGNS if re.match(sign, first, re.DOTALL)), "")
    return ""


def guess_transform(pool: Pool) -> dict[str, Any]:
    """The pool's transform; where it names no modality, with the one of most of the first items.

    The columns of a table that names none are those that its first rows show, numbers scaled.
    Images are then 64 pixels a side unless a size is given: enough for built-in features; a
    network wants the size that it was trained with.

    Raises:
        ConfigError: If the names do not tell.
    """
    transform = dict(pool.settings.transform)
    if "modality" not in transform:
        transform["modality"] = _guess(pool)
        if transform["modality"] == "image":
            transform.setdefault("size", 64)
    if transform["modality"] == "table" and "columns" not in transform:
        transform["columns"] = _columns(pool)
    return transform


def left_out(pool: Pool, transform: Transform) -> tuple[str, ...]:
    """A sentence on columns of a table that nobody named and that its features leave out."""
    if "columns" in pool.settings.transform or not isinstance(transform, Table):
        return ()
    seen = dict.fromkeys(name for row in first_rows(pool) for name in row)
    names = [name for name in seen if name not in transform.columns]
    if not names:
        return ()
    told = (
        f"Not looked at: {', '.join(names)[:500]}; columns of one value or of many texts are no "
        "features. Name the columns in the transform to choose them."
    )
    return (told,)


def learned_on(base: Mapping[str, Any], transform: Transform) -> dict[str, Any]:
    """A head's base that says on which columns of a table it learned, where these are features."""
    told = {name: value for name, value in base.items() if name != "items"}
    table = isinstance(transform, Table) and told.get("use") == "features"
    return {**told, "items": transform.digest} if table else dict(base)


def has_learned_on(base: Mapping[str, Any], transform: Transform) -> bool:
    """Whether a head's features of a table mean what they meant when it learned."""
    return base.get("items", "") in ("", transform.digest)


def require_learned_on(base: Mapping[str, Any], transform: Transform) -> None:
    """See that a head's features of a table mean what they meant when it learned.

    Raises:
        ConfigError: If they are others: the table has grown, and nobody named its columns.
    """
    if not has_learned_on(base, transform):
        raise ConfigError(
            "this model learned when the table had fewer rows, and its features have changed with "
            "the columns that these show. Train it again; name the columns in the transform to "
            "keep them."
        )


def _guess(pool: Pool) -> str:
    items = pool.items(limit=LOOKED_AT)
    if not items:
        raise ConfigError(f"The pool {pool.name} is empty; add a folder, a manifest or URIs first.")
    told = Counter(modality_of_item(item) for item in items)
    modality, _ = told.most_common(1)[0]
    if not modality:
        names = ", ".join(item.uri.rpartition("/")[2] for item in items[:3])
        raise ConfigError(
            f"The names of the items ({names} ...) do not tell what they are. Say it: "
            'transform={"modality": "image"}, or text, table or audio.'
        )
    return modality


def _columns(pool: Pool) -> dict[str, Any]:
    """Columns as settings, from the first rows that stand inline."""
    rows = first_rows(pool)
    if not rows:
        raise ConfigError(
            f"The rows of the pool {pool.name} are files, which do not tell their columns before "
            'they are read. Name them: transform={"modality": "table", "columns": {"age": {}}}.'
        )
    return {
        name: list(column.values) if isinstance(column, Category) else asdict(column)
        for name, column in Table.learnt(rows).columns.items()
    }


def first_rows(pool: Pool) -> list[Mapping[str, Any]]:
    """The first rows that stand inline, sorted by column: features must not rest on its order."""
    items = pool.items(limit=LOOKED_AT)
    return [dict(sorted(one.inline.items())) for one in items if isinstance(one.inline, Mapping)]
