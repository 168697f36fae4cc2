"""Opening manifests, local or remote, within the pool's access policy."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from querist.core.errors import ConfigError
from querist.pool.manifests.record import Record
from querist.pool.roots import canonical
from querist.sources.guarded_files import Guard
from querist.sources.nearest import refuse_unknown
from querist.sources.opening import Sources
from querist.sources.source import Entry, SourceError
from querist.sources.uris import local_path, scheme_of, shown

LONGEST_LINE = 64 << 20
_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


@dataclass(frozen=True)
class Options:
    """How a manifest is read; all may be left as they are.

    Attributes:
        columns: Role (id, uri, text, label ...) -> column, for CSV, JSON Lines and Parquet.
        images: The folder that relative paths are relative to; "" for the manifest's own, or what
            the format says.
        by: The annotator of labels that name none.
        without_annotations: What an image of a COCO file is that has none and no mark of ours:
            "unlabelled" or "empty".
        job: The label attribute of a Ground Truth manifest; "" for the last that it has.
        look: Whether local files that a manifest names are looked at, and missing ones listed.
    """

    columns: dict[str, str] = field(default_factory=dict)
    images: str = ""
    by: str = ""
    without_annotations: str = "unlabelled"
    job: str = ""
    look: bool = True


def options_of(given: Mapping[str, Any] | Options | None) -> Options:
    """Options from a mapping.

    Raises:
        ConfigError: For unknown ones, with the nearest known.
    """
    if isinstance(given, Options):
        return given
    known = [one.name for one in fields(Options)]
    refuse_unknown(given or {}, known, "Reading a manifest")
    options = Options(**(given or {}))
    if options.without_annotations not in ("unlabelled", "empty"):
        raise ConfigError(
            f"without_annotations is 'unlabelled' or 'empty', got {options.without_annotations!r}."
        )
    return options


@dataclass(frozen=True)
class Manifest:
    """A manifest to be read.

    Attributes:
        uri: Where it is: a file, or a folder for YOLO and Hugging Face datasets.
        sources: What reads it.
        task: The pool's.
        options: How to read it.
    """

    uri: str
    sources: Sources
    task: str
    options: Options = Options()

    @property
    def folder(self) -> str:
        """The URI that relative paths are relative to, with its slash."""
        if self.options.images:
            return canonical(self.options.images).rstrip("/") + "/"
        return self.uri[: self.uri.rfind("/") + 1]

    def beside(self, uri: str) -> Manifest:
        """The same with another URI."""
        return replace(self, uri=uri)

    def open(self, uri: str = "") -> BinaryIO:
        """Open it, or another file of it, for reading; remote files are fetched first.

        Raises:
            SourceError: If it cannot be read, or not be allowed to.
        """
        uri = uri or self.uri
        if scheme_of(uri) == "file":
            guard = Guard(self.sources.access.roots)
            return os.fdopen(guard.open(local_path(uri)), "rb")
        spool = tempfile.SpooledTemporaryFile(1 << 24)  # noqa: SIM115, the caller closes it
        spool.write(self.sources.read(uri))
        spool.seek(0)
        return cast(BinaryIO, spool)

    def exists(self, uri: str) -> bool:
        """Whether there is such a file."""
        try:
            self.sources.stat(uri)
        except SourceError:
            return False
        return True

    def listing(self, folder: str) -> Iterator[Entry]:
        """The files below a folder."""
        return self.sources.entries(folder)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Numbered lines, from 1, without their ends; of any length up to 64 MiB."""
        with self.open() as file:
            number = 0
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise SourceError(f"{shown(self.uri)}: line {number} has over 64 MiB.")
                if number == 1:
                    line = line.removeprefix(_MARK.encode())
                yield number, line.rstrip(b"\r\n")

    def located(self, record: Record) -> Record:
        """A record whose URI is canonical: paths are taken from the manifest's folder."""
        if not record.uri:
            return record
        return record._replace(uri=located(record.uri, self.folder))


def located(uri: str, folder: str) -> str:
    """A canonical URI from one that may be a path below a folder."""
    if not is_relative(uri):
        return canonical(uri)
    if scheme_of(folder) == "file":
        return canonical(os.path.join(os.fsdecode(local_path(folder)), uri))  # noqa: PTH118
    return folder + (uri if scheme_of(folder).startswith("s3") else quote(uri, "/:@!$&'()*+,;=~"))


def is_relative(uri: str) -> bool:
    """Whether it is a path below a folder, not a whole URI or path."""
    return not scheme_of(uri) and not uri.startswith("/")


def size_in(metadata: Any) -> tuple[float, float] | None:
    """An image's width and height in pixels, where its metadata has them."""
    sides = (metadata.get("width"), metadata.get("height"))
    for side in sides:
        if not isinstance(side, (int, float)) or isinstance(side, bool) or not side > 0:
            return None
    return sides
