"""What the campaign's tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from querist.core.roles import WorkerContext
from querist.store.run_folder import RunFolder
from querist.testing.contexts import LoneContext, worker_context

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A new run without any record."""
    return RunFolder.create(tmp_path / "run", {})


@pytest.fixture
def worker(folder: RunFolder) -> WorkerContext:
    """A worker of that run."""
    return worker_context(folder.scratch, run=folder.path)


@pytest.fixture
def context(worker: WorkerContext) -> LoneContext:
    """A task's context in that worker."""
    return LoneContext(worker)
