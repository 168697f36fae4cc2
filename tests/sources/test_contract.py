"""Every source passes the contract suite."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from querist.sources.access import Access
from querist.sources.fsspec_source import FsspecSource
from querist.sources.ftp import FtpSource
from querist.sources.http import HttpSource
from querist.sources.local import LocalSource
from querist.sources.opening import Sources
from querist.sources.s3 import S3Source
from querist.sources.source import Source
from querist.sources.uris import file_uri
from querist.testing.servers.ftp import FtpServer
from querist.testing.servers.http import HttpServer
from querist.testing.servers.s3 import S3Server
from querist.testing.sources import FILES, SOURCE_CHECKS, SourceCase

Served = Iterator[tuple[Source, str]]


def written(files: Mapping[str, bytes], folder: Path) -> str:
    for name, data in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return file_uri(os.fsencode(folder)) + "/"


@contextmanager
def local(files: Mapping[str, bytes], folder: Path) -> Served:
    yield LocalSource(), written(files, folder)


@contextmanager
def rooted(files: Mapping[str, bytes], folder: Path) -> Served:
    yield LocalSource(Access(roots=(folder,))), written(files, folder)


@contextmanager
def http(files: Mapping[str, bytes], folder: Path) -> Served:
    with HttpServer(files) as server, closing(HttpSource()) as source:
        yield source, server.url


@contextmanager
def s3(files: Mapping[str, bytes], folder: Path) -> Served:
    with S3Server(files) as server, closing(S3Source(options=server.options)) as source:
        yield source, server.url


@contextmanager
def ftp(files: Mapping[str, bytes], folder: Path, machine: bool = True, most: int = 0) -> Served:
    written(files, folder)
    with FtpServer(folder, machine=machine, most=most) as server, closing(FtpSource()) as source:
        yield source, server.url


@contextmanager
def ftp_long(files: Mapping[str, bytes], folder: Path) -> Served:
    with ftp(files, folder, machine=False) as served:
        yield served


@contextmanager
def ftp_few(files: Mapping[str, bytes], folder: Path) -> Served:
    with ftp(files, folder, most=2) as served:
        yield served


@contextmanager
def memory(files: Mapping[str, bytes], folder: Path) -> Served:
    fsspec = pytest.importorskip("fsspec")
    top = f"/{uuid.uuid4().hex}"
    system = fsspec.filesystem("memory")
    for name, data in files.items():
        system.pipe_file(f"{top}/{name}", data)
    yield FsspecSource("memory"), f"memory://{top}/"
    system.rm(top, recursive=True)


@contextmanager
def all_schemes(files: Mapping[str, bytes], folder: Path) -> Served:
    with HttpServer(files) as server, Sources() as sources:
        sources.concurrency = sources.concurrency(server.url)
        yield sources, server.url


SERVED = (local, rooted, http, s3, ftp, ftp_long, ftp_few, memory, all_schemes)
CASES = [SourceCase(serve.__name__, serve) for serve in SERVED]


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(check, case: SourceCase, tmp_path: Path) -> None:
    with case.serve(FILES, tmp_path) as (source, url):
        check(source, url)
