"""Rows of a table as they stand: the JSON of an object, for what reads its values itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from querist.sources.transforms.contract import BadItem, Decoded, Stacked, digest_of, stack


@dataclass(frozen=True)
class Row:
    """Take a row as the text that it is; see that it is an object of JSON."""

    modality: str = field(default="table", init=False)
    digest: str = field(default=digest_of("row", 1, {}), init=False)

    @property
    def item_bytes(self) -> int:
        """0: rows differ in length."""
        return 0

    def decode(self, data: bytes) -> str:
        """One row, as JSON.

        Raises:
            BadItem: If it is none, or no object.
        """
        try:
            text = data.decode("utf-8-sig")
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadItem(f"The row is no JSON: {error}.") from None
        if not isinstance(row, dict):
            raise BadItem(f"A row is a JSON object of columns, and this is {row!r:.60}.")
        return text

    def stack(self, items: Sequence[Decoded]) -> Stacked:
        """A batch, as a list."""
        return stack(items)
