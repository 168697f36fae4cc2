"""A picture of items to look at before they are labelled: images by image, others by their text."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError
from querist.pool.items import Item
from querist.pool.pool import Pool
from querist.sources.source import SourceError
from querist.sources.transforms.contract import BadItem
from querist.sources.transforms.image import Image

MOST = 400
_SIDE, _INCH = 160, 1.3


def contact_sheet(
    pool: Pool,
    ids: Sequence[str],
    path: Path | str,
    captions: Mapping[str, str] | None = None,
    columns: int = 0,
) -> Path:
    """Draw items side by side, in order.

    What cannot be read or decoded is said in its place; nothing else suffers.

    Args:
        pool: That holds them.
        ids: Which, at most 400.
        path: The file to write: .png, .pdf or .svg.
        captions: By id, what stands above an item; its label where there is none.
        columns: Side by side; 0 makes the sheet about as wide as it is high.

    Returns:
        The path.

    Raises:
        ConfigError: If there is no item, or there are too many.
        UnknownItem: For an id that there is not.
    """
    from matplotlib.figure import Figure

    if not 0 < len(ids) <= MOST:
        raise ConfigError(f"A contact sheet shows 1 to {MOST} items, got {len(ids)}.")
    columns = columns or max(4, round(len(ids) ** 0.5 * 1.25))
    columns = min(columns, len(ids))
    rows = -(-len(ids) // columns)
    figure = Figure(figsize=(columns * _INCH, rows * (_INCH + 0.25)), layout="constrained")
    for place, id in enumerate(ids, 1):
        item = pool.item(id)
        axes = figure.add_subplot(rows, columns, place)
        axes.set_xticks(())
        axes.set_yticks(())
        axes.set_title((captions or {}).get(id) or _label(item), fontsize=7, pad=2)
        _draw(axes, pool, item)
    path = Path(path)
    figure.savefig(path, dpi=100)
    return path


def sheet_of_picks(
    pool: Path, captions: Mapping[str, str], path: Path | str, columns: int = 0
) -> Path:
    """Draw the first picks of a query in a pool's folder; ``captions`` has their ids in order."""
    with Pool.open(pool) as opened:
        return contact_sheet(opened, list(captions)[:MOST], path, captions, columns)


def _label(item: Item) -> str:
    return "" if item.label is None else textwrap.shorten(str(item.label), 24)


def _draw(axes: Any, pool: Pool, item: Item) -> None:
    if item.inline is not None:
        _write(axes, item.inline if isinstance(item.inline, str) else json.dumps(item.inline))
        return
    try:
        data = pool.sources.read(item.uri)
    except SourceError as error:
        _write(axes, str(error))
        return
    try:
        axes.imshow(Image(size=_SIDE, resize="pad", fill=255).decode(data))
    except BadItem:
        _write(axes, _text(data, item))


def _text(data: bytes, item: Item) -> str:
    try:
        return data[:2000].decode()
    except UnicodeDecodeError:
        return f"{item.uri.rpartition('/')[2]}: no image and no text"


def _write(axes: Any, text: str) -> None:
    shown = textwrap.fill(textwrap.shorten(text, 130), 20)
    axes.text(0.5, 0.5, shown, fontsize=6, ha="center", va="center", transform=axes.transAxes)
