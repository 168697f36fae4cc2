"""The elements of a long JSON list, one by one."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

_PIECE = 1 << 20
_LONGEST = 64 << 20
_SPACE = " \t\r\n"


def elements(file: BinaryIO) -> Iterator[Any]:
    """Elements of the list that a file holds; a ValueError, yielded last, where it is none."""
    buffer = _Buffer(file)
    try:
        if buffer.next_character() != "[":
            raise ValueError("it does not begin with [")
        if buffer.next_character(take=False) == "]":
            return
        while True:
            yield buffer.value()
            end = buffer.next_character()
            if end == "]":
                return
            if end != ",":
                raise ValueError(f"after an element comes , or ], got {end!r}")
    except (ValueError, RecursionError) as error:
        yield ValueError(str(error))


class _Buffer:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._text, self._at, self._ended = "", 0, False
        self._decoder = json.JSONDecoder()

    def _more(self) -> bool:
        if self._ended:
            return False
        piece = self._file.read(max(_PIECE, len(self._text) - self._at))
        self._ended = not piece
        self._text = self._text[self._at :] + self._decode(piece, self._ended)
        self._at = 0
        return True

    def next_character(self, take: bool = True) -> str:
        """The next one that is no space; "" at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                found = self._text[self._at]
                self._at += take
                return found
            if not self._more():
                return ""

    def value(self) -> Any:
        """The next value; numbers at the end of what was read may go on."""
        self.next_character(take=False)
        while True:
            try:
                found, end = self._decoder.raw_decode(self._text, self._at)
            except ValueError:
                if len(self._text) - self._at > _LONGEST or not self._more():
                    raise
                continue
            if end == len(self._text) and self._more():
                continue
            self._at = end
            return found
