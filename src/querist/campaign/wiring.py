"""Settings to the objects that run: the controller's plan and the engine's pools."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from querist.campaign.placing import runs_programs
from querist.campaign.rules import RETRAIN, STOP, read_rule
from querist.campaign.settings import CampaignSettings, OracleSettings, Role, number
from querist.control.gate import BandGate, LimitRule
from querist.control.plan import OraclePlan, Plan, RetryRule
from querist.control.policy import Policy, StandardPolicy
from querist.core.roles import SupportsMembers
from querist.core.tasks import Factory, PoolSpec, Resources

HANDLERS = "querist.campaign.handlers"


def model_factory(settings: CampaignSettings) -> Factory:
    """The campaign's model."""
    return calibrated_factory(settings.model, settings.gate.output, settings.calibrate)


def calibrated_factory(model: Role, output: str, calibrate: Mapping[str, Any] | None) -> Factory:
    """A model, inside a calibrator where one is asked for."""
    inner = model.factory("model")
    if calibrate is None:
        return inner
    options = {"model": inner, "output": output, **calibrate}
    return Factory("querist.campaign.calibrated:calibrated", options)


def gate(settings: CampaignSettings) -> BandGate:
    """The gate with its filters made."""
    filters = tuple(role.factory("filter").create() for role in settings.gate.filters)
    return BandGate(settings.gate.output, filters)


def policy(settings: CampaignSettings) -> Policy:
    """The user's policy, or the standard one with the configured rules."""
    if settings.policy is not None:
        made: Policy = settings.policy.factory("policy").create()
        return made
    return StandardPolicy(
        read_rule(settings.retrain, RETRAIN, "retrain"),
        read_rule(settings.stop, STOP, "stop"),
        tuple(sorted(settings.routes.items(), key=lambda route: route[1])),
    )


def plan(settings: CampaignSettings) -> Plan:
    """What the controller is told."""
    budget, retry, trainers = settings.budget, settings.retry, number(settings.trainers)
    inline = settings.engine.kind == "inline"
    return Plan(
        oracles=tuple(_oracle_plan(name, o) for name, o in settings.oracles.items()),
        policy=policy(settings),
        limits=LimitRule(settings.gate.ask, settings.gate.quantile, settings.gate.reject),
        explorers=number(settings.explorers),
        trainers=trainers,
        members=members_of(settings) if trainers > 1 else 1,
        initial=settings.initial,
        holdout=settings.holdout if settings.start.test_set is None else 0.0,
        calibration=settings.calibration,
        max_queue=settings.queue.limit,
        max_fresh=settings.queue.max_fresh,
        slice_steps=min(settings.slice.steps, 50) if inline else settings.slice.steps,
        slice_seconds=None if inline else settings.slice.seconds,
        retry=RetryRule(retry.attempts, retry.backoff, retry.give_up),
        final_fit=settings.final_fit,
        labels=math.inf if budget.labels is None else budget.labels,
        cost=math.inf if budget.cost is None else budget.cost,
        seconds=budget.seconds,
        error_metric=settings.error_metric or f"{settings.gate.output}.mae",
        seed=settings.seed,
    )


def _oracle_plan(name: str, oracle: OracleSettings) -> OraclePlan:
    timeout = oracle.timeout
    if timeout is None and oracle.resources is not None and not runs_programs(oracle):
        timeout = oracle.resources.wall_seconds
    return OraclePlan(name, oracle.batch, timeout, oracle.cost, oracle.outside)


def members_of(settings: CampaignSettings) -> int:
    """Members of the committee that can be fitted apart; 1 for any other model."""
    made = model_factory(settings).create()
    return int(made.members) if isinstance(made, SupportsMembers) else 1


def pools(settings: CampaignSettings) -> list[PoolSpec]:
    """The engine's pools: explorers, oracles, trainers."""
    made_gate, model = gate(settings), model_factory(settings)
    found = [
        PoolSpec(
            f"explorer.{slot}",
            _handler(
                "explorer:Explorer",
                generators=generators_of(settings, slot),
                model=model,
                gate=made_gate,
                states=_states(settings, slot),
            ),
            resources=Resources(gpus=settings.gpus.explorers),
        )
        for slot in range(number(settings.explorers))
    ]
    for name, oracle in settings.oracles.items():
        if not oracle.outside:
            found.append(_oracle_pool(name, oracle))
    if settings.trainers:
        trainer = _handler("trainer:Trainer", model=model, gate=made_gate)
        resources = Resources(gpus=settings.gpus.trainers)
        found.append(PoolSpec("trainer", trainer, number(settings.trainers), resources))
    return found


def _oracle_pool(name: str, oracle: OracleSettings) -> PoolSpec:
    validator = None if oracle.validator is None else oracle.validator.factory("validator")
    wanted = None if oracle.resources is None else oracle.resources.needed()
    more = {"resources": wanted} if wanted is not None and runs_programs(oracle) else {}
    handler = _handler(
        "labeller:Labeller",
        oracle=oracle.factory("oracle"),
        validator=validator,
        level=oracle.level,
        **more,
    )
    resources = Resources(memory_mb=oracle.memory_mb)
    pool = PoolSpec(f"oracle.{name}", handler, number(oracle.workers), resources)
    if wanted is None or more:
        return pool
    memory = oracle.memory_mb or wanted.memory_mb
    return replace(pool, resources=replace(wanted, memory_mb=memory), threads=wanted.cores)


def generators_of(settings: CampaignSettings, slot: int) -> tuple[Factory, ...]:
    """The generators of one explorer: shared out in turn, or one for each when there are fewer.

    Explorers that share one configuration of a generator with a ``seed`` each get another seed,
    else they would walk the same path.
    """
    return tuple(_generator(settings, *place) for place in _places(settings, slot))


def _places(settings: CampaignSettings, slot: int) -> list[tuple[int, int]]:
    """An explorer's generators: their numbers in the settings, and of which copy."""
    known, explorers = len(settings.generators), number(settings.explorers)
    if known >= explorers:
        return [(index, 0) for index in range(slot, known, explorers)]
    return [(slot % known, slot // known)]


def _generator(settings: CampaignSettings, index: int, copy: int) -> Factory:
    made = settings.generators[index].factory("generator")
    seed = made.options.get("seed")
    if copy and isinstance(seed, int):
        return Factory(made.target, {**made.options, "seed": seed + copy})
    return made


def _states(settings: CampaignSettings, slot: int) -> tuple[str, ...]:
    """Names of an explorer's generators' states; another number of explorers finds them as well."""
    return tuple(f"generator{index}.{copy}" for index, copy in _places(settings, slot))


def _handler(target: str, **options: Any) -> Factory:
    return Factory(f"{HANDLERS}.{target}", options)
