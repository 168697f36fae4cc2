"""A campaign's configuration: one schema for Python and YAML, which refuses what it does not know.

Every field here is a key of ``campaign.yaml``. Roles are given as ``use`` (a short name or an
import path "package.module:Name") and ``options`` (its keyword arguments).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from querist.campaign.registry import target_of
from querist.core.tasks import Factory, Resources


class Settings(BaseModel):
    """Base of all sections: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def plain(value: Any) -> Any:
    """Arrays and numbers of NumPy as lists and numbers, such as a file holds; the rest as it is."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else value
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


class Role(Settings):
    """One role: a short name or import path with options, or (from Python only) a live object."""

    use: str = ""
    options: Annotated[dict[str, Any], AfterValidator(plain)] = Field(default_factory=dict)
    live: Any = Field(default=None, exclude=True, repr=False)

    @model_validator(mode="after")
    def _one_of(self) -> Role:
        if getattr(self, "outside", 0):
            return self
        if bool(self.use) == (self.live is not None):
            raise ValueError("a role needs 'use': a short name or 'package.module:Name'")
        return self

    def factory(self, role: str) -> Factory:
        """How to make it in a worker."""
        if self.live is not None:
            return Factory(live=self.live)
        return Factory(target_of(role, self.use), self.options)

    @property
    def title(self) -> str:
        """What a person calls it by."""
        made = type(self.live) if not hasattr(self.live, "__qualname__") else self.live
        return self.use or ("from outside" if self.live is None else str(made.__qualname__))

    @property
    def is_live(self) -> bool:
        """Whether it is a Python object, which no other process can make anew."""
        return self.live is not None


def _role(value: Any) -> Any:
    """A bare string means a role without options; any other object is a live one."""
    if isinstance(value, str):
        return {"use": value}
    if isinstance(value, Factory):
        return {"use": value.target, "options": dict(value.options), "live": value.live}
    if isinstance(value, (dict, Settings)) or value is None:
        return value
    return {"live": value}


AnyRole = Annotated[Role, BeforeValidator(_role)]


class StrategySettings(Settings):
    """What puts the candidates that wait in order: a query strategy, or a choice between several.

    ``use`` is a name or text as :func:`querist.select` takes, an import path, ``auto`` or ``albl``.
    ``batch`` are picked at a time; it waits for ``least`` candidates (ten batches by default) as
    long as explorers find more, and a free worker waits ``wait`` seconds for an order (null: for
    ever). ``among`` are the strategies of a choice, and ``rules`` those of ``auto``.
    """

    use: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    live: Any = Field(default=None, exclude=True, repr=False)
    batch: int = Field(default=20, ge=1)
    least: int | None = Field(default=None, ge=1)
    wait: float | None = Field(default=10.0, ge=0, allow_inf_nan=False)
    embeddings: str = ""
    costs: str = ""
    among: tuple[str, ...] = ()
    rules: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _named(self) -> StrategySettings:
        if bool(self.use) == (self.live is not None):
            raise ValueError("a strategy needs 'use': a name, a text or 'package.module:Name'")
        return self


def _strategy(value: Any) -> Any:
    """A bare text is a name; from Python a strategy or a function is taken as it is."""
    if isinstance(value, str):
        return {"use": value}
    if value is None or isinstance(value, (dict, Settings)):
        return value
    return {"live": value}


class Share(Settings):
    """Workers in proportion: of what fixed counts leave, pools get theirs by their shares."""

    share: float = Field(gt=0, allow_inf_nan=False)


Count = int | Share | Literal["auto"]


def _count(least: int) -> BeforeValidator:
    def check(value: Any) -> Any:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if (is_number and value >= least) or value == "auto" or isinstance(value, Share):
            return value
        if isinstance(value, dict) and set(value) == {"share"}:
            return Share.model_validate(value)
        raise ValueError(
            f"should be a whole number from {least} on, auto, or a share such as {{share: 3}}, "
            f"got {value!r}"
        )

    return BeforeValidator(check)


def number(count: Count) -> int:
    """A resolved count; of one that is not, the least."""
    return count if isinstance(count, int) else 1


class ResourceSettings(Settings):
    """What one simulation needs: ``cores`` of each rank; GPUs and MiB of all ranks together."""

    nodes: int = Field(default=1, ge=1)
    ranks: int = Field(default=1, ge=1)
    cores: int = Field(default=1, ge=1)
    gpus: float = Field(default=0, ge=0)
    memory_mb: int | None = Field(default=None, gt=0)
    wall_seconds: float | None = Field(default=None, gt=0)

    def needed(self) -> Resources:
        """As the engine and the oracle are told."""
        return Resources(**self.model_dump())


class AllocationSettings(Settings):
    """The part of this job's nodes in which parallel simulations run.

    What the scheduler says is taken unless it is stated: ``nodes`` (hosts), ``cores`` and ``gpus``
    of each. ``part: 1/4`` is the first quarter, for campaigns that share a job (the variable
    QUERIST_PART says the same); ``reserve`` cores of the first node are for the campaign itself.
    """

    nodes: tuple[str, ...] = ()
    cores: int | None = Field(default=None, ge=1)
    gpus: int | None = Field(default=None, ge=0)
    part: str = Field(default="", pattern=r"^([0-9]+/[0-9]+)?$")
    reserve: int = Field(default=0, ge=0)


class OracleSettings(Role):
    """An oracle, its workers and its limits.

    ``outside: n`` makes it an oracle without workers: up to ``n`` questions are open at once and
    are answered through the run's inbox (by people or other programs); ``use: human`` says what
    they are asked for, and means ``outside: 20`` where nothing else is said.
    """

    resources: ResourceSettings | None = None
    workers: Annotated[Count, _count(0)] = 1
    batch: int = Field(default=1, ge=1)
    timeout: float | None = Field(default=None, gt=0)
    memory_mb: int | None = Field(default=None, gt=0)
    cost: float | None = Field(default=None, ge=0)
    level: str = ""
    validator: AnyRole | None = None
    outside: int = Field(default=0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _people(cls, value: Any) -> Any:
        named = isinstance(value, dict) and value.get("use") == "human"
        return {"outside": 20, **value} if named else value


class GateSettings(Settings):
    """Trust, ask, reject. ``ask`` is absolute; with ``quantile`` it is the least threshold."""

    output: str
    ask: float = Field(default=0.0, ge=0)
    quantile: float | None = Field(default=None, gt=0, lt=1)
    reject: float = Field(default=float("inf"), gt=0)
    filters: tuple[AnyRole, ...] = ()


class BudgetSettings(Settings):
    """What may be spent: labels, cost (oracle seconds by default), seconds of campaign time."""

    labels: int | None = Field(default=None, ge=0)
    cost: float | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, gt=0)


class RetrySettings(Settings):
    """How failed questions, and those out of ``timeouts``, are tried again before quarantine."""

    attempts: int = Field(default=2, ge=1)
    backoff: float = Field(default=0.5, ge=0)
    give_up: int = Field(default=10, ge=1)
    timeouts: bool = True


class QueueSettings(Settings):
    """``limit``: candidates that wait; ``max_fresh``: training questions beyond the last fit."""

    limit: int = Field(default=1000, ge=1)
    max_fresh: int | None = Field(default=None, ge=1)


class SliceSettings(Settings):
    """Longest piece of exploring between two messages. On ``inline`` only steps count."""

    steps: int = Field(default=1_000_000, ge=1)
    seconds: float | None = Field(default=0.25, gt=0)


class StartSettings(Settings):
    """What one has already: labels, a fixed test set, trained weights. None is charged."""

    labels: tuple[Path, ...] = ()
    test_set: Path | None = None
    weights: Path | None = None

    @field_validator("labels", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, (str, Path)) else value


def _whole_or_share(value: float) -> float:
    if value > 1 and value != int(value):
        raise ValueError(f"should be a whole number, or less than 1 to share one GPU, got {value}")
    return value


Gpus = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(_whole_or_share)]


class GpuSettings(Settings):
    """GPUs of each worker of a role; less than one shares one. A worker without sees none."""

    explorers: Gpus = 0.0
    trainers: Gpus = 0.0


class PlacementSettings(Settings):
    """Where generators and model live: "colocated" in explorers, or "split" over their own ranks.

    Split, ``by: replica`` gives every predictor the whole committee and its share of the
    generators; ``by: member`` spreads the members of one committee over all predictors. A
    predictor waits for company of a proposal for ``max_wait`` seconds, or until ``max_batch``
    samples are there. Needs the engine "mpi".
    """

    kind: Literal["colocated", "split"] = "colocated"
    generators: Annotated[Count, _count(1)] = "auto"
    predictors: Annotated[Count, _count(1)] = 1
    by: Literal["replica", "member"] = "replica"
    max_batch: int = Field(default=256, ge=1)
    max_wait: float = Field(default=0.002, ge=0, allow_inf_nan=False)


class EngineSettings(Settings):
    """Where the work runs: "processes" (default), "inline", "mpi" or "simulated"; its options."""

    kind: Literal["processes", "inline", "mpi", "simulated"] = "processes"
    options: dict[str, Any] = Field(default_factory=dict)


def _kind(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


class CampaignSettings(Settings):
    """All of a campaign."""

    name: str = "campaign"
    folder: Path | None = None
    seed: int = Field(default=0, ge=0)
    engine: Annotated[EngineSettings, BeforeValidator(_kind)] = Field(
        default_factory=EngineSettings
    )
    generators: tuple[AnyRole, ...] = Field(min_length=1)
    explorers: Annotated[Count, _count(1)] = 1
    placement: Annotated[PlacementSettings, BeforeValidator(_kind)] = Field(
        default_factory=PlacementSettings
    )
    model: AnyRole
    calibrate: dict[str, Any] | None = None
    trainers: Annotated[Count, _count(0)] = 1
    gpus: GpuSettings = Field(default_factory=GpuSettings)
    oracles: dict[str, OracleSettings] = Field(min_length=1)
    allocation: AllocationSettings = Field(default_factory=AllocationSettings)
    gate: GateSettings
    routes: dict[str, float] = Field(default_factory=dict)
    policy: AnyRole | None = None
    strategy: Annotated[StrategySettings | None, BeforeValidator(_strategy)] = None
    initial: int = Field(default=20, ge=0)
    holdout: float = Field(default=0.1, ge=0, lt=1)
    calibration: float = Field(default=0.0, ge=0, lt=1)
    budget: BudgetSettings = Field(default_factory=BudgetSettings)
    retrain: dict[str, Any] = Field(default_factory=lambda: {"growing_by": 0.1, "when_idle": 5})
    stop: dict[str, Any] = Field(default_factory=dict)
    retry: RetrySettings = Field(default_factory=RetrySettings)
    queue: QueueSettings = Field(default_factory=QueueSettings)
    slice: SliceSettings = Field(default_factory=SliceSettings)
    error_metric: str = ""
    units: dict[str, str] = Field(default_factory=dict)
    final_fit: bool = True
    start: StartSettings = Field(default_factory=StartSettings)

    @field_validator("generators", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, (list, tuple)) else (value,)

    @field_validator("oracles", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, dict) and not ({"use", "live"} & set(value)):
            return {name: _role(oracle) for name, oracle in value.items()}
        return {"oracle": _role(value)}

    @field_validator("oracles")
    @classmethod
    def _plain_names(cls, value: dict[str, OracleSettings]) -> dict[str, OracleSettings]:
        for name in value:
            if not name.replace("-", "_").isidentifier():
                raise ValueError(f"the oracle's name {name!r} should be letters, digits, '_', '-'")
        return value

    @property
    def live_roles(self) -> list[str]:
        """Names of the roles given as Python objects."""
        roles: dict[str, Role | None] = {"model": self.model, "policy": self.policy}
        roles |= {f"generators.{i}": role for i, role in enumerate(self.generators)}
        roles |= {f"oracles.{name}": role for name, role in self.oracles.items()}
        roles |= {f"gate.filters.{i}": role for i, role in enumerate(self.gate.filters)}
        live = [name for name, role in roles.items() if role is not None and role.is_live]
        own = self.strategy is not None and self.strategy.live is not None
        return [*live, "strategy"] if own else live
