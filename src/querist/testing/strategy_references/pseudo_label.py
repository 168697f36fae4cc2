"""Definitions of the picks of methods that also give pseudo-labels."""

from __future__ import annotations

from querist.testing.strategy_references import exact
from querist.testing.strategy_references.uncertainty import by_row

exact("ceal")(by_row(lambda row: 1.0 - max(row)))
