"""The application: the page and the routes, behind the guard, around an open service."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from querist.service.guard import Guard
from querist.service.page.files import Page
from querist.service.routes.table import ROUTES
from querist.service.service import Service
from querist.service.settings import ServiceSettings
from querist.service.web import allow_threads, build, in_thread

_UPLOADS = re.compile(
    "|".join(
        "^" + re.sub(r"{[^}]*}", "[^/]+", route.path) + "$"
        for route in ROUTES
        if route.body == "file"
    )
)


class App(Guard):
    """The application; ``service`` is what it was built around."""

    service: Service


def create_app(settings: ServiceSettings) -> App:
    """An ASGI application; its lifespan starts and stops the running of jobs.

    Raises:
        ConfigError: If the settings cannot be used.
        MissingExtra: If a package is not installed.
    """
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        allow_threads()
        service.open_streams(in_thread)
        await in_thread(service.start)
        try:
            yield
        finally:
            await asyncio.shield(in_thread(service.stop))

    inner = build(service, ROUTES, lifespan)
    page = Page(inner, settings.listen.root_path)
    app = App(page, settings, lambda path: bool(_UPLOADS.match(path)), service.observe)
    app.service = service
    return app
