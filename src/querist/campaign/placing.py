"""Where simulations run that are themselves parallel: what each needs, and each worker's share."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from querist.campaign.settings import AllocationSettings, CampaignSettings, OracleSettings, number
from querist.core.errors import ConfigError, QueristError
from querist.core.tasks import Factory, PoolSpec, Resources, resolve
from querist.oracles.allocation import Allocation, Node, this_node
from querist.oracles.parallel import check_parallel

PART = "QUERIST_PART"


def _made_by(oracle: OracleSettings) -> Any:
    """The oracle's class or object; None where it cannot be imported, which is told elsewhere."""
    if oracle.outside:
        return None
    try:
        factory = oracle.factory("oracle")
        return factory.live if factory.is_live else resolve(factory.target)
    except (ValueError, QueristError):
        return None


def runs_programs(oracle: OracleSettings) -> bool:
    """Whether its resources are those of programs that it starts, not of its workers."""
    return callable(getattr(_made_by(oracle), "place", None))


def needs_share(oracle: OracleSettings) -> bool:
    """Whether its programs run side by side in this job's allocation."""
    return bool(getattr(_made_by(oracle), "needs_share", False))


def allocation_of(
    settings: AllocationSettings, gpus: int = 0, environment: Mapping[str, str] = os.environ
) -> Allocation:
    """The allocation that a campaign's simulations may use.

    Args:
        settings: What is stated of it.
        gpus: How many of the first node's its own workers take, which get the first ones.
        environment: What the scheduler says.

    Raises:
        ConfigError: If it cannot be found out, or has no such part.
    """
    found = _stated(settings) if settings.nodes else Allocation.found(environment)
    nodes = tuple(_overridden(node, settings) for node in found.nodes)
    chosen = Allocation(nodes, found.source)
    part = environment.get(PART) or settings.part
    return (chosen.part(part) if part else chosen).without(settings.reserve, gpus)


def _stated(settings: AllocationSettings) -> Allocation:
    own = this_node()
    nodes = tuple(Node(name, own.cores, own.gpus) for name in settings.nodes)
    return Allocation(nodes, "the setting allocation.nodes")


def _overridden(node: Node, settings: AllocationSettings) -> Node:
    cores, gpus = node.cores, node.gpus
    if settings.cores is not None and settings.cores != len(cores):
        cores = cores[: settings.cores]
        if len(cores) < settings.cores:
            cores = tuple(range(settings.cores))
    if settings.gpus is not None:
        gpus = tuple(str(number) for number in range(settings.gpus))
    return Node(node.name, cores, gpus)


def placed(settings: CampaignSettings, specs: Sequence[PoolSpec]) -> list[PoolSpec]:
    """The pools, with a share of the allocation for each worker that launches programs.

    Args:
        settings: The campaign's.
        specs: Its pools.

    Raises:
        ConfigError: If they do not fit into the allocation.
    """
    # Ranks that nobody asked for may have been added; the allocation has no share for them.
    wanted = [
        (name, _needed(oracle), number(oracle.workers))
        for name, oracle in settings.oracles.items()
        if needs_share(oracle)
    ]
    if not wanted:
        return list(specs)
    launching = {f"oracle.{name}" for name, *_ in wanted}
    own = sum(s.count * s.resources.gpus for s in specs if s.name not in launching)
    shares = allocation_of(settings.allocation, math.ceil(own)).shares(wanted)
    return [_with_shares(spec, shares.get(spec.name.removeprefix("oracle."))) for spec in specs]


def room(settings: CampaignSettings, environment: Mapping[str, str] = os.environ) -> dict[str, int]:
    """How many programs of each oracle fit into the allocation, where their number is open.

    Oracles whose number is open grow in turns; all others have what they want.
    """
    sharing = {name: o for name, o in settings.oracles.items() if needs_share(o)}
    counts = {name: number(oracle.workers) for name, oracle in sharing.items()}
    growing = [name for name, oracle in sharing.items() if not isinstance(oracle.workers, int)]
    if not growing:
        return {}
    allocation = allocation_of(settings.allocation, environment=environment)
    while growing:
        for name in list(growing):
            more = {**counts, name: counts[name] + 1}
            if _fit(allocation, [(n, _needed(sharing[n]), count) for n, count in more.items()]):
                counts = more
            else:
                growing.remove(name)
    return {name: counts[name] for name, o in sharing.items() if not isinstance(o.workers, int)}


def _fit(allocation: Allocation, wanted: Sequence[tuple[str, Resources, int]]) -> bool:
    try:
        allocation.shares(wanted)
    except ConfigError:
        return False
    return True


def _with_shares(spec: PoolSpec, shares: Any) -> PoolSpec:
    if shares is None or not spec.name.startswith("oracle."):
        return spec
    handler = spec.handler
    options = {**handler.options, "shares": shares}
    made = Factory(handler.target, options, handler.live)
    return replace(spec, handler=made, count=len(shares))


def _needed(oracle: OracleSettings) -> Resources:
    if oracle.resources is not None:
        return oracle.resources.needed()
    own = oracle.live if oracle.is_live else None
    stated: Resources = getattr(own, "resources", Resources())
    return stated


def resource_problems(settings: CampaignSettings) -> Iterator[str]:
    """What of the oracles' resources cannot be given, one sentence each."""
    for name, oracle in settings.oracles.items():
        if oracle.resources is not None:
            for problem in _problems(oracle, oracle.resources.needed()):
                yield f"oracles.{name}.resources: {problem}"
        if getattr(_made_by(oracle), "queues", False):
            for problem in _queue_problems(oracle):
                yield f"oracles.{name}: {problem}"


def _problems(oracle: OracleSettings, wanted: Resources) -> Iterator[str]:
    if oracle.outside:
        yield "an oracle that is answered from outside has none; leave them out."
        return
    places = runs_programs(oracle)
    try:
        check_parallel(wanted)
    except ConfigError as error:
        yield str(error)
    if wanted.nodes * wanted.ranks > 1 and not _launches(oracle):
        yield (
            f"{oracle.use or 'a live oracle'} runs in one process and cannot have {wanted.ranks} "
            f"ranks on {wanted.nodes} nodes; use: parallel or use: queue start programs that can."
        )
    own = oracle.options if places else {}
    twice = (
        ("wall_seconds", wanted.wall_seconds, {"timeout": oracle.timeout or own.get("timeout")}),
        ("memory_mb", wanted.memory_mb, {"memory_mb": oracle.memory_mb or own.get("memory_mb")}),
    )
    for key, limit, others in twice:
        for other, value in others.items():
            if limit is not None and value is not None:
                yield f"{key} and {other!r} limit the same thing; state one of them."


def _queue_problems(oracle: OracleSettings) -> Iterator[str]:
    if oracle.timeout is not None:
        yield (
            "timeout would count the time that a job waits in the queue; leave it out, and state "
            "resources.wall_seconds, which counts from the job's start."
        )
    options = oracle.options if not oracle.is_live else vars(oracle.live)
    if options.get("executor", "local") != "local" and _needed(oracle).wall_seconds is None:
        yield "resources.wall_seconds is missing: a queue wants to know how long a job may take."


def _launches(oracle: OracleSettings) -> bool:
    return bool(getattr(_made_by(oracle), "launches", _made_by(oracle) is None))
