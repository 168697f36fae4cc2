"""Query strategies, as the server's registry has them."""

from __future__ import annotations

from pydantic import Field

from querist.service.wire.base import Options, Told


class Strategy(Told):
    """One way to pick items.

    Attributes:
        name, aliases: As a query may name it.
        family: "uncertainty", "representation", ...
        summary: When to use it.
        needs, optional: What it needs, or can use, of the model or the pool: "probabilities", ...
        options: With their defaults.
        random: Whether it draws random numbers, from the query's seed.
        pointwise: Whether it scores items one by one; then only the best are kept in memory.
        cost, paper: What a selection costs, and where it is from.
    """

    name: str
    aliases: list[str] = Field(default_factory=list)
    family: str = ""
    summary: str = ""
    needs: list[str] = Field(default_factory=list)
    optional: list[str] = Field(default_factory=list)
    options: Options = Field(default_factory=dict)
    random: bool = False
    pointwise: bool = False
    cost: str = ""
    paper: str = ""
