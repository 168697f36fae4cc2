"""Serves the page's files. Plain ASGI, before the routes, behind the guard."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from querist.service.guard import App, Message, Receive, Scope, Send

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
# Nothing inline, nothing from elsewhere, nothing evaluated; pictures and sounds come as blobs.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


@dataclass(frozen=True, slots=True)
class File:
    """One file, ready to be sent."""

    content: bytes
    media_type: str
    tag: str


@cache
def files(root: str = "") -> Mapping[str, File]:
    """All files by their path on the server; read once, so that no request names a path on disk.

    Args:
        root: The path below which a proxy shows the server. The document names its files by it;
            these name each other relatively, and find out where they are.
    """
    folder = Path(__file__).parent
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            if path.suffix == ".html":
                content = content.replace(b'"/page/', f'"{root}/page/'.encode())
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            name = quote(path.relative_to(folder).as_posix())
            found[f"/page/{name}"] = File(content, _TYPES[path.suffix], tag)
    found["/"] = found["/page/index.html"]
    return found


class Page:
    """Answers for the page's files; the rest goes on to the application.

    Args:
        app: What comes behind it.
        root: The path below which a proxy shows the server.
    """

    def __init__(self, app: App, root: str = "") -> None:
        self._app, self._files = app, files(root)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        known = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        file = self._files.get(scope["path"]) if known else None
        if file is None:
            await self._app(scope, receive, send)
            return
        same = (b"if-none-match", file.tag.encode()) in scope["headers"]
        body = b"" if same or scope["method"] == "HEAD" else file.content
        await send(_start(file, 304 if same else 200))
        await send({"type": "http.response.body", "body": body})


def _start(file: File, status: int) -> Message:
    headers = {
        "content-type": file.media_type,
        "content-security-policy": POLICY,
        "cache-control": "no-cache",  # asked for each time, sent when it changed
        "etag": file.tag,
    }
    if status == 200:
        headers["content-length"] = str(len(file.content))
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": pairs}
