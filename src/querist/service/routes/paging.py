"""Parameters that many routes share, and pages of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import StringConstraints, conint

from querist.service.index.index import Row
from querist.service.wire.base import MAX_PAGE, Page

T = TypeVar("T")

if TYPE_CHECKING:
    Limit = int
else:
    Limit = conint(ge=1, le=MAX_PAGE)

After = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_.:-]*$")]
PathId = Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z]{3}_[a-z2-7]{20}$")]
OptionalId = PathId | None


def page_of(found: tuple[Sequence[Row], bool], tell: Callable[[Row], T]) -> Page[T]:
    """A page of rows, and whether there are others after them."""
    rows, more = found
    return Page[T](items=[tell(row) for row in rows], next=rows[-1]["id"] if more else None)


def number_of(after: str) -> int:
    """A cursor that is a number; 0 for the beginning."""
    return int(after) if after.isdigit() and len(after) < 19 else 0


def numbered(items: list[T], after: int, limit: int) -> Page[T]:
    """A page of a list, by position."""
    end = after + limit
    return Page[T](items=items[after:end], next=str(end) if len(items) > end else None)
