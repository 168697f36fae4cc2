"""What can go wrong between a client and a service, each kind a class of its own."""

from __future__ import annotations

from pydantic import ValidationError

from querist.core.errors import QueristError
from querist.service.wire.problem import Fault, Problem


class ServiceError(QueristError):
    """The service refused a request, or could not be reached.

    Attributes:
        problem: What the service answered; of network errors, what the client found.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        problem = self.problem
        lines = [problem.detail or problem.title]
        lines += [f"  - {fault.pointer}: {fault.detail}" for fault in problem.errors]
        if problem.status >= 500 and problem.instance:
            lines.append(f"The service's administrator can find it as request {problem.instance}.")
        return "\n".join(lines)


class BadRequest(ServiceError):
    """The service cannot use what it was sent (400, 413, 415, 422)."""


class NotAllowed(ServiceError):
    """The key is missing, unknown, or lacks the scope (401, 403)."""


class NotFound(ServiceError):
    """There is no such thing, or it belongs to somebody else (404, 410)."""


class Conflict(ServiceError):
    """It contradicts what is there: a name that is taken, a job that is not finished (409)."""


class TooMany(ServiceError):
    """A quota or a rate limit is used up (429), and waiting within the deadline did not help."""


class Unavailable(ServiceError):
    """No answer, or an error of the service's own, also when tried again."""


class DeadlinePassed(ServiceError):
    """The time that the caller allowed was over before the answer was there."""


class JobFailed(QueristError):
    """A job that was waited for did not end well: its id, its state, and its sentence."""

    def __init__(self, job: str, state: str, error: str) -> None:
        super().__init__(job, state, error)
        self.job, self.state, self.error = job, state, error

    def __str__(self) -> str:
        said = "failed" if self.state == "failed" else f"was {self.state}"
        return f"Job {self.job} {said}" + (f": {self.error}" if self.error else ".")


_KINDS: dict[int, type[ServiceError]] = {
    **dict.fromkeys((401, 403), NotAllowed),
    **dict.fromkeys((404, 410), NotFound),
    409: Conflict,
    429: TooMany,
}


def error_of(problem: Problem) -> ServiceError:
    """The error of a problem, by its status."""
    by_default = Unavailable if problem.status >= 500 else BadRequest
    return _KINDS.get(problem.status, by_default)(problem)


def unreachable(url: str, reason: str) -> Unavailable:
    """The error of a service that does not answer."""
    detail = f"The service at {url} cannot be reached: {reason}. Is it running, and the URL right?"
    return Unavailable(Problem(type="about:blank", title="Unreachable", status=0, detail=detail))


def out_of_time(url: str, hint: str = "") -> DeadlinePassed:
    """The error of a deadline that passed."""
    detail = f"The service at {url} had not answered when the deadline passed. {hint}".rstrip()
    return DeadlinePassed(Problem(type="about:blank", title="Timeout", status=0, detail=detail))


def unusable(error: ValidationError) -> BadRequest:
    """The error of arguments that the client itself can tell are wrong; nothing was sent."""
    faults = [
        Fault(
            pointer="/" + "/".join(str(part) for part in found["loc"]),
            detail=f"{found['msg'].removeprefix('Value error, ')}, got {found['input']!r:.80}",
        )
        for found in error.errors()
    ]
    detail = "The arguments cannot be used; nothing was sent."
    return BadRequest(
        Problem(type="about:blank", title="Not sent", status=0, detail=detail, errors=faults)
    )
