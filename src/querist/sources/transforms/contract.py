"""The contract of a transform: the bytes of one item become an array, or a text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import QueristError

Decoded: TypeAlias = "NDArray[Any] | str"
Stacked: TypeAlias = "NDArray[Any] | list[str]"


class BadItem(QueristError):
    """The bytes of an item are not what its modality needs; the sentence says what is wrong."""


@runtime_checkable
class Transform(Protocol):
    """How items of one modality are decoded. Thread-safe, picklable, without state.

    Attributes:
        modality: image, text, table or audio.
        digest: Of the settings and of how they are carried out: two transforms of equal digest give
            equal results for equal bytes. Caches are keyed by it.
        item_bytes: Bytes of one decoded item; 0 where that depends on the item.
    """

    @property
    def modality(self) -> str:
        """Image, text, table or audio."""
        ...

    @property
    def digest(self) -> str:
        """A digest of the settings and their meaning."""
        ...

    @property
    def item_bytes(self) -> int:
        """Bytes of one decoded item, where the settings tell; else 0."""
        ...

    def decode(self, data: bytes) -> Decoded:
        """One item, of a shape and type that all items of this transform share.

        Raises:
            BadItem: If the bytes cannot be decoded, or are more than the settings allow.
        """
        ...

    def stack(self, items: Sequence[Decoded]) -> Stacked:
        """A batch: arrays joined along a new first axis; texts as a list.

        Raises:
            ValueError: If there is no item.
        """
        ...


def stack(items: Sequence[Any]) -> Stacked:
    """What ``Transform.stack`` does: ``(n, ...)`` of arrays, or a list of texts.

    Raises:
        ValueError: If there is no item.
    """
    if not items:
        raise ValueError("Cannot stack no items; give at least one.")
    if isinstance(items[0], str):
        return list(items)
    out: NDArray[Any] = np.empty((len(items), *items[0].shape), items[0].dtype)
    for row, item in zip(out, items, strict=True):
        row[...] = item
    return out


def digest_of(modality: str, version: int, settings: Mapping[str, Any]) -> str:
    """A transform's digest; ``version`` is raised when the same settings come to mean another."""
    text = json.dumps([modality, version, settings], sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
