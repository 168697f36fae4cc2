"""CoNLL's columns: a token a line, its tag in the last column, an empty line after each sentence.

Tags are read as IOB1, IOB2 or IOBES and written as IOB2, tab-separated. A sentence whose tags all
are ``_`` (or that has no tags) is unlabelled, one whose tags all are ``O`` is reviewed and empty.
Lines ``# name = value`` before a sentence hold its id, group, metadata, and its text where that is
not its tokens with single spaces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, TextIO

from querist.pool.items import Broken, encoded
from querist.pool.manifests.file import Manifest
from querist.pool.manifests.record import NOTHING, Record, Said, Unwritable

_REMARK = re.compile(r"# ([\w.-]+) = (.*)", re.DOTALL)
_TOKEN = re.compile(r"\S+")
_UNLABELLED = "_"
_DOCUMENT = "-DOCSTART-"


def read(manifest: Manifest) -> Iterator[Record | Broken]:
    """Records of sentences, and the sentences that are none."""
    for first, lines in _sentences(manifest):
        try:
            found = _record(manifest, first, lines)
        except ValueError as error:
            yield Broken(manifest.uri, first, str(error))
            continue
        if found is not None:
            yield found


def _sentences(manifest: Manifest) -> Iterator[tuple[int, list[bytes]]]:
    first, lines = 0, list[bytes]()
    for number, line in manifest.lines():
        if line.strip(b" \t"):
            first = first if lines else number
            lines.append(line)
        elif lines:
            yield first, lines
            lines = []
    if lines:
        yield first, lines


def _record(manifest: Manifest, first: int, lines: list[bytes]) -> Record | None:
    remarks: dict[str, str] = {}
    tokens, tags = list[str](), list[str]()
    for line in lines:
        text = line.decode()  # UnicodeDecodeError is a ValueError
        remark = _REMARK.fullmatch(text) if "\t" not in text and not tokens else None
        if remark is not None:
            remarks[remark[1]] = remark[2]
            continue
        cells = text.split("\t") if "\t" in text else text.split(" ")
        cells = [cell for cell in cells if cell]
        if cells and cells[0] != _DOCUMENT:
            tokens.append(cells[0])
            tags.append(cells[-1] if len(cells) > 1 else _UNLABELLED)
    if not tokens and "text" not in remarks:
        return None
    text = _unquoted(remarks["text"]) if "text" in remarks else " ".join(tokens)
    places = _places(text, tokens)
    metadata = json.loads(remarks["metadata"]) if "metadata" in remarks else NOTHING
    said = _said(manifest, remarks, tags, places)
    identity, group = _unquoted(remarks.get("id", "")), _unquoted(remarks.get("group", ""))
    return Record(first, "", identity, text, metadata, group, said)


def _unquoted(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text


def _said(
    manifest: Manifest, remarks: dict[str, str], tags: list[str], places: list[tuple[int, int]]
) -> tuple[Said, ...]:
    by = _unquoted(remarks.get("by", "")) or manifest.options.by
    state = remarks.get("state")
    if state == "skipped":
        return (Said("", by, skip=True),)
    if state == "empty":  # of a text without a single token
        return (Said([], by),)
    if all(tag == _UNLABELLED for tag in tags):
        return ()
    return (Said(spans_of(tags, places), by),)


def _places(text: str, tokens: list[str]) -> list[tuple[int, int]]:
    places, at = [], 0
    for token in tokens:
        start = text.find(token, at)
        if start < 0:
            raise ValueError(f"the token {token!r} does not stand in the sentence's text")
        at = start + len(token)
        places.append((start, at))
    return places


def spans_of(tags: list[str], places: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """Spans by the tags of tokens at places in a text."""
    spans: list[dict[str, Any]] = []
    before = ("O", "")
    for tag, (start, end) in zip(tags, places, strict=True):
        mark, _, name = tag.partition("-")
        mark = mark.upper()
        if name and mark not in "BILESUM":
            mark, name = "I", tag  # a hyphen of a bare class name
        if not name:
            if mark not in ("O", _UNLABELLED):
                mark, name = "I", tag  # a class without a prefix
            else:
                before = ("O", "")
                continue
        begins = mark in "BSU" or before[0] in ("O", "E", "S", "U", "L") or before[1] != name
        if begins:
            spans.append({"class": name, "start": start, "end": end})
        else:
            spans[-1]["end"] = end
        before = (mark, name)
    return spans


def write(file: TextIO, records: Iterable[Record]) -> Iterator[Broken]:
    """Write sentences; yields the records that cannot be."""
    for record in records:
        try:
            lines = list(_lines(record))
        except Unwritable as reason:
            yield Broken(record.id, record.line, str(reason))
            continue
        file.write("\n".join(lines) + "\n\n")


def _lines(record: Record) -> Iterator[str]:
    text = record.inline
    if not isinstance(text, str):
        raise Unwritable("CoNLL is of texts given inline, and this item is none")
    places = _cut(text, record.label or [])
    tokens = [text[start:end] for start, end in places]
    yield f"# id = {json.dumps(record.id, ensure_ascii=True)}"
    if record.group:
        yield f"# group = {json.dumps(record.group, ensure_ascii=True)}"
    if record.metadata:
        yield f"# metadata = {_ascii(dict(record.metadata))}"
    if record.state == "skipped" or (record.state == "empty" and not tokens):
        yield f"# state = {record.state}"
    if text != " ".join(tokens) or not tokens:
        yield f"# text = {_ascii(text)}"
    tags = tags_of(places, record.label)
    for token, tag in zip(tokens, tags, strict=True):
        yield f"{token}\t{tag}"


def _ascii(value: Any) -> str:
    """JSON on one line, whatever one takes for a line's end."""
    return json.dumps(json.loads(encoded(value)), ensure_ascii=True)


def _cut(text: str, spans: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Tokens of a text: cut at white space and where spans begin and end."""
    cuts = sorted({end for span in spans for end in (span["start"], span["end"])})
    places = []
    for found in _TOKEN.finditer(text):
        inner = [cut for cut in cuts if found.start() < cut < found.end()]
        edges = [found.start(), *inner, found.end()]
        places += list(pairwise(edges))
    return places


def tags_of(places: list[tuple[int, int]], spans: list[dict[str, Any]] | None) -> list[str]:
    """Tags in IOB2 of tokens at places in a text.

    Raises:
        Unwritable: If spans overlap, or begin or end in white space.
    """
    if spans is None:
        return [_UNLABELLED] * len(places)
    tags = ["O"] * len(places)
    starts = {start: number for number, (start, _) in enumerate(places)}
    ends = {end: number for number, (_, end) in enumerate(places)}
    for span in spans:
        first, last = starts.get(span["start"]), ends.get(span["end"])
        if first is None or last is None:
            raise Unwritable("a span begins or ends in white space or behind the text's end")
        if any(tag != "O" for tag in tags[first : last + 1]):
            raise Unwritable("spans overlap, which tags of tokens cannot say")
        if any(character.isspace() for character in span["class"]):
            raise Unwritable(f"the class {span['class']!r} has white space in it")
        tags[first : last + 1] = [f"B-{span['class']}"] + [f"I-{span['class']}"] * (last - first)
    return tags
