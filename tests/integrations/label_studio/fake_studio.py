"""A small server with the part of Label Studio's interface that is used, as 1.23 answers it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

LEGACY, PERSONAL = "0123456789abcdef", "aaaa.bbbb.cccc"


class Studio:
    """What the server holds. ``access`` counts up with each exchange of a personal token."""

    def __init__(self) -> None:
        self.projects: list[dict[str, Any]] = []
        self.tasks: dict[int, dict[str, Any]] = {}
        self.webhooks: list[dict[str, Any]] = []
        self.backends: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.access = 0
        self.largest = 0  # tasks in one request
        self.number = 0

    def user(self, authorization: str) -> bool:
        return authorization in (f"Token {LEGACY}", f"Bearer access-{self.access}")

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        parts = path.strip("/").split("/")[1:]
        if parts[:1] == ["users"]:
            return 200, [{"id": 7, "email": "ada@example.com"}]
        if parts[:1] in (["webhooks"], ["ml"]):
            held = self.webhooks if parts[0] == "webhooks" else self.backends
            if method == "GET":
                return 200, [one for one in held if str(one["project"]) == query["project"]]
            held.append(body)
            return 201, body
        if parts[0] == "projects":
            return self._project(method, parts, body)
        return self._task(method, parts, query, body)

    def _project(self, method: str, parts: list[str], body: Any) -> tuple[int, Any]:
        if len(parts) == 1 and method == "POST":
            self.projects.append({"id": len(self.projects) + 1, **body})
            return 201, self.projects[-1]
        if len(parts) == 1:
            return 200, {"results": self.projects}
        found = [one for one in self.projects if str(one["id"]) == parts[1]]
        if not found:
            return 404, {"detail": "No Project matches the given query."}
        if parts[2:] == ["import"]:
            self.largest = max(self.largest, len(body))
            for one in body:
                self.add(found[0]["id"], **one)
            return 201, {"task_count": len(body)}
        return 200, found[0]

    def add(self, project: int, **task: Any) -> int:
        self.number += 1
        at = f"2026-01-01T00:00:00.{self.number:06}Z"
        made = {"id": self.number, "project": project, "annotations": [], "drafts": []}
        made["created_at"] = at
        self.tasks[self.number] = {**made, "meta": {}, **json.loads(json.dumps(task))}
        return self.number

    def _task(self, method: str, parts: list[str], query: Any, body: Any) -> tuple[int, Any]:
        if method == "GET":
            found = [t for t in self.tasks.values() if str(t["project"]) == query["project"]]
            size, page = int(query["page_size"]), int(query["page"])
            return 200, {"total": len(found), "tasks": found[(page - 1) * size : page * size]}
        if method == "DELETE":
            del self.tasks[int(parts[1])]
            return 204, None
        return 201, self.annotate(int(parts[1]), body["result"])

    def annotate(self, task: int, result: Any, **more: Any) -> dict[str, Any]:
        """Somebody annotates; the annotation."""
        self.number += 1
        at = f"2026-01-01T00:00:{self.number % 60:02}Z"
        made = {"id": self.number, "result": result, "completed_by": 7, "updated_at": at, **more}
        self.tasks[task]["annotations"].append(made)
        return made

    def choose(self, task: int, name: str, **more: Any) -> dict[str, Any]:
        value = {"choices": [name]}
        part = {"from_name": "label", "to_name": "text", "type": "choices", "value": value}
        return self.annotate(task, [part], **more)


class Handler(BaseHTTPRequestHandler):
    studio: Studio

    def _handle(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or "null")
        authorization = self.headers.get("Authorization", "")
        self.studio.requests.append((self.command, url.path))
        if url.path == "/api/token/refresh":
            good = body.get("refresh") == PERSONAL
            self.studio.access += good
            said = {"access": f"access-{self.studio.access}"} if good else {"detail": body}
            self._send(200 if good else 401, said)
        elif not self.studio.user(authorization):
            self._send(401, {"detail": f"Invalid token: {authorization}"})
        else:
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            self._send(*self.studio.answer(self.command, url.path, query, body))

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815, the library's names

    def _send(self, status: int, said: Any) -> None:
        content = b"" if said is None else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *said: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[tuple[str, Studio]]:
    """The address of a server, and what it holds."""
    studio = Studio()
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Bound", (Handler,), {"studio": studio, "timeout": 5})
    )
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", studio
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
