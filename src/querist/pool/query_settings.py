"""What a query asks of a pool, and how the pool is scanned for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from querist.campaign.loading import checked
from querist.pool.choosing import choose_strategy


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScanSettings(_Settings):
    """How a pool is scanned.

    Attributes:
        batch: Items in a call of the model; None finds the best size while the scan begins.
        chunk: Items in a unit of work, which is what a crash can cost; None for about two seconds.
        readers: Threads of a worker that read; None for what the source is made for.
        decoders: Threads of a worker that decode; None for its share of the cores, at most two.
        processes: Processes of a worker that read near items and decode, in place of the threads,
            which share Python's lock and decode until these have started; 0 for none. None: none on
            a CPU, and with a GPU as many as cores are left, at most sixteen. Each holds a batch
            besides what ``memory_mb`` says.
        retries: Further tries of an item whose source fails in passing.
        memory_mb: Of what a worker holds between its stages, in MiB.
        abort_share: The query fails when more than this share of the items is broken.
        cache: Whether decoded items and outputs are kept for later queries, and bytes of remote
            sources.
        cache_mb: Largest size of each of the three caches, in MiB.
    """

    batch: int | None = Field(default=None, ge=1, le=65_536)
    chunk: int | None = Field(default=None, ge=1, le=1_000_000)
    readers: int | None = Field(default=None, ge=1, le=1024)
    decoders: int | None = Field(default=None, ge=1, le=256)
    processes: int | None = Field(default=None, ge=0, le=256)
    retries: int = Field(default=3, ge=0, le=20)
    memory_mb: int = Field(default=256, ge=1)
    abort_share: float = Field(default=0.5, ge=0.0, le=1.0)
    cache: bool = True
    cache_mb: int = Field(default=4096, ge=1)


class EngineSettings(_Settings):
    """Where the scan runs.

    Attributes:
        kind: In this process (with threads), in worker processes, or on the ranks of an MPI job.
        workers: How many share the query; None for one inline, one for every two cores in
            processes, and all ranks but the first with MPI.
        threads: Of each worker's model; None divides the cores.
        device: "cpu", or "cuda:1" for the second GPU. Worker processes and ranks share out all GPUs
            that there are ("cuda"), each seeing only its own. None for the CPU.
    """

    kind: Literal["inline", "processes", "mpi"] = "inline"
    workers: int | None = Field(default=None, ge=1, le=100_000)
    threads: int | None = Field(default=None, ge=1, le=1024)
    device: str | None = None

    @model_validator(mode="after")
    def _one_by_number(self) -> EngineSettings:
        numbered = (self.device or "").startswith("cuda:") and self.device != "cuda:0"
        if self.kind != "inline" and numbered:
            raise ValueError(
                f"workers of the engine {self.kind!r} share out all GPUs that they may see: say "
                f"device: cuda instead of {self.device}, and name the GPUs in CUDA_VISIBLE_DEVICES"
            )
        return self


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("should be a number of items, or a share of them such as 0.25")
    return value


Items = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0.0, lt=1.0, allow_inf_nan=False)]


def kind_alone(value: Any) -> Any:
    """An engine's settings, where only its name may be given."""
    return {"kind": value} if isinstance(value, str) else value


class QuerySettings(_Settings):
    """A query.

    Attributes:
        model: As for :func:`querist.models.inference.open_inference`; None for built-in features,
            which need no weights and give embeddings.
        strategy: Its name, or a text such as ``"cost-aware(margin)"``; left out, the one that fits
            the model (see :func:`querist.pool.choosing.choose_strategy`).
        options: Of the strategy.
        budget: Items to pick: a whole number, or a share of the candidates below 1.
        seed: Two queries of one seed pick the same.
        where: Which items are candidates; see :mod:`querist.pool.where`.
        engine: Where it runs; ``"processes"`` alone is ``{"kind": "processes"}``.
        scan: How the pool is scanned.
        note: For people.
    """

    model: dict[str, Any] | None = None
    strategy: str = Field(min_length=1, max_length=500)
    options: dict[str, Any] = Field(default_factory=dict)
    budget: Annotated[Items | Share, BeforeValidator(_no_truth)]
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    where: str | dict[str, Any] = "unlabelled"
    engine: Annotated[EngineSettings, BeforeValidator(kind_alone)] = EngineSettings()
    scan: ScanSettings = ScanSettings()
    note: str = Field(default="", max_length=10_000)

    @model_validator(mode="before")
    @classmethod
    def _chosen(cls, said: Any) -> Any:
        if isinstance(said, dict) and said.get("strategy") is None:
            model = said.get("model")
            chosen = choose_strategy(model if isinstance(model, Mapping) else None)
            return {**said, "strategy": chosen}
        return said


def parse_query(found: Any, where: str = "The query") -> QuerySettings:
    """Settings from a mapping.

    Raises:
        ConfigError: With every problem; unknown keys with the nearest known one.
    """
    return checked(QuerySettings, found, where)
