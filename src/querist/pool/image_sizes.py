"""Sizes of images, for formats whose boxes are in another unit than the pool's."""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from querist.core.errors import MissingExtra, require
from querist.pool.manifests.file import size_in
from querist.pool.manifests.record import Record
from querist.sources.opening import Sources
from querist.sources.source import SourceError

UNITS: Mapping[str, str] = MappingProxyType(
    {"yolo": "fraction", "label_studio": "fraction", "coco": "pixel", "ground_truth": "pixel"}
)


class Sizer:
    """Gives records the width and height of their image where a format needs and they lack them.

    Args:
        format: Of the manifest that is written.
        sources: What reads images.
    """

    def __init__(self, format: str, sources: Sources) -> None:
        self._unit, self._sources = UNITS.get(format), sources

    def __call__(self, record: Record) -> Record:
        """The record, with ``width`` and ``height`` in its metadata where they could be found."""
        if self._unit is None or not record.uri or size_in(record.metadata) is not None:
            return record
        values = [record.label, *(said.value for said in record.said if not said.skip)]
        if not any(self._is_other(part) for value in values for part in value or ()):
            return record
        size = self._read(record.uri)
        if size is None:
            return record
        return record._replace(metadata={**record.metadata, "width": size[0], "height": size[1]})

    def _is_other(self, part: Any) -> bool:
        return isinstance(part, Mapping) and part.get("unit", "pixel") != self._unit

    def _read(self, uri: str) -> tuple[int, int] | None:
        try:
            image = require("PIL.Image", "pool", "reading sizes of images")
            with image.open(io.BytesIO(self._sources.read(uri))) as found:
                width, height = found.size
        except (SourceError, MissingExtra, OSError, ValueError, SyntaxError):
            return None  # the writer says that the size is not known
        return width, height
