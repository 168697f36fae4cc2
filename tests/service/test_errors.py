"""Errors of the library as refusals: what is the client's affair is told, the rest is not."""

from __future__ import annotations

from querist.core.errors import MissingExtra, RunError
from querist.service.errors import as_refused


def test_what_the_server_lacks_is_named_by_its_extra() -> None:
    refused = as_refused(MissingExtra("pyarrow", "parquet", "writing Parquet"))
    assert refused is not None
    assert "the extra 'parquet' of Querist" in refused.detail


def test_other_errors_are_the_server_s_own_affair() -> None:
    assert as_refused(RunError("in /data/secret")) is None
