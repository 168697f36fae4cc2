"""The log: one JSON object a line, of ids and numbers; never keys, URIs, labels or file content."""

from __future__ import annotations

import json
import logging
import time
import traceback
from typing import Any

from querist.service.settings import LogSettings

ROOT = "querist.service"
_PLAIN = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """Only what was given as ``extra`` besides the message's fixed text.

    Of an exception there are its type and the lines of code that it came through: its text may
    hold content.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        said: dict[str, Any] = {
            "at": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "from": record.name,
            "what": record.getMessage(),
        }
        said |= {key: value for key, value in record.__dict__.items() if key not in _PLAIN}
        if record.exc_info and record.exc_info[0] is not None:
            said["error"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])[-12:]
            said["trace"] = [f"{one.filename}:{one.lineno} {one.name}" for one in frames]
        return json.dumps(said, default=str)


def set_up(settings: LogSettings) -> None:
    """Send the service's log where it belongs; called by ``serve``, not by the application."""
    handler: logging.Handler = logging.StreamHandler()
    if settings.file is not None:
        settings.file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(settings.file, encoding="utf-8")
    handler.setFormatter(JsonLines())
    for name in (ROOT, "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(settings.level.upper())
        logger.propagate = False
    logging.getLogger("uvicorn.access").disabled = True  # ours has no query strings
