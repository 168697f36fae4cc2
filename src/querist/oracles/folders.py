"""The folder of one question: new each time, or the same one over tries and resumes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError, OracleRejected

DIGEST_BYTES = 64 << 20  # files up to this size are digested: it takes a tenth of a second
KEPT = "files.json"


def plain_name(sample: str) -> str:
    """A file name for a sample; ids of strangers may hold anything."""
    plain = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", sample)
    return sample if plain else blake2b(sample.encode(), digest_size=16).hexdigest()


def new_folder(home: Path, sample: str) -> Path:
    """A new folder for a sample.

    Raises:
        ConfigError: If there are too many of this sample.
    """
    name = plain_name(sample)
    for number in range(1_000_000):
        path = home / (f"{name}-{number}" if number else name)
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise ConfigError(f"{home} holds a million folders of the sample {name}; remove some.")


def lasting_folder(home: Path, sample: str, recipe: Any) -> Path:
    """The folder of a sample for this recipe, made when it is first asked for.

    Args:
        home: Above it.
        sample: Its id.
        recipe: JSON-able: what is run. Another recipe gets another folder, so that nothing is
            continued that was begun by something else.
    """
    text = json.dumps(recipe, sort_keys=True, default=repr)
    digest = blake2b(text.encode(), digest_size=4).hexdigest()
    path = home / f"{plain_name(sample)}-{digest}"
    path.mkdir(parents=True, exist_ok=True)
    return path


def newest(folder: Path, pattern: str) -> Path | None:
    """The match that was changed last, None when there is none."""
    found = [path for path in folder.glob(pattern) if path.exists()]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def kept_files(folder: Path, wanted: Mapping[str, str]) -> dict[str, str]:
    """URIs of the large outputs that stay where they are.

    Sizes, and digests of files up to 64 MiB, are written into ``files.json`` beside them.

    Args:
        folder: Where the patterns are looked up.
        wanted: Output name to pattern.

    Raises:
        OracleRejected: If a pattern matches nothing, or more than one file or folder.
    """
    found: dict[str, str] = {}
    about: dict[str, Any] = {}
    for name, pattern in wanted.items():
        matches = sorted(folder.glob(pattern))
        if len(matches) != 1:
            names = [path.name for path in matches[:5]]
            raise OracleRejected(
                f"the output {name!r} should be one file that matches {pattern!r}, but "
                f"{len(matches)} do{f': {names}' if names else ''}."
            )
        found[name] = matches[0].absolute().as_uri()
        about[name] = {"uri": found[name], **_about(matches[0])}
    if about:
        (folder / KEPT).write_text(json.dumps(about, indent=1), encoding="utf-8")
    return found


def _about(path: Path) -> dict[str, Any]:
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
        return {"files": len(files), "bytes": sum(file.stat().st_size for file in files)}
    size = path.stat().st_size
    if size > DIGEST_BYTES:
        return {"bytes": size}
    return {"bytes": size, "blake2b": blake2b(path.read_bytes(), digest_size=16).hexdigest()}


def keep_only(folder: Path, wanted: Mapping[str, str]) -> None:
    """Remove all of a folder but the large outputs and what is known of them; all without any."""
    kept = {path for pattern in wanted.values() for path in folder.glob(pattern)}
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)
        return
    kept.add(folder / KEPT)
    for path in sorted(folder.rglob("*"), reverse=True):  # what is inside before its folder
        if any(path == keep or keep in path.parents for keep in kept):
            continue
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        else:
            path.unlink(missing_ok=True)


def move(folder: Path, home: Path, sample: str) -> Path:
    """Move a task's folder to where it stays."""
    place = new_folder(home, sample)
    _copy(folder, place)
    shutil.rmtree(folder, ignore_errors=True)
    return place


def _copy(folder: Path, place: Path) -> None:
    """Copy what is in a folder; modes, times and links only where the file system has such."""
    for path in folder.iterdir():
        to = place / path.name
        if path.is_symlink():
            with suppress(OSError):
                to.symlink_to(path.readlink())
        elif path.is_dir():
            to.mkdir()
            _copy(path, to)
        elif path.is_file():
            shutil.copyfile(path, to)
        with suppress(OSError):
            shutil.copystat(path, to, follow_symlinks=False)
