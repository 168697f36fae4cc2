"""Labels of a large manifest: read in a process of its own, for a request that waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from querist.core.errors import QueristError
from querist.pool.label_import import why_nothing
from querist.pool.pool import Pool
from querist.service.errors import as_refused
from querist.service.jobs.line import DONE, FAILED, Line, Wish


def take_labels(told: Mapping[str, Any], line: Line, _: Wish) -> int:
    """Record the labels of a manifest; what the request is told where they cannot be."""
    try:
        with Pool.open(told["pool"]) as pool:
            added = pool.import_labels(told["manifest"], told["format"])
    except QueristError as error:
        refused = as_refused(error)
        if refused is None:
            raise
        errors = [one.model_dump() for one in refused.errors[:50]]
        said = {"kind": refused.kind, "errors": errors, "retry_after": refused.retry_after}
        line.end({"refused": said}, refused.detail)
        return FAILED
    line.end({"labels": added.labelled, "why_nothing": why_nothing(added)})
    return DONE
