"""Where the service keeps its files: one folder a tenant, made of checked ids only."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from querist.core.errors import ConfigError
from querist.service.ids import is_id
from querist.service.problems import Refused, missing

SUFFIXES = {"safetensors": ".safetensors", "onnx": ".onnx", "skops": ".skops"}


class Workspace:
    """The service's folder.

    Args:
        data: Made where it is missing, for its owner only.

    Raises:
        ConfigError: If it cannot be made.
    """

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        try:
            self._make(self.data)
            self._make(self.data / "tmp")
            self._make(self.servers)
        except OSError as error:
            raise ConfigError(
                f"The service cannot keep its files in {self.data}: {error.strerror}. 'data' in "
                "service.yaml names a folder that it may write to."
            ) from error

    def pool(self, tenant: str, pool: str) -> Path:
        """The folder of a pool."""
        return self._folder(tenant, "pools") / _checked(pool, "pol")

    def job(self, tenant: str, job: str) -> Path:
        """The folder of a job: what it was told and its log; a query's own folder is its pool's."""
        return self._folder(tenant, "jobs") / _checked(job, "job")

    def upload(self, tenant: str, upload: str, kind: str) -> Path:
        """The file of an upload."""
        return self._folder(tenant, "uploads") / (_checked(upload, "upl") + SUFFIXES[kind])

    def manifests(self, tenant: str) -> Path:
        """The folder of uploaded manifests: the one of ours that the tenant's pools may read."""
        return self._folder(tenant, "manifests")

    def models(self, tenant: str) -> Path:
        """The folder of models that rounds trained."""
        return self._folder(tenant, "models")

    @property
    def servers(self) -> Path:
        """The folder of the locks by which servers know each other."""
        return self.data / "servers"

    def temporary(self) -> Path:
        """A new empty file, to be renamed or removed by whoever asked for it."""
        handle, name = tempfile.mkstemp(dir=self.data / "tmp")
        os.close(handle)
        return Path(name)

    def temporary_folder(self) -> Path:
        """A new empty folder, likewise."""
        return Path(tempfile.mkdtemp(dir=self.data / "tmp"))

    def hidden(self, text: str) -> str:
        """A sentence for a stranger, without the place of the service's folder."""
        return text.replace(str(self.data), "DATA")

    def free_bytes(self) -> int:
        """What the disk has left."""
        return shutil.disk_usage(self.data).free

    def sweep(self, older_than: float = 86_400.0) -> None:
        """Remove temporary files that a killed server left behind."""
        for path in (self.data / "tmp").iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - older_than:
                    erase(path)

    def _folder(self, tenant: str, part: str) -> Path:
        folder = self.data / "tenants" / _checked(tenant, "ten") / part
        self._make(folder)
        return folder

    def _make(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _checked(name: str, kind: str) -> str:
    if not is_id(name, kind):
        raise missing("such id", name)
    return name


def erase(path: Path) -> None:
    """Remove a file or folder that may be gone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def room_for(workspace: Workspace, wanted: int) -> None:
    """Refuse what would fill the disk.

    Raises:
        Refused: If less than 256 MiB would be left.
    """
    if workspace.free_bytes() - wanted < 256 << 20:
        raise Refused("busy", "The server's disk is nearly full.", retry_after=60.0)
