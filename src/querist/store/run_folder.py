"""The folder of one run: what lies where."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

from querist.store.codec import encode_json
from querist.store.errors import DamagedFile, NotARun, RunExists, StoreError, storage_error
from querist.store.files import sync_folder, write_new
from querist.store.inbox import Inbox
from querist.store.journal import JournalWriter
from querist.store.lock import WriterLock
from querist.store.manifest import Manifest, describe
from querist.store.outbox import Outbox
from querist.store.reader import JournalReader
from querist.store.snapshots import Snapshots
from querist.store.versions import Versions

_FOLDERS = ("journal", "snapshots", "weights", "generators", "outbox", "inbox", "scratch")


class RunFolder:
    """One run on disk. Opening reads the manifest and nothing else, and locks nothing.

    Attributes:
        path: The folder, absolute.
        manifest: What the run was made with.

    Args:
        path: An existing run; `create` makes one.

    Raises:
        NotARun: The folder does not hold a run.
        IncompatibleFormat: Another version of Querist wrote it.
        DamagedFile: Its manifest cannot be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).resolve()
        where = self.path / "manifest.json"
        try:
            text = where.read_bytes()
        except OSError as error:
            raise NotARun(
                f"{self.path} is not the folder of a run: {where.name} cannot be read there "
                f"({error.strerror}). Give the folder that `querist run` made."
            ) from error
        self.manifest = Manifest.from_json(text, where)

    @classmethod
    def create(
        cls,
        path: Path | str,
        config: Mapping[str, Any],
        *,
        seeds: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        packages: Iterable[str] = (),
        git: Mapping[str, Any] | None = None,
    ) -> RunFolder:
        """Make the folder of a new run; it appears complete or not at all.

        Args:
            path: Must not exist, or be an empty folder.
            config: The resolved configuration, a JSON object.
            seeds: Named seeds, for the manifest.
            run_id: At most 64 bytes; by default the time and a random part.
            packages: Further packages whose versions belong into the manifest.
            git: The state of the code, where it is known already.

        Raises:
            RunExists: Something is there already.
            NotStorable: The configuration is not JSON.
            StoreFull, StoreFailed: It could not be written.
        """
        path = Path(path).resolve()
        _require_free(path)
        manifest = describe(run_id or new_run_id(), seeds or {}, packages, git)
        pretty = json.dumps(json.loads(encode_json(dict(config))), indent=2) + "\n"
        building = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.creating")
        try:
            for name in _FOLDERS:
                (building / name).mkdir(parents=True)
            # The folder has another name until it is complete, so one sync of its names is enough.
            write_new(building / "config.json", pretty.encode())
            write_new(building / "manifest.json", manifest.to_json().encode())
            sync_folder(building)
            _move_into_place(building, path)
        except OSError as error:
            raise storage_error(error, path, "creating the run") from error
        finally:
            shutil.rmtree(building, ignore_errors=True)
        return cls(path)

    @property
    def run_id(self) -> str:
        """The unique name of the run."""
        return self.manifest.run_id

    @property
    def journal(self) -> Path:
        """The folder of the journal."""
        return self.path / "journal"

    @property
    def scratch(self) -> Path:
        """Where oracles keep the folders of their tasks."""
        return self.path / "scratch"

    @property
    def weights(self) -> Versions:
        """The weights of the models, by version and part."""
        return Versions(self.path / "weights")

    @property
    def generators(self) -> Versions:
        """The states of the generators, by version and part."""
        return Versions(self.path / "generators")

    @property
    def snapshots(self) -> Snapshots:
        """The states of the controller."""
        return Snapshots(self.path / "snapshots")

    @property
    def outbox(self) -> Outbox:
        """The answers that workers have kept."""
        return Outbox(self.path / "outbox")

    @property
    def inbox(self) -> Inbox:
        """The messages from outside."""
        return Inbox(self.path / "inbox")

    def config(self) -> dict[str, Any]:
        """The configuration the run was started with.

        Raises:
            DamagedFile: It cannot be read.
        """
        where = self.path / "config.json"
        try:
            config = json.loads(where.read_bytes())
        except (OSError, ValueError) as error:
            raise DamagedFile(f"{where} cannot be read ({error}). Restore it.") from error
        if not isinstance(config, dict):
            raise DamagedFile(f"{where} does not hold a JSON object. Restore it.")
        return config

    def lock(self, *, stale_s: float = 60.0) -> WriterLock:
        """The exclusive right to write; acquire it, or use it in a `with` statement."""
        return WriterLock(self.path, self.run_id, stale_s=stale_s)

    def journal_writer(
        self,
        *,
        on_durable: Callable[[int], None] | None = None,
        on_failed: Callable[[StoreError], None] | None = None,
        sync: bool = True,
    ) -> JournalWriter:
        """Open the journal for writing; hold the lock meanwhile.

        Raises:
            JournalCorrupt, StoreFull, StoreFailed: See `JournalWriter`.
        """
        writer = JournalWriter(
            self.journal, self.run_id, on_durable=on_durable, on_failed=on_failed, sync=sync
        )
        self.snapshots.discard_after(writer.last_seq)
        return writer

    def journal_reader(self, *, after: int = 0) -> JournalReader:
        """Read the journal, also while another process writes it."""
        return JournalReader(self.journal, after=after)


def new_run_id() -> str:
    """A name that sorts by time and is unique, as "20260131-142501-9f1c2a"."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"


def _require_free(path: Path) -> None:
    if (path / "manifest.json").exists():
        raise RunExists(
            f"{path} already holds a run. Continue it with `querist resume {quote(str(path))}` "
            "(with the settings it was begun with), or give another folder."
        )
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise RunExists(f"{path} exists and is not an empty folder. Give another folder.")


def _move_into_place(building: Path, path: Path) -> None:
    try:
        building.rename(path)  # replaces an empty folder, and fails on any other
    except OSError:
        _require_free(path)
        raise
    sync_folder(path.parent)
