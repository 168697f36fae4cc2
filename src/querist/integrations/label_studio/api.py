"""Label Studio's interface over HTTP, as far as it is used here; the token is shown nowhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from querist import __version__
from querist.core.errors import ConfigError, require
from querist.integrations.label_studio.errors import LabelStudioError
from querist.sources.uris import past_proxies

VARIABLE = "LABEL_STUDIO_API_KEY"
PAGE = 500
TIMEOUT_S = 60.0
_SHOWN = 300
_UNUSED = (401, 403)


class LabelStudio:
    """One server of Label Studio. Several threads may use it, one after the other.

    Args:
        url: Its address.
        token: A personal access token or a legacy one; "" takes it from the environment variable
            LABEL_STUDIO_API_KEY.
        transport: Of httpx, for tests.

    Raises:
        ConfigError: If the address is none, or there is no token.
        MissingExtra: If httpx is not installed.
    """

    def __init__(self, url: str, token: str = "", transport: Any = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.password:
            raise ConfigError(
                "Label Studio's address should look like http://localhost:8080, without a password."
            )
        self.url = url.rstrip("/")
        self.__token = token or os.environ.get(VARIABLE, "")
        if not self.__token:
            raise ConfigError(
                f"Label Studio wants a token: copy it from its page Account & Settings into the "
                f"environment variable {VARIABLE}."
            )
        self._httpx = require("httpx", "client", "Label Studio")
        self._scheme, self._lock = "", threading.Lock()
        said = {"User-Agent": f"querist/{__version__}"}
        more = {"mounts": past_proxies(url)} if transport is None else {"transport": transport}
        self._client = self._httpx.Client(
            base_url=self.url, headers=said, timeout=TIMEOUT_S, follow_redirects=False, **more
        )

    def __repr__(self) -> str:
        return f"LabelStudio({self.url!r})"

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def __enter__(self) -> LabelStudio:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---------------------------------------------------------------------------------- requests

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        """An answer's JSON; the token of today is got anew where an old one has run out."""
        with self._lock:
            if not self._scheme:
                self._log_in()
            response = self._send(method, path, **more)
            if response.status_code in _UNUSED and self._scheme.startswith("Bearer"):
                self._log_in()
                response = self._send(method, path, **more)
        if response.is_error or response.is_redirect:
            raise LabelStudioError(self._told(method, path, response))
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            raise LabelStudioError(f"{self.url}{path} answers no JSON.") from None

    def _send(self, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": self._scheme} if self._scheme else {}
        try:
            return self._client.request(method, path, headers=headers, **more)
        except self._httpx.HTTPError as error:
            # Without its cause: that holds the request, and so the token.
            raise LabelStudioError(
                f"Label Studio at {self.url} cannot be reached: {type(error).__name__}."
            ) from None

    def _log_in(self) -> None:
        """Personal access tokens are exchanged for one of some minutes; legacy ones are sent."""
        if self.__token.count(".") != 2:
            self._scheme = f"Token {self.__token}"
            return
        self._scheme = ""
        path = "/api/token/refresh"
        response = self._send("POST", path, json={"refresh": self.__token})
        if response.is_error:
            raise LabelStudioError(self._told("POST", path, response))
        self._scheme = f"Bearer {response.json()['access']}"

    def _told(self, method: str, path: str, response: Any) -> str:
        text = " ".join(response.text.split())[:_SHOWN]
        for secret in (self.__token, self._scheme.partition(" ")[2]):
            text = text.replace(secret, "***") if secret else text
        hint = f" Is the token in {VARIABLE} right?" if response.status_code == 401 else ""
        return f"Label Studio refused {method} {path}: {response.status_code} {text}{hint}"

    # ---------------------------------------------------------------------------------- projects

    def create_project(self, title: str, config: str) -> dict[str, Any]:
        """Make a project with a labelling configuration."""
        asked = {"title": title[:50], "label_config": config}
        made: dict[str, Any] = self._ask("POST", "/api/projects/", json=asked)
        return made

    def project(self, id: int) -> dict[str, Any]:
        """One project."""
        found: dict[str, Any] = self._ask("GET", f"/api/projects/{id}/")
        return found

    def projects(self) -> list[dict[str, Any]]:
        """All projects, at most 1,000."""
        found = self._ask("GET", "/api/projects/", params={"page_size": 1000})
        return list(found["results"] if isinstance(found, Mapping) else found)

    def people(self) -> dict[int, str]:
        """Addresses of the users, by number."""
        found = self._ask("GET", "/api/users/")
        people = found.get("results", []) if isinstance(found, Mapping) else found
        return {one["id"]: one.get("email") or str(one["id"]) for one in people}

    # ------------------------------------------------------------------------------------- tasks

    def tasks(self, project: int) -> Iterator[dict[str, Any]]:
        """All tasks of a project with their annotations, by number; read in pages."""
        page, got, total = 1, 0, 1
        while got < total:
            asked = {"project": project, "page": page, "page_size": PAGE, "fields": "all"}
            found = self._ask("GET", "/api/tasks", params=asked)
            tasks, total = found["tasks"], int(found["total"])
            if not tasks:
                return
            yield from tasks
            got, page = got + len(tasks), page + 1

    def add_tasks(self, project: int, tasks: Sequence[Mapping[str, Any]]) -> int:
        """Add tasks; how many it took."""
        found = self._ask("POST", f"/api/projects/{project}/import", json=list(tasks))
        return int(found["task_count"])

    def remove_task(self, task: int) -> None:
        """Remove a task with what belongs to it."""
        self._ask("DELETE", f"/api/tasks/{task}/")

    def annotate(self, task: int, result: Sequence[Mapping[str, Any]]) -> None:
        """Annotate a task, as the page does."""
        self._ask("POST", f"/api/tasks/{task}/annotations/", json={"result": list(result)})

    # --------------------------------------------------------------------------------- connecting

    def add_webhook(self, project: int, url: str, headers: Mapping[str, str]) -> None:
        """Have annotations of a project sent to an address; does nothing where they are already."""
        known = self._ask("GET", "/api/webhooks/", params={"project": project})
        if any(one["url"] == url for one in known):
            return
        asked = {
            "project": project,
            "url": url,
            "headers": dict(headers),
            "send_payload": True,
            "send_for_all_actions": False,
            "actions": ["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"],
        }
        self._ask("POST", "/api/webhooks/", json=asked)

    def add_backend(self, project: int, url: str, key: str = "") -> None:
        """Let a project ask an address for predictions; does nothing where it does already."""
        known = self._ask("GET", "/api/ml/", params={"project": project})
        if any(one["url"] == url for one in known):
            return
        asked: dict[str, Any] = {"project": project, "url": url, "title": "Querist"}
        if key:
            more = {"basic_auth_user": "querist", "basic_auth_pass": key}
            asked |= {"auth_method": "BASIC_AUTH", **more}
        self._ask("POST", "/api/ml/", json=asked)
