"""The exception tree. Every message says what was wanted, what was got, and what to do."""

from __future__ import annotations

from typing import Any


class QueristError(Exception):
    """Root of all errors that Querist raises on purpose.

    The constructor's arguments are the exception's ``args``, so every error survives pickling
    between processes.
    """


class ConfigError(QueristError):
    """A configuration cannot be used; ``problems`` lists every reason found, not only the first."""

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message, problems)
        self.message = message
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join((self.message, *(f"  - {problem}" for problem in self.problems)))


class ContractError(QueristError, TypeError):
    """An object given for a role lacks something that the role's contract asks for."""


class ShapeError(QueristError, ValueError):
    """An array has a shape, length or dtype other than what is documented for it."""


class UnsupportedSample(QueristError, ValueError):
    """A model or oracle was given a sample that it cannot represent (a cell, a charge ...)."""


class OracleRejected(QueristError):
    """A validator found a finite but unusable answer, for example an unconverged one."""


class RunError(QueristError):
    """A campaign cannot start or go on; the sentence says why and what to do."""


class RoleFailed(RunError):
    """A role could not be opened in its worker (import error, bad options ...)."""


class MissingExtra(QueristError, ImportError):
    """An optional dependency is not installed; the sentence holds the install command."""

    def __init__(self, package: str, extra: str, needed_for: str) -> None:
        super().__init__(package, extra, needed_for)
        self.package, self.extra, self.needed_for = package, extra, needed_for

    def __str__(self) -> str:
        return (
            f"{self.needed_for} needs the package {self.package!r}, which is not installed. "
            f"Install it with: pip install 'querist[{self.extra}]'"
        )


def require(module: str, extra: str, needed_for: str) -> Any:
    """Import what an ``extra`` of Querist installs, or raise MissingExtra: ``needed_for`` what."""
    import importlib

    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        root = module.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != root:
            raise
        raise MissingExtra(root, extra, needed_for) from error
