"""A job's stream of events, taken up again where it breaks. Pure: drivers read and wait.

The few lines that parse server-sent events are here, not in a package, because a deadline has to be
looked at with every piece that arrives, comments included.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import ValidationError

from querist.service.client.attempts import Retries, asked_to_wait, passes
from querist.service.client.call import Reply, problem_of, strange
from querist.service.client.errors import Unavailable, error_of, out_of_time, unreachable
from querist.service.wire.jobs import Job, JobEvent

SILENCE = 45.0
"""Seconds without a byte, comments included, after which a stream counts as broken."""


@dataclass
class Parser:
    """Server-sent events from bytes, as in the HTML standard, of LF or CRLF line ends.

    Attributes:
        retry: Seconds after which the server wants to be asked again, if it said so.
    """

    retry: float = 0.0
    _rest: bytes = b""
    _fields: dict[str, str] = field(default_factory=dict)
    _data: list[str] = field(default_factory=list)

    def feed(self, piece: bytes) -> Iterator[dict[str, str]]:
        """Each complete message: its ``data``, and ``event`` and ``id`` where they are given."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            text = line.removesuffix(b"\r").decode("utf-8", "replace")
            if text:
                self._line(text)
            else:
                if self._data:
                    yield {**self._fields, "data": "\n".join(self._data)}
                self._fields, self._data = {}, []

    def _line(self, text: str) -> None:
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "retry" and value.isdigit():
            self.retry = int(value) / 1000
        elif name in ("event", "id"):
            self._fields[name] = value


@dataclass
class Stream:
    """Where a client is in a stream.

    Attributes:
        path: Of the stream.
        url: Of the service, for errors.
        retries: Of a stream that breaks; counted anew after each event.
        deadline: Instant of the caller's clock at which all is over; None: never.
        last: Id of the last event.
        ended: Whether the last event was seen.
    """

    path: str
    url: str
    retries: Retries
    deadline: float | None = None
    last: str = ""
    ended: bool = False
    broken: int = 0
    asked: float = 0.0
    parser: Parser = field(default_factory=Parser)

    @property
    def _tries(self) -> int:
        return max(self.retries.tries, self.retries.lasting) if self.last else self.retries.tries

    def headers(self) -> dict[str, str]:
        """Those that open the stream, or take it up."""
        said = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        return {**said, "Last-Event-ID": self.last} if self.last else said

    def opened(self, reply: Reply) -> None:
        """Look at the beginning of an answer.

        Raises:
            ServiceError: If it is a refusal, or no stream.
        """
        self.parser = Parser()
        if not 200 <= reply.status < 300:
            raise error_of(problem_of(self.path, reply))
        if "text/event-stream" not in reply.headers.get("content-type", ""):
            raise Unavailable(strange(self.path, reply))

    def passing(self, reply: Reply) -> bool:
        """Whether an answer is a refusal that will pass; it is counted, as a broken stream is."""
        if not passes(reply) or self.broken + 1 >= self._tries:
            return False
        self.broken += 1
        self.asked = asked_to_wait(reply)
        return True

    def feed(self, piece: bytes, now: float) -> Iterator[JobEvent]:
        """The events that a piece of the stream completes.

        Raises:
            DeadlinePassed: If it is too late.
        """
        if self.deadline is not None and now >= self.deadline:
            raise out_of_time(self.url, "The job goes on; ask for it later.")
        for message in self.parser.feed(piece):
            try:
                told = Job.model_validate_json(message["data"])
                said = {"event": "progress", "id": "", **message, "job": told}
                event = JobEvent.model_validate(said)
            except ValidationError:
                continue  # of a newer server: something that this client does not know
            self.broken, self.last = 0, event.id or self.last
            self.ended = event.event == "end"
            yield event

    def closed(self) -> None:
        """Note that the service ended the connection; where it said nothing, that counts.

        Raises:
            Unavailable: If it did so too often without an event in between.
        """
        self.broken += 1
        if self.broken > self._tries:
            raise unreachable(self.url, "it ends the stream of events without a word")

    def broke(self, error: Exception) -> None:
        """Note that the connection broke.

        Raises:
            Unavailable: If it did so too often without an event in between.
        """
        self.broken += 1
        if self.broken >= self._tries:
            raise unreachable(self.url, str(error) or type(error).__name__) from error

    def pause(self, now: float) -> float:
        """Seconds to wait before the stream is taken up.

        Raises:
            DeadlinePassed: If that is later than the caller waits.
        """
        pause = self.retries.pause(max(1, self.broken), random.random())
        pause = max(pause, self.asked, self.parser.retry)
        self.asked = 0.0
        if self.deadline is not None and now + pause >= self.deadline:
            raise out_of_time(self.url, "The job goes on; ask for it later.")
        return pause
