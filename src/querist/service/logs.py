"""The log: one JSON object a line, of ids and numbers; never keys, URIs, labels or file content."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener, WatchedFileHandler
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from querist.core.errors import ConfigError
from querist.service.settings import LogSettings

ROOT = "querist.service"
_PLAIN = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__)
_PLAIN |= {"message", "asctime", "color_message"}  # the last is uvicorn's, for terminals


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


class _Later(QueueHandler):
    """Leaves the record to the thread that writes, as it is."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record; the inherited one would put the text of an exception into the message."""
        return record


def _file(path: Path) -> logging.Handler:
    """Writes to a file; to a new one when that was renamed or removed, as logrotate does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return WatchedFileHandler(path, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"The log cannot be written to {path}: {error.strerror}. See log.file in service.yaml."
        ) from error


@contextmanager
def logging_to(settings: LogSettings) -> Iterator[None]:
    """Send the service's log where it belongs; for ``serve``, not for the application.

    A thread of its own writes: the event loop, which would wait for the disk at every request and
    hand the interpreter to all other threads meanwhile, only puts records into a queue.
    """
    handler: logging.Handler = logging.StreamHandler()
    if settings.file is not None:
        handler = _file(settings.file)
    handler.setFormatter(JsonLines())
    waiting: SimpleQueue[logging.LogRecord] = SimpleQueue()
    writer = QueueListener(waiting, handler)
    for name in (ROOT, "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [_Later(waiting)]
        logger.setLevel(settings.level.upper())
        logger.propagate = False
    logging.getLogger("uvicorn.access").disabled = True  # ours has no query strings
    writer.start()
    try:
        yield
    finally:
        writer.stop()  # after the last record
        handler.close()
