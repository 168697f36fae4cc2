from __future__ import annotations

import errno
import inspect
import pickle

import pytest

from querist.core.errors import QueristError
from querist.store import errors
from querist.store.errors import JournalCorrupt, StoreError, StoreFailed, StoreFull, storage_error
from querist.store.segments import corrupt

ALL = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, StoreError) and kind.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickling(kind: type[StoreError]) -> None:
    again = pickle.loads(pickle.dumps(kind("A sentence.")))
    assert type(again) is kind
    assert str(again) == "A sentence."
    assert isinstance(again, QueristError)


def test_details_survive_pickling(tmp_path) -> None:
    error = pickle.loads(pickle.dumps(corrupt(tmp_path / "000002.qj", 640, 17, "it is odd")))
    assert isinstance(error, JournalCorrupt)
    assert (error.segment, error.offset, error.last_seq) == ("000002.qj", 640, 17)
    assert "repair_journal" in str(error)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_has_an_error_of_its_own(code: int) -> None:
    error = storage_error(OSError(code, "no"), "a/b", "writing the journal")
    assert type(error) is StoreFull
    assert errno.errorcode[code] in str(error)
    assert "a/b" in str(error)


def test_other_errors_are_not_called_full() -> None:
    assert type(storage_error(OSError(errno.EIO, "no"), "a", "writing")) is StoreFailed
