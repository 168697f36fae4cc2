"""What commands share: exit statuses, errors as sentences, arguments that several take."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click

from querist.core.errors import ConfigError, QueristError

# What a file system says of a place or of itself, and what is no mistake of this program.
_REFUSALS = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS),
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
        *(errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG),
    }
)
EXIT_FAILED, EXIT_USAGE, EXIT_OUT_OF_TIME, EXIT_INTERRUPTED = 1, 2, 75, 130
RUN = click.argument("run", type=click.Path(path_type=Path))
PROGRESS = click.option(
    "--progress",
    type=click.Choice(["auto", "live", "plain", "none"]),
    default="auto",
    help="A live panel, plain lines, or nothing. auto: by whether there is a terminal.",
)


def sentences(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn the library's errors into their sentence and an exit status."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ConfigError as error:
            click.echo(str(error), err=True)
            leave(EXIT_USAGE)
        except QueristError as error:
            click.echo(f"querist: {error}", err=True)
            leave(EXIT_FAILED)
        except OSError as error:
            click.echo(f"querist: {_refusal(error)}.", err=True)
            leave(EXIT_FAILED)
        except KeyboardInterrupt as error:  # the second Ctrl-C of a run, or the first of others
            usual = "a run continues with: querist resume RUN" if _runs() else ""
            click.echo("; ".join(filter(None, ("interrupted", str(error) or usual))), err=True)
            leave(EXIT_INTERRUPTED)

    return wrapped


def _refusal(error: OSError) -> str:
    """What the system refused, in words; other errors are raised again."""
    if error.errno == errno.ENOENT and error.filename is None and _is_nowhere():
        return "the current folder was deleted; change into another one (cd), and try again"
    if error.errno not in _REFUSALS:
        raise error
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror}"


def _is_nowhere() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - as pathlib asks, too
    except FileNotFoundError:
        return True
    return False


def _runs() -> bool:
    """Whether the command is one that runs something in a folder."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name in ("run", "resume", "tune", "pal")


def leave(status: int) -> NoReturn:
    """End the process, on one MPI rank or many, with an exit status."""
    from querist.campaign.ranks import leave_with

    leave_with(status)
    sys.exit(status)


def need_parent(output: Path | None) -> None:
    """Raise ConfigError where the folder of a file to be written does not exist."""
    if output is not None and not output.absolute().parent.is_dir():
        folder = output.absolute().parent
        raise ConfigError(f"the folder {folder} does not exist; make it first.")


def authority(host: str, port: int) -> str:
    """A host and its port as in a URL; an address of IPv6 is in brackets there."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def typed(path: Path | str) -> str:
    """A path as it is typed into a shell: commands in our sentences are copied."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
