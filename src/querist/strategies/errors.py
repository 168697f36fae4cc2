"""What can be wrong with a call of a strategy. Every error survives pickling."""

from __future__ import annotations

from querist.core.errors import QueristError


class StrategyError(QueristError):
    """Root of the errors of strategies."""


class BudgetError(StrategyError, ValueError):
    """A budget is not a whole number from 1 to the size of the pool."""


class NeedError(StrategyError, TypeError):
    """A strategy was not given what it needs, or was given something that it cannot use."""


class UnknownStrategy(StrategyError, LookupError):
    """No strategy has this name."""


class BadRows(StrategyError, ValueError):
    """Rows of the data cannot be used; ``rows`` are their indices, all of them."""

    def __init__(self, sentence: str, rows: tuple[int, ...]) -> None:
        super().__init__(sentence, rows)
        self.sentence, self.rows = sentence, rows

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.rows[:10]))
        more = f" and {len(self.rows) - 10} more" if len(self.rows) > 10 else ""
        return f"{self.sentence} Rows: {shown}{more}."
