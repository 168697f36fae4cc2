"""Query strategies."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from querist.core.errors import QueristError
from querist.service.call import Call
from querist.service.problems import missing
from querist.service.routes.paging import After, Limit, number_of, numbered
from querist.service.wire.base import Page
from querist.service.wire.strategies import Strategy
from querist.strategies.listing import as_record
from querist.strategies.registry import everything, find

StrategyName = Annotated[str, StringConstraints(min_length=1, max_length=100)]


def list_strategies(call: Call, limit: Limit = 1000, after: After = "") -> Page[Strategy]:
    """All query strategies, by family."""
    return numbered([_told(as_record(one)) for one in everything()], number_of(after), limit)


def get_strategy(call: Call, name: StrategyName) -> Strategy:
    """One strategy by its name or alias."""
    try:
        if "(" in name:
            raise missing("strategy", name)
        return _told(as_record(find(name)))
    except QueristError:
        raise missing("strategy", name) from None


def _told(record: dict[str, object]) -> Strategy:
    values = dict(record)
    return Strategy.model_validate(values | {"summary": values.get("use") or ""})
