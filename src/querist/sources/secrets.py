"""Secrets of sources: options name an environment variable that holds them, ``$NAME``.

What is kept in a folder (a pool's settings) or typed into a file then holds no secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from querist.core.errors import ConfigError

_WHOLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_PART = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET = re.compile(
    r"secret|token|passw|passphrase|credential|account_key|api_?key|private_key|sas|"
    r"connection_string|authorization|cookie",
    re.IGNORECASE,
)
_NO_SECRET = frozenset({"token_from", "requester_pays"})


def expanded(options: Mapping[str, Any], scheme: str, allowed: bool = True) -> dict[str, Any]:
    """Options in which ``$NAME``, and ``${NAME}`` within a text, are what these variables hold.

    Args:
        options: Of one scheme.
        scheme: For errors.
        allowed: Whether the policy lets credentials of the process be used.

    Raises:
        ConfigError: If a variable is not set, or may not be read.
    """
    return {name: _expanded(value, f"{scheme}.{name}", allowed) for name, value in options.items()}


def _expanded(value: Any, where: str, allowed: bool) -> Any:
    if isinstance(value, Mapping):
        return {name: _expanded(one, f"{where}.{name}", allowed) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_expanded(one, where, allowed) for one in value]
    if not isinstance(value, str) or not is_reference(value):
        return value
    if not allowed:
        raise ConfigError(
            f"{where} names an environment variable, and the access policy forbids credentials of "
            "the process."
        )
    if whole := _WHOLE.fullmatch(value):
        return _read(whole[1], where)
    return _PART.sub(lambda found: _read(found[1], where), value)


def _read(name: str, where: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise ConfigError(
            f"{where} is to come from the environment variable {name}, which is not set. Set it, "
            f"for example: export {name}=..."
        ) from None


def is_reference(value: str) -> bool:
    """Whether a text names an environment variable."""
    return bool(_WHOLE.fullmatch(value) or _PART.search(value))


def references_in(value: Any) -> bool:
    """Whether anything within some options names an environment variable."""
    if isinstance(value, Mapping):
        return any(map(references_in, value.values()))
    if isinstance(value, list | tuple):
        return any(map(references_in, value))
    return isinstance(value, str) and is_reference(value)


def secrets_in(options: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Where options by scheme hold a secret in plain text: ``s3.secret``."""
    return [place for scheme, own in options.items() for place in _plain(own, scheme)]


def _plain(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            if where == "ftp.logins" and isinstance(one, list | tuple):
                yield from _plain(one[-1], f"{where}.{name}.password")
            else:
                yield from _plain(one, f"{where}.{name}")
    elif isinstance(value, str) and value and not is_reference(value):
        name = where.rpartition(".")[2]
        if _SECRET.search(name) and name not in _NO_SECRET:
            yield where


def refuse_plain(options: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse secrets that would be kept in plain text.

    Raises:
        ConfigError: With where they stand.
    """
    found = secrets_in(options)
    if found:
        name = re.sub(r"\W+", "_", found[0]).upper()
        raise ConfigError(
            f"{', '.join(found)} would be kept in plain text in the pool's folder. Put it into an "
            f"environment variable, and give the variable's name instead: {found[0]}=${name}"
        )


def refuse_password(uri: str) -> None:
    """Refuse an address whose password would be kept with each of its items.

    Raises:
        ConfigError: With what to do instead.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        return
    if "://" in uri and parts.password:
        option = {
            "ftp": 'ftp.logins={HOST: [USER, "$FTP_PASSWORD"]}',
            "http": 'http.headers={HOST: {Authorization: "Basic ${HTTP_LOGIN}"}}',
        }.get(parts.scheme.removesuffix("s"), "an option of the source")
        host = parts.hostname or ""
        raise ConfigError(
            f"The password in {parts.scheme}://...@{host} would be kept with each item. Leave it "
            f"out, and say once for the pool: --source '{option.replace('HOST', host)}'"
        )
