"""``python -m querist.testing.servers http FOLDER``: serve until standard input ends."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from querist.testing.servers.ftp import FtpServer
from querist.testing.servers.http import HttpServer
from querist.testing.servers.link import Link
from querist.testing.servers.s3 import S3Server


def main() -> None:
    """Start it, print its URL and options as JSON, and wait."""
    parser = argparse.ArgumentParser(prog="python -m querist.testing.servers", description=__doc__)
    parser.add_argument("kind", choices=["http", "s3", "ftp"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds a round trip")
    parser.add_argument("--rate", type=float, default=0.0, help="bytes a second; 0 for any")
    given = parser.parse_args()
    with _server(given.kind, given.folder, Link(given.latency, given.rate)) as server:
        options = {"s3": server.options} if isinstance(server, S3Server) else {}
        sys.stdout.write(json.dumps({"url": server.url, "options": options}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


def _server(kind: str, folder: Path, link: Link) -> HttpServer | FtpServer | S3Server:
    if kind == "http":
        return HttpServer(_files(folder), link)
    return FtpServer(folder, link) if kind == "ftp" else S3Server(_files(folder), link=link)


def _files(folder: Path) -> dict[str, bytes]:
    """In memory, so that the disk is not measured."""
    found = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in found}


if __name__ == "__main__":
    main()
