"""Why a request is not done: the exceptions of handlers, and the documents made of them."""

from __future__ import annotations

from collections.abc import Sequence

from querist.service.wire.problem import Fault, Problem

# A word for programs -> its HTTP status and its title.
KINDS: dict[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be understood"),
    "no-key": (401, "A key is needed"),
    "wrong-key": (401, "This key is not valid"),
    "not-allowed": (403, "This key may not do that"),
    "foreign-origin": (403, "Web pages of other origins may not ask this"),
    "not-found": (404, "There is no such thing"),
    "wrong-method": (405, "This method is not known here"),
    "too-slow": (408, "The request took too long to arrive"),
    "conflict": (409, "It does not fit what is there"),
    "too-large": (413, "The request is too large"),
    "wrong-type": (415, "The body has a type that is not read here"),
    "wrong-host": (421, "This server does not answer for that host"),
    "invalid": (422, "The request does not fit the schema"),
    "key-reused": (422, "This idempotency key was used for another request"),
    "too-often": (429, "Too many requests"),
    "quota-exceeded": (429, "A quota is used up"),
    "headers-too-large": (431, "The headers are too large"),
    "internal": (500, "Something went wrong here"),
    "busy": (503, "The server is busy or stopping"),
}
BY_STATUS = {status: kind for kind, (status, _) in reversed(KINDS.items())}


class Refused(Exception):
    """A request that is not done.

    Args:
        kind: One of ``KINDS``.
        detail: What was wanted, what was got, what to do; for a stranger to read.
        errors: Each fault, where there are several.
        retry_after: Seconds after which it may work.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        errors: Sequence[Fault] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(kind, detail, errors, retry_after)
        self.kind, self.detail = kind, detail
        self.errors, self.retry_after = tuple(errors), retry_after

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.kind][0]

    def document(self, request: str) -> Problem:
        """The document for the client; ``request`` is the id of the request."""
        status, title = KINDS[self.kind]
        return Problem(
            type=f"/problems/{self.kind}",
            title=title,
            status=status,
            detail=self.detail[:4000],
            instance=request,
            errors=list(self.errors[:50]),
            retry_after=self.retry_after,
        )


def missing(what: str, name: str) -> Refused:
    """There is none, or it is another tenant's: nobody can tell which."""
    return Refused("not-found", f"There is no {what} {name[:64]!r}.")


def internal() -> Refused:
    """An error of ours: a stranger learns nothing of it."""
    return Refused("internal", "The administrator finds it in the log by the instance.")
