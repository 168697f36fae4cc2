"""Settings to the objects that run: the controller's plan and the engine's pools."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from querist.campaign.called import made
from querist.campaign.handlers.split import Split
from querist.campaign.handlers.supply import innermost
from querist.campaign.placing import runs_programs
from querist.campaign.registry import BUILT_IN, target_of
from querist.campaign.rules import RETRAIN, STOP, read_rule
from querist.campaign.settings import CampaignSettings, OracleSettings, Role, number
from querist.campaign.simulating import VIRTUAL
from querist.campaign.strategy import CHOICES
from querist.control.gate import BandGate, LimitRule
from querist.control.plan import OraclePlan, OrderRule, Plan, RetryRule
from querist.control.policy import Policy, StandardPolicy
from querist.core.errors import ConfigError
from querist.core.tasks import Factory, PoolSpec, Resources
from querist.generators.candidates import Candidates
from querist.models.members import SupportsMembers

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
    filters = tuple(made(role.factory("filter")) for role in settings.gate.filters)
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
    inline = settings.engine.kind in ("inline", VIRTUAL)
    return Plan(
        oracles=tuple(_oracle_plan(name, o) for name, o in settings.oracles.items()),
        policy=policy(settings),
        limits=_limits(settings),
        explorers=explorers_of(settings),
        trainers=trainers,
        members=_members(settings, trainers),
        initial=settings.initial,
        holdout=settings.holdout if settings.start.test_set is None else 0.0,
        calibration=settings.calibration,
        max_queue=settings.queue.limit,
        max_fresh=settings.queue.max_fresh,
        slice_steps=min(settings.slice.steps, 50) if inline else settings.slice.steps,
        slice_seconds=None if inline else settings.slice.seconds,
        retry=RetryRule(retry.attempts, retry.backoff, retry.give_up, retry.timeouts),
        final_fit=settings.final_fit,
        labels=math.inf if budget.labels is None else budget.labels,
        cost=math.inf if budget.cost is None else budget.cost,
        seconds=budget.seconds,
        error_metric=settings.error_metric or _error_metric(settings),
        seed=settings.seed,
        ordering=ordering(settings),
        rest=math.inf if settings.engine.kind == VIRTUAL else 1.0,
    )


def _members(settings: CampaignSettings, trainers: int) -> int:
    """Members that trainers may share; there may be more trainers later than there are now."""
    if trainers > 1:
        return members_of(settings)
    try:
        return members_of(settings) if trainers else 1
    except Exception:  # noqa: BLE001 - a user's model may raise anything; workers tell it better
        return 1


def _error_metric(settings: CampaignSettings) -> str:
    """The share of wrong classes, or the mean absolute error."""
    try:
        model = innermost(model_factory(settings).create())
        classifies = bool(getattr(model, "classifies", False))
    except Exception:  # noqa: BLE001 - a user's model may raise anything; workers tell it better
        classifies = False
    return f"{settings.gate.output}.{'error' if classifies else 'mae'}"


def _limits(settings: CampaignSettings) -> LimitRule:
    """With a strategy and no threshold everything that makes sense may be asked."""
    gate = settings.gate
    everything = settings.strategy is not None and not gate.ask and gate.quantile is None
    return LimitRule(-1.0 if everything else gate.ask, gate.quantile, gate.reject)


def ordering(settings: CampaignSettings) -> OrderRule | None:
    """How the strategy orders what waits. On ``inline`` nobody else works meanwhile."""
    chosen = settings.strategy
    if chosen is None:
        return None
    wait = None if settings.engine.kind == "inline" else chosen.wait
    least = 10 * chosen.batch if chosen.least is None else chosen.least
    least, rounds = min(least, settings.queue.limit), chosen.use in CHOICES
    reserve = _random_share(settings) if is_finite(settings) else 0.0
    return OrderRule(chosen.batch, least, wait, rounds, reserve)


def _random_share(settings: CampaignSettings) -> float:
    """Of all questions, those whose samples are drawn at random."""
    holdout = settings.holdout if settings.start.test_set is None else 0.0
    return holdout + settings.calibration


def is_finite(settings: CampaignSettings) -> bool:
    """Whether everything that may be asked is one set, each of whose samples is proposed once."""
    return all(_proposes_once(role) for role in settings.generators)


def _proposes_once(role: Role) -> bool:
    if isinstance(role.live, Candidates):
        return not role.live.cyclic
    is_set = (
        role.live is None
        and target_of("generator", role.use) == BUILT_IN["generator"]["candidates"]
    )
    return is_set and not role.options.get("cyclic", False)


def _oracle_plan(name: str, oracle: OracleSettings) -> OraclePlan:
    timeout = oracle.timeout
    if timeout is None and oracle.resources is not None and not runs_programs(oracle):
        timeout = oracle.resources.wall_seconds
    return OraclePlan(name, oracle.batch, timeout, oracle.cost, oracle.outside)


def strategy_told(settings: CampaignSettings) -> dict[str, Any]:
    """What the trainer is told of the strategy."""
    chosen = settings.strategy
    assert chosen is not None
    names = ("use", "options", "live", "batch", "embeddings", "costs", "rules")
    told = {name: getattr(chosen, name) for name in names}
    told |= {"among": list(chosen.among), "output": settings.gate.output}
    return {**told, "holdout": settings.holdout, "calibration": settings.calibration}


def members_of(settings: CampaignSettings) -> int:
    """Members of the committee that can be fitted apart; 1 for any other model."""
    made = model_factory(settings).create()
    return int(made.members) if isinstance(made, SupportsMembers) else 1


def pools(settings: CampaignSettings) -> list[PoolSpec]:
    """The engine's pools: explorers (and the ranks that they are split over), oracles, trainers."""
    made_gate, model = gate(settings), model_factory(settings)
    explore = _split if settings.placement.kind == "split" else _colocated
    found = list(explore(settings, model, made_gate))
    for name, oracle in settings.oracles.items():
        if not oracle.outside:
            found.append(_oracle_pool(name, oracle))
    if settings.trainers:
        told = {"strategy": strategy_told(settings)} if settings.strategy else {}
        trainer = _handler("trainer:Trainer", model=model, gate=made_gate, **told)
        resources = Resources(gpus=settings.gpus.trainers)
        found.append(PoolSpec("trainer", trainer, number(settings.trainers), resources))
    return found


def explorers_of(settings: CampaignSettings) -> int:
    """How many explorers the controller has; where they are split, each has a lead."""
    placement = settings.placement
    if placement.kind == "colocated":
        return number(settings.explorers)
    return 1 if placement.by == "member" else number(placement.predictors)


def _colocated(
    settings: CampaignSettings, model: Factory, made_gate: BandGate
) -> Iterator[PoolSpec]:
    for slot in range(number(settings.explorers)):
        yield explorer_pool(settings, slot, (model, made_gate))


def explorer_pool(
    settings: CampaignSettings, slot: int, made: tuple[Factory, BandGate] | None = None
) -> PoolSpec:
    """The pool of one explorer with its own generators, maybe of one beyond those that there are.

    Args:
        settings: With numbers.
        slot: Its number.
        made: Model and gate, where they are made already.
    """
    model, made_gate = made or (model_factory(settings), gate(settings))
    explorers = number(settings.explorers)
    handler = _handler(
        "explorer:Explorer",
        generators=generators_of(settings, slot, explorers),
        model=model,
        gate=made_gate,
        states=states_of(settings, slot, explorers),
    )
    resources = Resources(gpus=settings.gpus.explorers)
    return PoolSpec(f"explorer.{slot}", handler, resources=resources)


def _split(settings: CampaignSettings, model: Factory, made_gate: BandGate) -> Iterator[PoolSpec]:
    """For each lead its own pool, one of its generators' ranks, and one of further predictors."""
    placement, leads = settings.placement, explorers_of(settings)
    ranks = number(placement.generators)
    resources = Resources(gpus=settings.gpus.explorers)
    further = number(placement.predictors) - 1 if placement.by == "member" else 0
    for slot in range(leads):
        own = range(slot, ranks, leads)
        if not own:
            raise ConfigError(
                f"{leads} predictors with replicas of the model need a rank of generators each, "
                f"but placement.generators is {ranks}; give it at least {leads}."
            )
        generators = [generators_of(settings, rank, ranks) for rank in own]
        states = [states_of(settings, rank, ranks) for rank in own]
        counts = tuple(map(len, generators))
        split = Split(slot, counts, further, placement.max_batch, placement.max_wait)
        lead = _handler(
            "explorer:Explorer", generators=(), model=model, gate=made_gate, split=split
        )
        generate = _handler(
            "generating:Generating", generators=generators, states=states, split=split
        )
        party = f"explorer.{slot}"
        yield PoolSpec(party, lead, 1, resources, party=party)
        yield PoolSpec(f"generator.{slot}", generate, len(own), party=party)
        if further:
            predict = _handler("spread:Predicting", model=model)
            yield PoolSpec(f"predictor.{slot}", predict, further, resources, party=party)


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


def generators_of(settings: CampaignSettings, slot: int, of: int) -> tuple[Factory, ...]:
    """The generators of one of some explorers, or ranks of generators.

    They are shared out in turn, or one for each when there are fewer. Where one configuration of a
    generator with a ``seed`` is there several times, each gets another seed, else they would walk
    the same path.
    """
    return tuple(_generator(settings, *place) for place in _places(settings, slot, of))


def states_of(settings: CampaignSettings, slot: int, of: int) -> tuple[str, ...]:
    """Names of their states; another number of explorers or ranks finds them as well."""
    return tuple(f"generator{index}.{copy}" for index, copy in _places(settings, slot, of))


def _places(settings: CampaignSettings, slot: int, of: int) -> list[tuple[int, int]]:
    """Generators' numbers in the settings, and of which copy."""
    known = len(settings.generators)
    if slot >= of and known >= of:  # one more explorer: further copies, that nobody has
        return [((slot - of) % known, 1 + (slot - of) // known)]
    if known >= of:
        return [(index, 0) for index in range(slot, known, of)]
    return [(slot % known, slot // known)]


def _generator(settings: CampaignSettings, index: int, copy: int) -> Factory:
    made = settings.generators[index].factory("generator")
    seed = made.options.get("seed")
    if copy and isinstance(seed, int):
        return Factory(made.target, {**made.options, "seed": seed + copy})
    return made


def _handler(target: str, **options: Any) -> Factory:
    return Factory(f"{HANDLERS}.{target}", options)
