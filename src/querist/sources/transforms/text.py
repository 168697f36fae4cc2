"""Text: bytes of a known or likely encoding become a string."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from querist.core.errors import ConfigError
from querist.sources.transforms.contract import BadItem, Decoded, Stacked, digest_of, stack

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Text:
    r"""Decode text.

    A byte-order mark tells the encoding and is removed; without one it is ``encoding``. Line ends
    become ``\n``.

    Attributes:
        encoding: A name that Python knows.
        errors: "strict" makes an item with wrong bytes a bad item; "replace" puts U+FFFD there.
        normalise: A Unicode normal form, or "" for none.
        strip: Whether white space at both ends is removed.
        max_characters: Longer texts are cut, as a tokenizer would; 0 for no limit.
    """

    encoding: str = "utf-8"
    errors: Literal["strict", "replace"] = "strict"
    normalise: Literal["", "NFC", "NFD", "NFKC", "NFKD"] = ""
    strip: bool = False
    max_characters: int = 0
    modality: str = field(default="text", init=False)
    digest: str = field(default="", init=False, compare=False)

    def __post_init__(self) -> None:
        try:
            "a".encode(self.encoding)
        except (LookupError, UnicodeError):
            raise ConfigError(f"Python knows no text encoding {self.encoding!r}.") from None
        settings = {name: v for name, v in asdict(self).items() if name != "digest"}
        object.__setattr__(self, "digest", digest_of("text", 1, settings))

    @property
    def item_bytes(self) -> int:
        """0: texts differ in length."""
        return 0

    def decode(self, data: bytes) -> str:
        """One text.

        Raises:
            BadItem: If the bytes are not of this encoding.
        """
        encoding = next((name for mark, name in _MARKS if data.startswith(mark)), self.encoding)
        try:
            text = data.decode(encoding, self.errors)
        except UnicodeDecodeError as error:
            raise BadItem(
                f"Not {encoding}: {error.reason} at byte {error.start} of {len(data)}. "
                "Name the encoding, or set errors to replace."
            ) from None
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if self.normalise:
            text = unicodedata.normalize(self.normalise, text)
        if self.strip:
            text = text.strip()
        return text[: self.max_characters] if self.max_characters else text

    def stack(self, items: Sequence[Decoded]) -> Stacked:
        """The texts, as a list."""
        return stack(items)
