"""Query strategies, as the server's registry has them."""

from __future__ import annotations

from pydantic import Field

from querist.service.wire.base import Options, Told


class Strategy(Told):
    """One way to pick items.

    Attributes:
        name: As a query names it.
        summary: One sentence.
        needs: What it needs of the model or the pool: "probabilities", "embeddings", ...
        batchwise: Whether it looks at all items together; otherwise only the best are kept.
        options: Its options: a JSON schema by name.
    """

    name: str
    summary: str = ""
    needs: list[str] = Field(default_factory=list)
    batchwise: bool = False
    options: Options = Field(default_factory=dict)
